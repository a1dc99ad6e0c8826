"""What was seen of one trial while it ran: counts in steps of time, looks at processes and a file, lines.

The live screen draws a recording that still grows, a replay one that is whole; both draw it as it was at a moment.
All times are milliseconds since the drive began (or, of a run without such a recording, since its own zero).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from typing import IO, Any

from reprolab.core.files import writing
from reprolab.report.timeline import Event

FILE = "stage.jsonl"
LAB = "lab"  # the source of events that are the lab's own doing
BY_LAB = "lab ended"  # the moving line of what the lab ended, such as processes that were stuck for good
STEP_MS = 100
Counts = Mapping[str, Mapping[int, int]]


@dataclass(frozen=True)
class Process:
    """One process as a look saw it; ``threads`` is 0 where that is not known."""

    pid: int
    parent: int
    name: str
    threads: int = 0


@dataclass(frozen=True)
class Look:
    """What one look saw. None: it did not look for that, or could not."""

    at_ms: float
    processes: tuple[Process, ...] | None = None
    present: bool | None = None


@dataclass
class Recording:
    """A trial's looks, counts (label -> step -> number) and events; ``missing`` says what is not known, and why.

    ``seen_ms`` is how far the counts reach: later steps are not empty, but not counted yet.
    """

    step_ms: int = STEP_MS
    counts: dict[str, dict[int, int]] = field(default_factory=dict)
    looks: list[Look] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    seen_ms: float = 0.0
    length_ms: float = 0.0
    source: str = ""
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    def count(self, label: str, step: int, number: int) -> None:
        """Add some responses (or lines) of a label in one step."""
        with self._lock:
            steps = self.counts.setdefault(label, {})
            steps[step] = steps.get(step, 0) + number

    def total(self, label: str, until_ms: float) -> int:
        """All of a label up to a moment."""
        with self._lock:
            return sum(n for step, n in self.counts.get(label, {}).items() if step * self.step_ms < until_ms)

    def between(self, label: str, from_ms: float, until_ms: float) -> int:
        """Those of a label in the steps that begin in [from, until)."""
        with self._lock:
            steps = self.counts.get(label, {})
            first, last = -(-int(from_ms) // self.step_ms), -(-int(until_ms) // self.step_ms)
            return sum(steps.get(step, 0) for step in range(first, last))

    def labels(self) -> list[str]:
        """The labels so far, statuses in their order."""
        with self._lock:
            return sorted(self.counts)


class Writer:
    """Keeps a recording as it grows: a line of JSON for each thing that was seen."""

    def __init__(self, path: Path) -> None:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream: IO[str] = path.open("w", encoding="utf-8")
        self._path = path

    def write(self, **line: Any) -> None:
        """Add one line."""
        with writing(self._path):
            self._stream.write(json.dumps(line, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """All of it is on disk then."""
        with writing(self._path):
            self._stream.close()


def look_to_json(look: Look) -> dict[str, Any]:
    """A look as a line of the file."""
    processes = None if look.processes is None else [[p.pid, p.parent, p.name, p.threads] for p in look.processes]
    return {"at_ms": look.at_ms, "processes": processes, "present": look.present}


def read(path: Path) -> Recording:
    """A recording from its file; a torn last line is passed over."""
    found = Recording(source="what the demonstration saw while it ran")
    for line in _lines(path):
        if "look" in line:
            found.looks.append(_look(line["look"]))
        for label, step, number in line.get("counts", ()):
            found.count(label, step, number)
        if "event" in line:
            found.events.append(Event(**line["event"]))
        if "missing" in line:
            found.missing |= line["missing"]
        found.step_ms = line.get("step_ms", found.step_ms)
        found.length_ms = line.get("length_ms", max(found.length_ms, line.get("at_ms", 0.0)))
    found.seen_ms = found.length_ms
    return found


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_bytes().splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue


def _look(line: Mapping[str, Any]) -> Look:
    processes = line["processes"]
    seen = None if processes is None else tuple(Process(*one) for one in processes)
    return Look(line["at_ms"], seen, line["present"])


def event_to_json(event: Event) -> dict[str, Any]:
    """An event as a line of the file."""
    return asdict(event)
