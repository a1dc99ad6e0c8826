"""The CPU time that the lab itself costs: its containers, its own process with children, and the engine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from reprolab.machine import texts
from reprolab.machine.containers import PROC, LabContainer
from reprolab.machine.texts import ProcessTimes

ENGINE = ("dockerd", "containerd", "docker-proxy")
# The kernel cuts the names of processes to 15 characters.
SHIM = "containerd-shim"


@dataclass
class OwnCpu:
    """Counts CPU time from its creation on.

    The last reading of something that has ended is kept. An ended child of dockerd does not count: it may be a build of
    another program.
    """

    containers: Iterable[LabContainer] = ()
    proc: Path = PROC
    _first: dict[object, float] = field(default_factory=dict)
    _last: dict[object, float] = field(default_factory=dict)
    _engine: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._find_engine()
        self.read(self.containers)
        self._first = dict(self._last)

    def read(self, containers: Iterable[LabContainer]) -> None:
        """Read all counters. What is new since the creation counts from zero."""
        for container in containers:
            with suppress(OSError, ValueError):
                self._last[container.id] = container.files.cpu_seconds() + self._shim_seconds(container)
        for pid in self._engine:
            if times := self._times(pid):
                self._last[pid, times.started] = times.own
        self._last["lab"] = sum(self._tree(os.getpid()))

    def finish(self, containers: Iterable[LabContainer]) -> float:
        """Read all counters a last time; returns the CPU seconds since the creation."""
        self._find_engine()
        self.read(containers)
        return sum(value - self._first.get(key, 0.0) for key, value in self._last.items())

    def _shim_seconds(self, container: LabContainer) -> float:
        """The CPU time of a container's shim, and of the programs with which it starts commands in the container.

        The ended children of a shim are these programs, and the ended processes of the container, whose time is in the
        container's cgroup already. Without this distinction the whole work of wrk would count twice.
        """
        shim = self._times(container.shim)
        if shim is None or not shim.name.startswith(SHIM):
            return 0.0
        alive = [times for pid in container.files.pids() if (times := self._times(pid))]
        ended = container.files.cpu_seconds() - sum(times.own + times.children for times in alive)
        return shim.own + max(shim.children - max(ended, 0.0), 0.0)

    def _find_engine(self) -> None:
        """Remember the processes of the engine."""
        for name in (path.name for path in self.proc.iterdir()):
            if name.isdigit() and (times := self._times(int(name))) and times.name in ENGINE:
                self._engine.add(int(name))

    def _tree(self, pid: int) -> Iterator[float]:
        """The CPU times of a process, its ended children and its living descendants."""
        if times := self._times(pid):
            yield times.own + times.children
            for child in self._children(pid):
                yield from self._tree(child)

    def _children(self, pid: int) -> Iterator[int]:
        with suppress(OSError):
            for task in (self.proc / str(pid) / "task").iterdir():
                with suppress(OSError):
                    yield from map(int, (task / "children").read_text(encoding="ascii").split())

    def _times(self, pid: int) -> ProcessTimes | None:
        try:
            return texts.process_times((self.proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace"))
        except (OSError, ValueError, IndexError):
            return None
