"""Samples what the processes of a service use, from a second container in their process namespace."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from docker.errors import APIError

from reprolab.core import command_text
from reprolab.core.errors import InvalidTrial, UsageError
from reprolab.core.files import add_lines
from reprolab.engine.streams import socket_of, stdout_lines
from reprolab.evidence.series import SAMPLES_FILE, Sample
from reprolab.machine.texts import TCP_STATES, TICKS_PER_SECOND, UNIX_STATES
from reprolab.processes.inspector import ProcessInspector
from reprolab.processes.snapshot import STATES, from_outside
from reprolab.stack.looks import StackLooks
from reprolab.stack.sampler import SCRIPT

KINDS = ("rss", "cpu", "descriptors", "sockets")
END_LIMIT = 10.0  # seconds


@dataclass(frozen=True)
class Worker:
    """A child of a server: CPU time in seconds since its start, resident memory in bytes, state in a word."""

    pid: int
    cpu_s: float
    rss: int
    state: str = "running"

    def to_json(self) -> dict[str, Any]:
        """For an observation."""
        return asdict(self)


@dataclass
class Samples:
    """What the processes of a service used, sampled while a block ran; complete when the block has ended.

    ``at_s`` are the seconds since the first sample. ``rss`` is in bytes, summed over the processes: pages that they
    share count for each. ``cpu`` is the CPU time in seconds since the first sample. ``descriptors`` is the number of
    open files. ``sockets`` is state -> number in the service's network, such as {"tcp close-wait": 3}.
    """

    kinds: tuple[str, ...]
    rows: list[Mapping[str, Any]] = field(default_factory=list)

    def values(self, kind: str) -> list[Any]:
        """The values of one of ``kinds`` (or of "at_s"), sample by sample."""
        if kind != "at_s" and kind not in self.kinds:
            raise ValueError(f"{kind!r} was not sampled; sampled were {', '.join(self.kinds)}")
        return [row[kind] for row in self.rows]

    def to_json(self) -> list[dict[str, Any]]:
        """For an observation."""
        return [dict(row) for row in self.rows]


class StackSampling(StackLooks):
    """Samples the processes of a stack."""

    @contextmanager
    def sample(self, role: str = "app", kinds: Sequence[str] = KINDS, every: float = 0.5) -> Iterator[Samples]:
        """Sample a service every so many seconds while the block runs, and once at its end.

        ``kinds`` are of "rss", "cpu", "descriptors", "sockets". The result is kept as evidence too, and drawn on the
        report's page. Raises UsageError in an experiment whose trials run side by side, and InvalidTrial if the
        sampling ended before the block did, unless the service may end.
        """
        self._alone("stack.sample()")
        if strange := [kind for kind in kinds if kind not in KINDS]:
            raise TypeError(f"{', '.join(strange)} cannot be sampled, only {', '.join(KINDS)}")
        samples = Samples(tuple(kinds))
        sampler = Sampler(self._inspector(role), every, "sockets" in kinds)
        sampler.start()
        self._commands.streams.append(sampler.stream)
        try:
            yield samples
        finally:
            self._commands.streams.remove(sampler.stream)
            looks, wrong = sampler.end()
            series = list(series_of(f"{role}, sampled", looks))
            samples.rows += rows_of(series, looks, samples.kinds)
            add_lines(self.evidence.path / SAMPLES_FILE, [sample.to_json() for sample in series])
        if not looks or (wrong and role not in self.ends):
            raise InvalidTrial(f"{role} could not be sampled{' to the end' if looks else ''}: {sampler.error}")

    def workers(self, role: str = "app") -> list[Worker]:
        """The children of a service's server, oldest first. Raises UsageError and InvalidTrial as `sample` does."""
        self._alone("stack.workers()")
        snapshot = self.processes(role)
        try:
            server = snapshot.server()
        except ValueError as error:
            raise InvalidTrial(f"{role} has no server: {error}") from error
        return [
            Worker(child.pid, child.ticks / TICKS_PER_SECOND, child.rss, STATES.get(child.state, child.state))
            for child in snapshot.children(server.pid)
        ]

    def _alone(self, what: str) -> None:
        """Refuse to measure CPU time in trials that share the processors."""
        if self.side_by_side:
            raise UsageError(
                f"{what} reads what processes use, and the trials of this experiment run side by side",
                expected="one trial at a time",
                advice=f"remove PARALLEL from the experiment, or run it with {command_text.option('jobs', 1)}",
            )


def of_service(look: Mapping[str, Any], joined: bool = False) -> Mapping[str, Any]:
    """A look of the sampler's script without the parents of the processes and without commands from outside.

    In a namespace that the service has ``joined`` these cannot be distinguished, and all count.
    """
    parents = {int(pid): parent for pid, (*_, parent) in look["processes"].items()}
    others = set() if joined else from_outside(parents)
    return {
        **look,
        "processes": {pid: values for pid, (*values, _) in look["processes"].items() if int(pid) not in others},
    }


def series_of(name: str, looks: Sequence[Mapping[str, Any]]) -> Iterator[Sample]:
    """The looks of the sampler's script as samples of a service ``name``."""
    before: Mapping[str, Any] | None = None
    for look in looks:
        processes, sockets = look["processes"].values(), look["sockets"]
        seconds = (look["at_ns"] - before["at_ns"]) / 1e9 if before else 0.0
        used = cpu_seconds(before, look) if before else 0.0
        counts = {f"tcp {TCP_STATES.get(code, code)}": number for code, number in sockets.get("tcp", {}).items()}
        counts |= {f"unix {UNIX_STATES.get(code, code)}": number for code, number in sockets.get("unix", {}).items()}
        yield Sample(
            name,
            look["at_ns"],
            round(used / seconds, 3) if seconds else 0.0,
            sum(rss for _, _, rss, _ in processes),
            len(processes),
            sum(descriptors for _, _, _, descriptors in processes),
            counts,
        )
        before = look


def cpu_seconds(before: Mapping[str, Any], after: Mapping[str, Any]) -> float:
    """The CPU time of the processes between two looks. What a process used after its last look is not counted."""
    ticks = 0
    for pid, (started, used, _, _) in after["processes"].items():
        known = before["processes"].get(pid)
        ticks += used - known[1] if known and known[0] == started else used
    return ticks / TICKS_PER_SECOND


def rows_of(
    series: Sequence[Sample], looks: Sequence[Mapping[str, Any]], kinds: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """The rows of `Samples`, without what was not asked for."""
    cpu = 0.0
    for number, sample in enumerate(series):
        cpu += cpu_seconds(looks[number - 1], looks[number]) if number else 0.0
        values = {
            "rss": sample.memory,
            "cpu": round(cpu, 2),
            "descriptors": sample.descriptors,
            "sockets": dict(sample.sockets),
        }
        at_s = round((sample.at_ns - series[0].at_ns) / 1e9, 3)
        yield {"at_s": at_s, **{kind: values[kind] for kind in kinds}}


@dataclass
class Sampler:
    """The script that samples, as a command in the second container. It ends with its standard input."""

    inspector: ProcessInspector
    every: float
    sockets: bool
    looks: list[Mapping[str, Any]] = field(default_factory=list)
    error: str = ""
    stream: Any = None
    _first: threading.Event = field(default_factory=threading.Event)
    _reader: threading.Thread | None = None

    def start(self) -> None:
        """Begin; returns after the first look. Raises InvalidTrial if the command does not start."""
        if self.inspector.container is None:
            self.inspector.start()
        assert self.inspector.container is not None
        command = ["python", "-c", SCRIPT, str(self.every), "sockets" if self.sockets else ""]
        api = self.inspector.client.api
        try:
            exec_id = api.exec_create(self.inspector.container.id, command, stdin=True)["Id"]
            self.stream = api.exec_start(exec_id, socket=True)
        except APIError as error:
            raise InvalidTrial(f"{self.inspector.name} could not be sampled: {error.explanation}") from error
        self._reader = threading.Thread(target=self._read, name="sampler", daemon=True)
        self._reader.start()
        self._first.wait(END_LIMIT)

    def end(self) -> tuple[list[Mapping[str, Any]], bool]:
        """End the command after a last look; all looks, and whether they are not those of the whole block."""
        assert self._reader is not None
        wrong = not self._reader.is_alive()
        with suppress(OSError, ValueError):
            socket_of(self.stream).shutdown(socket.SHUT_WR)
        self._reader.join(END_LIMIT)
        if self._reader.is_alive():
            wrong, self.error = True, "the sampler did not end with the block"
        with suppress(OSError):
            self.stream.close()
        self.error = self.error.strip()[-300:] or "the sampler ended"
        return list(self.looks), wrong

    def _read(self) -> None:
        for line in stdout_lines(self.stream, self._note_error):
            self.looks.append(of_service(json.loads(line), self.inspector.joined))
            self._first.set()
        self._first.set()

    def _note_error(self, part: bytes) -> None:
        self.error += part.decode("utf-8", "replace")
