"""The CPU time of other programs: all that are not the lab, its containers, the engine or the kernel."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from reprolab.machine import texts
from reprolab.machine.containers import PROC
from reprolab.machine.texts import ProcessTimes

INIT, KERNEL = 1, 2  # process ids
Key = tuple[int, int]  # a process id, and when the process started
# The programs of the engine; the kernel cuts names to 15 characters.
ENGINE = ("dockerd", "containerd", "docker-proxy", "docker-init", "containerd-shim", "runc")


@dataclass
class _Process:
    """A process of another program, at the first and at the last look.

    ``ended`` is the CPU time of its ended children that were seen before.
    """

    first: ProcessTimes
    last: ProcessTimes
    ended: float = 0.0

    def seconds(self) -> float:
        """The CPU time since the first look. Children that began and ended between two looks are included."""
        unseen = self.last.children - self.first.children - self.ended
        return self.last.own - self.first.own + max(unseen, 0.0)


@dataclass
class OtherWork:
    """Counts the CPU time of other programs from the first look on.

    Only what is seen in a process of another program counts. So the work of the kernel's threads and of short-lived
    programs of the engine is never called other work. The work of a process after the last look is lost if init
    collects the process. ``foreign`` tells for the id of a container whether it is of another program (None: not known
    yet).
    """

    foreign: Callable[[str], bool | None]
    proc: Path = PROC
    _running: dict[Key, _Process] = field(default_factory=dict)
    _others: set[Key] = field(default_factory=set)
    _ended: float = 0.0
    _begun: bool = False

    def count(self) -> float:
        """Look at all processes; returns the CPU seconds of other programs since the first look."""
        seen = self._strange_processes()
        self._end({key for key in self._running if key not in seen})
        for key, times in seen.items():
            if key in self._running:
                self._running[key].last = times
            else:
                self._running[key] = _Process(replace(times, own=0.0, children=0.0) if self._begun else times, times)
        self._begun = True
        self._others |= {key for key in seen if key not in self._others and self._is_other(*key)}
        return self._ended + sum(self._running[key].seconds() for key in self._others)

    def _end(self, keys: set[Key]) -> None:
        """A process that has ended is in the times of its parent too. There it must not count again."""
        ended = {key: self._running.pop(key) for key in keys}
        living = {pid: process for (pid, _), process in self._running.items()}
        for key, process in ended.items():
            if key in self._others:
                self._others.remove(key)
                self._ended += process.seconds()
            if parent := living.get(process.last.parent):
                parent.ended += process.last.own + process.last.children

    def _strange_processes(self) -> dict[Key, ProcessTimes]:
        """The processes that are not the lab, the engine or the kernel. Those in containers of the lab are included."""
        names = [path.name for path in self.proc.iterdir() if path.name.isdigit()]
        processes = {int(name): times for name in names if (times := self._times(name))}
        children: dict[int, list[int]] = {}
        for pid, times in processes.items():
            children.setdefault(times.parent, []).append(pid)
        engine = {pid for pid, times in processes.items() if times.name.partition(":")[0] in ENGINE}
        helpers = {
            pid for parent in engine for pid in children.get(parent, ()) if self._cgroup(pid) == self._cgroup(parent)
        }
        known = engine | helpers | set(_tree(os.getpid(), children)) | set(_tree(KERNEL, children))
        seen = {(pid, times.started): times for pid, times in processes.items() if pid not in known}
        # The ended children of init may be containers of the lab.
        return {key: replace(times, children=0.0) if key[0] == INIT else times for key, times in seen.items()}

    def _is_other(self, pid: int, started: int) -> bool:
        """Whether a process is of another program. It is not known for a process that has just ended."""
        cgroup = self._cgroup(pid)
        container = texts.container_of(cgroup)
        return bool(self.foreign(container)) if container else bool(cgroup)

    def _cgroup(self, pid: int) -> str:
        """The text of a process's cgroups; "" if the process has ended."""
        try:
            return (self.proc / str(pid) / "cgroup").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def _times(self, pid: str) -> ProcessTimes | None:
        try:
            return texts.process_times((self.proc / pid / "stat").read_text(encoding="utf-8", errors="replace"))
        except (OSError, ValueError, IndexError):
            return None


def _tree(root: int, children: Mapping[int, list[int]]) -> Iterator[int]:
    """A process and its living descendants."""
    yield root
    for child in children.get(root, ()):
        yield from _tree(child, children)
