"""A recording as it was at a moment: what a screen draws."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from reprolab.demo.recording import Look, Process, Recording
from reprolab.report.timeline import Event

SECOND = 1000  # milliseconds


@dataclass(frozen=True)
class Row:
    """One process: since when it is seen, and no more (None: it is there); ``new`` if not in the first look."""

    process: Process
    depth: int
    since_ms: float
    gone_ms: float | None
    new: bool


@dataclass(frozen=True)
class Line:
    """One label's moving line: a number per column (None: not counted yet), those of the last second and of the
    second with the most, and all."""

    label: str
    columns: tuple[int | None, ...]
    peak: int
    rate: int
    total: int


@dataclass(frozen=True)
class Frame:
    """A recording as it was at a moment: what a screen draws."""

    now_ms: float
    lines: tuple[Line, ...]
    present: bool | None
    gone_ms: float | None
    rows: tuple[Row, ...] | None
    events: tuple[Event, ...]
    missing: Mapping[str, str]


def frame(recording: Recording, now_ms: float, columns: int, window_s: float) -> Frame:
    """The recording at a moment, its moving lines ``columns`` wide over ``window_s`` seconds."""
    looks = [look for look in list(recording.looks) if look.at_ms <= now_ms]
    files = [look for look in looks if look.present is not None]
    seen = [look for look in looks if look.processes is not None]
    return Frame(
        now_ms,
        tuple(_line(recording, label, now_ms, columns, window_s) for label in recording.labels()),
        files[-1].present if files else None,
        _gone_since(files),
        _rows(seen) if seen else None,
        tuple(sorted((e for e in list(recording.events) if e.at_ms <= now_ms), key=lambda event: event.at_ms)),
        dict(recording.missing),
    )


def _line(recording: Recording, label: str, now_ms: float, columns: int, window_s: float) -> Line:
    known = min(now_ms, recording.seen_ms)
    width = max(1, -(-int(window_s * 1000) // (columns * recording.step_ms))) * recording.step_ms
    last = int(now_ms // width)
    first = max(0, last - columns + 1)
    values = tuple(
        recording.between(label, n * width, min((n + 1) * width, known)) if n * width < known else None
        for n in range(first, last + 1)
    )
    rate = recording.between(label, max(0.0, known - SECOND), known)
    peak = max((recording.between(label, n * SECOND, (n + 1) * SECOND) for n in range(int(known) // SECOND)), default=0)
    return Line(label, values, max(peak, rate), rate, recording.total(label, known))


def _gone_since(files: list[Look]) -> float | None:
    """When a look first missed the file that was there before; None while it is there, or where it never was."""
    since = None
    for before, look in pairwise(files):
        if before.present and not look.present:
            since = look.at_ms
        elif look.present:
            since = None
    return since


def _rows(looks: list[Look]) -> tuple[Row, ...]:
    """Every process that was ever seen, below its parent, in order of pid."""
    first: dict[int, float] = {}
    latest: dict[int, Process] = {}
    gone: dict[int, float] = {}
    for look in looks:
        here = {process.pid: process for process in look.processes or ()}
        for pid in latest.keys() - here.keys():
            gone.setdefault(pid, look.at_ms)
        for pid, process in here.items():
            first.setdefault(pid, look.at_ms)
            gone.pop(pid, None)
            latest[pid] = process
    begun = looks[0].at_ms
    return tuple(Row(latest[pid], depth, first[pid], gone.get(pid), first[pid] > begun) for pid, depth in _tree(latest))


def _tree(processes: Mapping[int, Process]) -> Iterator[tuple[int, int]]:
    """(pid, depth), children below their parents."""
    children: dict[int, list[int]] = {}
    for pid, process in sorted(processes.items()):
        parent = process.parent if process.parent in processes and process.parent != pid else 0
        children.setdefault(parent, []).append(pid)

    def below(pid: int, depth: int) -> Iterable[tuple[int, int]]:
        for child in children.get(pid, []):
            yield child, depth
            yield from below(child, depth + 1)

    yield from below(0, 0)
