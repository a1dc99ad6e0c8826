"""Reads what each service of a stack uses, from outside its containers."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from reprolab.evidence.series import Sample
from reprolab.machine import texts
from reprolab.machine.containers import PROC, LabContainer

# Reading a container's sockets may take this share of one processor's time. The kernel walks through a table of all
# sockets of the machine, which takes milliseconds even where there are few.
SOCKET_SHARE = 1 / 400


@dataclass
class ServiceReader:
    """Samples the services of one Compose project; ``services`` is service -> role."""

    project: str
    services: Mapping[str, str]
    proc: Path = PROC
    _before: dict[str, tuple[float, float]] = field(default_factory=dict)
    _sockets_due: dict[str, float] = field(default_factory=dict)

    def samples(self, containers: Iterable[LabContainer]) -> Iterator[Sample]:
        """One sample for each running service. A container that is ending has none."""
        for container in containers:
            if container.project == self.project and container.service in self.services:
                with suppress(OSError, ValueError):
                    yield self._sample(container)

    def _sample(self, container: LabContainer) -> Sample:
        files, now, at_ns = container.files, time.monotonic(), time.time_ns()
        used = files.cpu_seconds()
        then, used_then = self._before.get(container.id, (now, used))
        self._before[container.id] = now, used
        pids = files.pids()
        return Sample(
            self.services[container.service],
            at_ns,
            round((used - used_then) / (now - then), 3) if now > then else 0.0,
            files.memory_bytes(),
            len(pids),
            self._descriptors(pids),
            self._sockets(container.id, pids, now),
        )

    def _descriptors(self, pids: Iterable[int]) -> int | None:
        """The number of open files of the processes; None if this user may not see them."""
        total = 0
        for pid in pids:
            directory = self.proc / str(pid) / "fd"
            try:
                # Since Linux 6.2 the size of the directory is the number of its entries.
                total += directory.stat().st_size or sum(1 for _ in directory.iterdir())
            except PermissionError:
                return None
            except OSError:
                continue
        return total

    def _sockets(self, container: str, pids: Iterable[int], now: float) -> dict[str, int]:
        """The sockets in the container's network by state; empty if it is too early to read them again."""
        if now < self._sockets_due.get(container, 0.0):
            return {}
        started = time.thread_time()
        counts: dict[str, int] = {}
        for pid in pids:
            with suppress(OSError, IndexError, ValueError):
                directory = self.proc / str(pid) / "net"
                tables = [path.read_text(encoding="ascii") for path in _tcp_tables(directory)]
                counts = texts.tcp_states(tables) | texts.unix_states((directory / "unix").read_text(errors="replace"))
                break
        self._sockets_due[container] = now + (time.thread_time() - started) / SOCKET_SHARE
        return counts


def _tcp_tables(directory: Path) -> list[Path]:
    """The tables of TCP sockets. One of them is missing where the kernel has no IPv6."""
    return [path for path in (directory / "tcp", directory / "tcp6") if path.exists()]
