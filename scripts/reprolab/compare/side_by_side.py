"""Two logs side by side. Repeated lines are one row with their number; parts that both logs have are folded.

Frequent lines that follow each other are joined to a stretch, in any order. The stretches of both logs are aligned, so
the rows that are not folded show where the logs differ.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest

from reprolab.compare.line_counts import LEFT, RIGHT, sighting
from reprolab.compare.log_reader import Entry, Log

# A kind with more lines in either log is traffic: its lines are interchangeable.
MANY = 20
WINDOW = 1000
MOST_STRETCHES = 1500
MOST_ROWS = 400
# A kind with a smaller share of a stretch does not change the stretch's key.
SELDOM = 0.01
AROUND, NEAR = 60, 3


@dataclass(frozen=True)
class Stretch:
    """Lines that follow each other: number, text and time of the first line, and the number of lines of each kind.

    Stretches with the same ``key`` are the same for the alignment. ``differs`` is whether the lines are of a kind that
    differs between the logs.
    """

    key: object
    line: int
    text: str
    at_ms: float | None
    counts: tuple[tuple[str, int], ...]
    differs: bool

    @property
    def lines(self) -> int:
        """The number of entries (a traceback is one)."""
        return sum(n for _, n in self.counts)


@dataclass(frozen=True)
class AlignedRow:
    """A row of stretches; without any, the number of ``folded`` lines of each side."""

    left: Stretch | None = None
    right: Stretch | None = None
    folded: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Aligned:
    """The rows of one log for one trial of each side.

    ``beyond`` is the number of lines of each side that were not aligned, and ``more_rows`` of rows that were left out.
    """

    rows: tuple[AlignedRow, ...]
    beyond: tuple[int, int]
    more_rows: int


def align(
    logs: tuple[Log, Log],
    zeros: tuple[int | None, int | None],
    counts: tuple[Counter[str], Counter[str]],
    differing: frozenset[str],
) -> Aligned:
    """Put two logs side by side. ``counts`` has the number of lines of each kind; kinds in ``differing`` are shown."""
    many = {kind for by_kind in counts for kind, n in by_kind.items() if n > MANY}
    sides: list[list[Stretch]] = []
    beyond = []
    for side in (LEFT, RIGHT):
        kept, left_out = _limited(stretches(logs[side].entries(), zeros[side], many, differing))
        sides.append(kept)
        beyond.append(left_out)
    rows = list(_rows(sides[LEFT], sides[RIGHT]))
    return Aligned(tuple(rows[:MOST_ROWS]), (beyond[LEFT], beyond[RIGHT]), max(0, len(rows) - MOST_ROWS))


def _limited(all_stretches: Iterator[Stretch]) -> tuple[list[Stretch], int]:
    kept: list[Stretch] = []
    left_out = 0
    for stretch in all_stretches:
        if len(kept) < MOST_STRETCHES:
            kept.append(stretch)
        else:
            left_out += stretch.lines
    return kept, left_out


def stretches(
    entries: Iterable[Entry], zero_ns: int | None, many: set[str], differing: frozenset[str]
) -> Iterator[Stretch]:
    """A log as stretches. Traffic makes stretches of WINDOW lines; neighbours with the same key are joined."""
    open_: Stretch | None = None
    for group in _groups(entries, many):
        stretch = _stretch(group, zero_ns, many, differing)
        if open_ is not None and open_.key == stretch.key:
            joined = Counter(dict(open_.counts)) + Counter(dict(stretch.counts))
            stretch = Stretch(
                stretch.key, open_.line, open_.text, open_.at_ms, tuple(joined.most_common()), stretch.differs
            )
        elif open_ is not None:
            yield open_
        open_ = stretch
    if open_ is not None:
        yield open_


def _groups(entries: Iterable[Entry], many: set[str]) -> Iterator[tuple[Entry, Counter[str]]]:
    """Groups of at most WINDOW lines of traffic, and single entries between them: (first entry, counts)."""
    first: Entry | None = None
    counts: Counter[str] = Counter()
    for entry in entries:
        if entry.normalized in many:
            first = first or entry
            counts[entry.normalized] += 1
            if counts.total() < WINDOW:
                continue
        if first is not None:
            yield first, counts
            first, counts = None, Counter()
        if entry.normalized not in many:
            yield entry, Counter({entry.normalized: 1})
    if first is not None:
        yield first, counts


def _stretch(
    group: tuple[Entry, Counter[str]], zero_ns: int | None, many: set[str], differing: frozenset[str]
) -> Stretch:
    entry, counts = group
    seen = sighting(0, entry, zero_ns)
    shown_kinds = frozenset(kind for kind, n in counts.items() if kind in differing and n > SELDOM * counts.total())
    key: object = ("traffic", shown_kinds) if entry.normalized in many else entry.normalized
    return Stretch(key, entry.number, seen.text, seen.at_ms, tuple(counts.most_common()), bool(shown_kinds))


def _rows(left: Sequence[Stretch], right: Sequence[Stretch]) -> Iterator[AlignedRow]:
    """The aligned stretches. Those that both sides have, at any place, are folded."""
    folded = [0, 0]
    # SequenceMatcher ignores frequent stretches (autojunk). Without that, two long logs would take minutes.
    matcher = SequenceMatcher(None, [stretch.key for stretch in left], [stretch.key for stretch in right])
    for operation, i, j, k, m in matcher.get_opcodes():
        if operation == "equal":
            folded[LEFT] += sum(stretch.lines for stretch in left[i:j])
            folded[RIGHT] += sum(stretch.lines for stretch in right[k:m])
            continue
        pairs = zip_longest(_differing(left[i:j]), _differing(right[k:m]), fillvalue=(0, None))
        for (left_lines, left_stretch), (right_lines, right_stretch) in pairs:
            folded[LEFT] += left_lines
            folded[RIGHT] += right_lines
            if left_stretch or right_stretch:
                if any(folded):
                    yield AlignedRow(folded=(folded[LEFT], folded[RIGHT]))
                    folded = [0, 0]
                yield AlignedRow(left_stretch, right_stretch)
    if any(folded):
        yield AlignedRow(folded=(folded[LEFT], folded[RIGHT]))


def _differing(all_stretches: Iterable[Stretch]) -> Iterator[tuple[int, Stretch | None]]:
    """(folded lines before it, stretch) for each stretch that differs; then (folded lines at the end, None)."""
    folded = 0
    for stretch in all_stretches:
        if stretch.differs:
            yield folded, stretch
            folded = 0
        else:
            folded += stretch.lines
    yield folded, None


def neighbours(log: Log, numbers: Iterable[int], zero_ns: int | None) -> dict[int, tuple[Stretch, ...]]:
    """The lines around each of these lines: NEAR stretches before it, the line, and NEAR stretches after it."""
    wanted = sorted(set(numbers))
    before: deque[Entry] = deque(maxlen=AROUND)
    open_: dict[int, list[Entry]] = {}
    around: dict[int, tuple[Stretch, ...]] = {}
    for entry in log.entries():
        for number in [n for n, entries in open_.items() if len(entries) >= 2 * AROUND]:
            around[number] = _around(number, open_.pop(number), zero_ns)
        if not open_ and not any(number not in around for number in wanted):
            break
        if entry.number in wanted and entry.number not in around:
            open_[entry.number] = list(before)
        for entries in open_.values():
            entries.append(entry)
        before.append(entry)
    return around | {number: _around(number, entries, zero_ns) for number, entries in open_.items()}


def _around(number: int, entries: list[Entry], zero_ns: int | None) -> tuple[Stretch, ...]:
    at = next(index for index, entry in enumerate(entries) if entry.number == number)
    none: set[str] = set()
    parts = (entries[:at], entries[at : at + 1], entries[at + 1 :])
    before, line, after = (list(stretches(part, zero_ns, none, frozenset())) for part in parts)
    return (*before[-NEAR:], *line, *after[:NEAR])
