"""Two logs side by side: repeated lines collapsed with their number, stretches that both have folded.

Lines of which there are many make stretches, whatever their order; what stands between them is aligned. So the rows
that are left show where one log goes another way than the other.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest

from reprolab.compare.line_counts import LEFT, RIGHT, sighting
from reprolab.compare.log_reader import Entry, Log

# From so many on, in either log, a kind is traffic: its lines stand for each other.
MANY = 20
WINDOW = 1000
MOST_STRETCHES = 1500
MOST_ROWS = 400
# A kind that is rarer than this within a window does not make it another.
SELDOM = 0.01
AROUND, NEAR = 60, 3


@dataclass(frozen=True)
class Stretch:
    """Lines that follow each other: the first one's number, text and moment, and how many there are of each kind."""

    key: object
    line: int
    text: str
    at_ms: float | None
    counts: tuple[tuple[str, int], ...]
    telling: bool

    @property
    def lines(self) -> int:
        """How many lines it stands for (a traceback is one)."""
        return sum(n for _, n in self.counts)


@dataclass(frozen=True)
class AlignedRow:
    """Stretches beside each other; without any, ``folded`` lines of each side that both logs have."""

    left: Stretch | None = None
    right: Stretch | None = None
    folded: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Aligned:
    """The rows of one source, for one trial of each side; what was left out is counted, per side or in rows."""

    rows: tuple[AlignedRow, ...]
    beyond: tuple[int, int]
    more_rows: int


def align(
    logs: tuple[Log, Log],
    zeros: tuple[int | None, int | None],
    counts: tuple[Counter[str], Counter[str]],
    differing: frozenset[str],
) -> Aligned:
    """Put two logs side by side: ``counts`` says how often each kind stands in them, ``differing`` which to show."""
    many = {kind for each in counts for kind, n in each.items() if n > MANY}
    sides: list[list[Stretch]] = []
    beyond = []
    for side in (LEFT, RIGHT):
        kept, left_out = _limited(stretches(logs[side].entries(), zeros[side], many, differing))
        sides.append(kept)
        beyond.append(left_out)
    rows = list(_rows(sides[LEFT], sides[RIGHT]))
    return Aligned(tuple(rows[:MOST_ROWS]), (beyond[LEFT], beyond[RIGHT]), max(0, len(rows) - MOST_ROWS))


def _limited(found_stretches: Iterator[Stretch]) -> tuple[list[Stretch], int]:
    kept: list[Stretch] = []
    left_out = 0
    for stretch in found_stretches:
        if len(kept) < MOST_STRETCHES:
            kept.append(stretch)
        else:
            left_out += stretch.lines
    return kept, left_out


def stretches(
    entries: Iterable[Entry], zero_ns: int | None, many: set[str], differing: frozenset[str]
) -> Iterator[Stretch]:
    """A log as stretches: traffic up to WINDOW lines, then joined while it stays of the same kinds; others by kind."""
    open_: Stretch | None = None
    for group in _groups(entries, many):
        stretch = _stretch(group, zero_ns, many, differing)
        if open_ is not None and open_.key == stretch.key:
            joined = Counter(dict(open_.counts)) + Counter(dict(stretch.counts))
            stretch = Stretch(
                stretch.key, open_.line, open_.text, open_.at_ms, tuple(joined.most_common()), stretch.telling
            )
        elif open_ is not None:
            yield open_
        open_ = stretch
    if open_ is not None:
        yield open_


def _groups(entries: Iterable[Entry], many: set[str]) -> Iterator[tuple[Entry, Counter[str]]]:
    """Runs of traffic, WINDOW lines at most, and single entries between them; the first entry and the counts."""
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
    meaningful = frozenset(kind for kind, n in counts.items() if kind in differing and n > SELDOM * counts.total())
    key: object = ("traffic", meaningful) if entry.normalized in many else entry.normalized
    return Stretch(key, entry.number, seen.text, seen.at_ms, tuple(counts.most_common()), bool(meaningful))


def _rows(left: Sequence[Stretch], right: Sequence[Stretch]) -> Iterator[AlignedRow]:
    """The stretches aligned; those that both sides have, here or elsewhere, are folded."""
    folded = [0, 0]
    # Popular stretches are no anchors (autojunk): two long logs would take minutes else.
    matcher = SequenceMatcher(None, [stretch.key for stretch in left], [stretch.key for stretch in right])
    for what, i, j, k, m in matcher.get_opcodes():
        if what == "equal":
            folded[LEFT] += sum(stretch.lines for stretch in left[i:j])
            folded[RIGHT] += sum(stretch.lines for stretch in right[k:m])
            continue
        for left_one, right_one in zip_longest(_telling(left[i:j]), _telling(right[k:m]), fillvalue=(0, None)):
            folded[LEFT] += left_one[0]
            folded[RIGHT] += right_one[0]
            if left_one[1] or right_one[1]:
                if any(folded):
                    yield AlignedRow(folded=(folded[LEFT], folded[RIGHT]))
                    folded = [0, 0]
                yield AlignedRow(left_one[1], right_one[1])
    if any(folded):
        yield AlignedRow(folded=(folded[LEFT], folded[RIGHT]))


def _telling(found_stretches: Iterable[Stretch]) -> Iterator[tuple[int, Stretch | None]]:
    """The stretches to show, each with how many lines before it are not; then the lines behind the last."""
    folded = 0
    for stretch in found_stretches:
        if stretch.telling:
            yield folded, stretch
            folded = 0
        else:
            folded += stretch.lines
    yield folded, None


def neighbours(log: Log, numbers: Iterable[int], zero_ns: int | None) -> dict[int, tuple[Stretch, ...]]:
    """What stands around each of these lines: NEAR stretches before it, the line, NEAR behind it."""
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
    before, these, behind = (list(stretches(part, zero_ns, none, frozenset())) for part in parts)
    return (*before[-NEAR:], *these, *behind[:NEAR])
