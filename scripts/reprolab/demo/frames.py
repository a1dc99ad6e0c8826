"""Computes the state of a recording at a moment, which a screen shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from reprolab.demo.recording import Look, ProcessState, Recording
from reprolab.report.timeline import Event

SECOND = 1000  # milliseconds


@dataclass(frozen=True)
class ProcessRow:
    """One process: when it was first seen, when first missing (None: it runs); ``new``: not in the first look."""

    process: ProcessState
    depth: int
    since_ms: float
    gone_ms: float | None
    new: bool


@dataclass(frozen=True)
class ScreenLine:
    """The moving line of one label: a number for each column (None: not counted yet), and its figures.

    ``rate`` is the number in the last second, ``peak`` that in the busiest second, ``total`` that of all.
    """

    label: str
    columns: tuple[int | None, ...]
    peak: int
    rate: int
    total: int


@dataclass(frozen=True)
class Frame:
    """The state of a recording at a moment. None: it has no look at the file, or at processes.

    The columns of the moving lines begin at ``first_ms``, and each is ``column_ms`` long. ``holding`` is what the lab
    shows the audience before it goes on, and how long that has lasted, in milliseconds.
    """

    now_ms: float
    lines: tuple[ScreenLine, ...]
    present: bool | None
    gone_ms: float | None
    rows: tuple[ProcessRow, ...] | None
    events: tuple[Event, ...]
    missing: Mapping[str, str]
    first_ms: float = 0.0
    column_ms: float = 0.0
    holding: tuple[str, float] | None = None

    @property
    def top(self) -> int:
        """The highest column of all moving lines."""
        return max((value or 0 for line in self.lines for value in line.columns), default=0)


def frame(recording: Recording, now_ms: float, columns: int, window_s: float) -> Frame:
    """The state at ``now_ms``. Each moving line has ``columns`` columns for ``window_s`` seconds."""
    looks = [look for look in list(recording.looks) if look.at_ms <= now_ms]
    files = [look for look in looks if look.present is not None]
    process_looks = [look for look in looks if look.processes is not None]
    width = column_ms(recording, columns, window_s)
    first = max(0, int(now_ms // width) - columns + 1)
    return Frame(
        now_ms,
        tuple(_line(recording, label, now_ms, first, width) for label in recording.labels()),
        files[-1].present if files else None,
        _gone_since(files),
        _rows(process_looks) if process_looks else None,
        tuple(
            sorted((event for event in list(recording.events) if event.at_ms <= now_ms), key=lambda event: event.at_ms)
        ),
        dict(recording.missing),
        first * width,
        width,
        _holding(recording, now_ms),
    )


def column_ms(recording: Recording, columns: int, window_s: float) -> int:
    """The milliseconds of a column, of which ``columns`` are at least ``window_s`` seconds."""
    return max(1, -(-int(window_s * 1000) // (columns * recording.step_ms))) * recording.step_ms


def _holding(recording: Recording, now_ms: float) -> tuple[str, float] | None:
    for hold in list(recording.holds):
        if hold.shown_ms <= now_ms and (hold.until_ms is None or now_ms < hold.until_ms):
            return hold.text, now_ms - hold.since_ms
    return None


def _line(recording: Recording, label: str, now_ms: float, first: int, width: int) -> ScreenLine:
    counted = min(now_ms, recording.seen_ms)
    last = int(now_ms // width)
    values = tuple(
        recording.between(label, n * width, min((n + 1) * width, counted)) if n * width < counted else None
        for n in range(first, last + 1)
    )
    rate = recording.between(label, max(0.0, counted - SECOND), counted)
    peak = max(
        (recording.between(label, n * SECOND, (n + 1) * SECOND) for n in range(int(counted) // SECOND)), default=0
    )
    return ScreenLine(label, values, max(peak, rate), rate, recording.total(label, counted))


def _gone_since(files: list[Look]) -> float | None:
    """When a look first missed a file that existed before; None while it exists, or if it never existed."""
    since = None
    for before, look in pairwise(files):
        if before.present and not look.present:
            since = look.at_ms
        elif look.present:
            since = None
    return since


def _rows(looks: list[Look]) -> tuple[ProcessRow, ...]:
    """Every process in any of the looks, below its parent, in the order of their pids."""
    first: dict[int, float] = {}
    latest: dict[int, ProcessState] = {}
    gone: dict[int, float] = {}
    for look in looks:
        current = {process.pid: process for process in look.processes or ()}
        for pid in latest.keys() - current.keys():
            gone.setdefault(pid, look.at_ms)
        for pid, process in current.items():
            first.setdefault(pid, look.at_ms)
            gone.pop(pid, None)
            latest[pid] = process
    started = looks[0].at_ms
    return tuple(
        ProcessRow(latest[pid], depth, first[pid], gone.get(pid), first[pid] > started) for pid, depth in _tree(latest)
    )


def _tree(processes: Mapping[int, ProcessState]) -> Iterator[tuple[int, int]]:
    """(pid, depth) of each process; each parent before its children."""
    children: dict[int, list[int]] = {}
    for pid, process in sorted(processes.items()):
        parent = process.parent if process.parent in processes and process.parent != pid else 0
        children.setdefault(parent, []).append(pid)

    def below(pid: int, depth: int) -> Iterable[tuple[int, int]]:
        for child in children.get(pid, []):
            yield child, depth
            yield from below(child, depth + 1)

    yield from below(0, 0)
