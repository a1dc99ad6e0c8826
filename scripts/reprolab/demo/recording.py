"""The recording of one trial: counts in steps of time, looks at processes and at a file, events.

The live screen shows a recording that still grows; a replay shows a complete one. All times are milliseconds since the
drive began. A recording from the evidence of an ordinary run has the zero of its timeline.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import IO, Any

from reprolab.core.files import format_errors, json_text, writing
from reprolab.report.timeline import Event

FILE = "stage.jsonl"
LAB = "lab"  # the source of events that the lab caused
BY_LAB = "lab ended"  # the label of processes that the lab ended, for example because of a deadlock
STEP_MS = 100
LONGEST_MS = 24 * 3600 * 1000  # a damaged file, or a log, may name any moment


@dataclass(frozen=True)
class ProcessState:
    """One process in a look; ``threads`` is 0 if unknown."""

    pid: int
    parent: int
    name: str
    threads: int = 0


@dataclass(frozen=True)
class Look:
    """One look at a stack: its processes, and whether the file is present. None: not checked, or not possible."""

    at_ms: float
    processes: tuple[ProcessState, ...] | None = None
    present: bool | None = None


@dataclass(frozen=True)
class Hold:
    """What the lab held before an audience, shown from a moment on until another; it has lasted since a third one."""

    text: str
    since_ms: float
    shown_ms: float
    until_ms: float | None = None


@dataclass
class Recording:
    """A trial's looks, counts (label -> step -> number) and events; ``missing`` is an unknown part -> the reason.

    The counts are complete up to ``seen_ms``; later steps are not counted yet.
    """

    step_ms: int = STEP_MS
    counts: dict[str, dict[int, int]] = field(default_factory=dict)
    looks: list[Look] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    holds: list[Hold] = field(default_factory=list)
    seen_ms: float = 0.0
    length_ms: float = 0.0
    source: str = ""
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    def count(self, label: str, step: int, number: int) -> None:
        """Add a number of responses (or lines) to a label in one step."""
        with self._lock:
            steps = self.counts.setdefault(label, {})
            steps[step] = steps.get(step, 0) + number

    def total(self, label: str, until_ms: float) -> int:
        """The number for a label up to a moment."""
        with self._lock:
            return sum(n for step, n in self.counts.get(label, {}).items() if step * self.step_ms < until_ms)

    def between(self, label: str, from_ms: float, until_ms: float) -> int:
        """The number for a label in the steps that begin in [from, until)."""
        with self._lock:
            steps = self.counts.get(label, {})
            first, last = -(-int(from_ms) // self.step_ms), -(-int(until_ms) // self.step_ms)
            return sum(steps.get(step, 0) for step in range(first, last))

    def labels(self) -> list[str]:
        """The labels so far, sorted."""
        with self._lock:
            return sorted(self.counts)


class RecordingWriter:
    """Writes a growing recording into a file, as lines of JSON."""

    def __init__(self, path: Path) -> None:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream: IO[str] = path.open("w", encoding="utf-8")
        self._path = path

    def write(self, **line: Any) -> None:
        with writing(self._path):
            self._stream.write(json_text(line) + "\n")

    def close(self) -> None:
        with writing(self._path):
            self._stream.close()


def look_to_json(look: Look) -> dict[str, Any]:
    """A look as a value in a line of the file."""
    processes = None if look.processes is None else [[p.pid, p.parent, p.name, p.threads] for p in look.processes]
    return {"at_ms": look.at_ms, "processes": processes, "present": look.present}


def read(path: Path) -> Recording:
    """Read a recording from its file; an incomplete last line is skipped."""
    recording = Recording(source="what the demonstration saw while it ran")
    with format_errors(path):
        for line in _lines(path):
            _add(recording, line)
    recording.seen_ms = recording.length_ms
    return recording


def _add(recording: Recording, line: Mapping[str, Any]) -> None:
    """Add a line of the file. Raises the errors of `format_errors` for one of another shape."""
    if "look" in line:
        recording.looks.append(_look(line["look"]))
    for label, step, number in line.get("counts", ()):
        recording.count(str(label), int(step), int(number))
    if "event" in line:
        recording.events.append(_event(line["event"]))
    if "hold" in line:
        text, *moments = line["hold"]
        recording.holds.append(Hold(str(text), *map(_milliseconds, moments)))
    if "missing" in line:
        recording.missing |= {str(part): str(reason) for part, reason in line["missing"].items()}
    recording.step_ms = max(1, int(line.get("step_ms", recording.step_ms)))
    length = line.get("length_ms", max(recording.length_ms, _milliseconds(line.get("at_ms", 0.0))))
    recording.length_ms = _milliseconds(length)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_bytes().splitlines():
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):
            continue


def _look(line: Mapping[str, Any]) -> Look:
    processes = line["processes"]
    states = None if processes is None else tuple(_process(*fields) for fields in processes)
    present = line["present"]
    return Look(_milliseconds(line["at_ms"]), states, None if present is None else bool(present))


def _process(pid: Any, parent: Any, name: Any, threads: Any = 0) -> ProcessState:
    if int(pid) < 1:
        raise ValueError(f"{pid} is no process id")
    return ProcessState(int(pid), int(parent), str(name), int(threads))


def _event(line: Mapping[str, Any]) -> Event:
    event = Event(**line)
    until = None if event.until_ms is None else _milliseconds(event.until_ms)
    return replace(event, at_ms=_milliseconds(event.at_ms), kind=str(event.kind), text=str(event.text), until_ms=until)


def _milliseconds(value: Any) -> float:
    """A moment in a recording. Raises ValueError for one that no recording has, such as NaN."""
    moment = float(value)
    if not abs(moment) <= LONGEST_MS:
        raise ValueError(f"{moment} ms is no moment of a recording")
    return moment


def event_to_json(event: Event) -> dict[str, Any]:
    """An event as a value in a line of the file."""
    return asdict(event)
