"""Two sides' logs as counts of kinds: how often each normalized line stands in each trial of each side.

With workers side by side the order of lines differs between any two trials, so counts come first.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from reprolab.compare.log_reader import Entry, Log, moment

LEFT, RIGHT = 0, 1
MOST_KINDS = 40_000
# Kinds without a place that are remembered, by a number each; beyond them no further kind gets one.
MOST_REFUSED = 200_000


@dataclass(frozen=True)
class Sighting:
    """Where a kind was first seen on a side: trial (index), line, text, milliseconds since the trial's first line."""

    trial: int
    line: int
    text: str
    at_ms: float | None


@dataclass
class Kind:
    """A normalized line and how often it stood in each trial of each side."""

    normalized: str
    counts: tuple[list[int], list[int]]
    first: list[Sighting | None] = field(default_factory=lambda: [None, None])


class Tally:
    """Counts the kinds of one source, over the trials of both sides. Holds MOST_KINDS kinds at most.

    A kind that has a place is counted everywhere; one for which there was no room is left out on both sides, so what
    stands here on one side only does so in all that was read.
    """

    def __init__(self, trials: tuple[int, int], most: int = MOST_KINDS) -> None:
        self._trials = trials
        self._most = most
        self.kinds: dict[str, Kind] = {}
        self.left_out = [0, 0]
        self._refused: set[int] = set()
        self.lines = ([0] * trials[LEFT], [0] * trials[RIGHT])

    def add(self, side: int, column: int, log: Log, zero_ns: int | None, trial: int) -> None:
        """Read the log of a trial into a column of the table. The left side takes half of the room at most."""
        for entry in log.entries():
            kind = self.kinds.get(entry.normalized)
            if kind is None:
                if not self._room(side, hash(entry.normalized)):
                    self.left_out[side] += 1
                    continue
                kind = self.kinds[entry.normalized] = self._new(entry.normalized)
            kind.counts[side][column] += 1
            if kind.first[side] is None:
                kind.first[side] = sighting(trial, entry, zero_ns)
        self.lines[side][column] = log.lines

    def _room(self, side: int, kind: int) -> bool:
        """Whether a new kind has a place. One that the left had no room for is none of the right's alone."""
        if kind in self._refused or len(self._refused) >= MOST_REFUSED:
            return False
        if len(self.kinds) < (self._most // 2 if side == LEFT else self._most):
            return True
        self._refused.add(kind)
        return False

    def _new(self, normalized: str) -> Kind:
        return Kind(normalized, ([0] * self._trials[LEFT], [0] * self._trials[RIGHT]))


def sighting(trial: int, entry: Entry, zero_ns: int | None) -> Sighting:
    """Where and when an entry stood."""
    when = moment(entry.raw)
    at = None if when is None or zero_ns is None else (when - zero_ns) / 1e6
    return Sighting(trial, entry.number, entry.text, at)
