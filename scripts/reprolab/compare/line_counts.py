"""Counts of the kinds of line in the logs of two sides: how often each normalized line is in each trial.

Parallel workers write their lines in a different order in each trial, so counts are compared, not the order.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from reprolab.compare.log_reader import Entry, Log, moment

LEFT, RIGHT = 0, 1
MOST_KINDS = 40_000
# Kinds without room in the table are remembered by their hash, up to this number. Then no new kind is added.
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
    """A normalized line, its number in each trial of each side, and its first line on each side."""

    normalized: str
    counts: tuple[list[int], list[int]]
    first: list[Sighting | None] = field(default_factory=lambda: [None, None])


class Tally:
    """Counts the kinds of one log in the trials of both sides. The table holds at most MOST_KINDS kinds.

    A kind without room in the table is left out on both sides. So a kind that the table has on one side only is on
    that side only in all lines that were read.
    """

    def __init__(self, trials: tuple[int, int], most: int = MOST_KINDS) -> None:
        self._trials = trials
        self._most = most
        self.kinds: dict[str, Kind] = {}
        self.left_out = [0, 0]
        self._refused: set[int] = set()
        self.lines = ([0] * trials[LEFT], [0] * trials[RIGHT])

    def add(self, side: int, column: int, log: Log, zero_ns: int | None, trial: int) -> None:
        """Count the lines of a trial's log in a column of the table. The left side uses at most half of the room."""
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
        """Whether the table has room for a new kind. A kind that was left out on the left is left out on the right."""
        if kind in self._refused or len(self._refused) >= MOST_REFUSED:
            return False
        if len(self.kinds) < (self._most // 2 if side == LEFT else self._most):
            return True
        self._refused.add(kind)
        return False

    def _new(self, normalized: str) -> Kind:
        return Kind(normalized, ([0] * self._trials[LEFT], [0] * self._trials[RIGHT]))


def sighting(trial: int, entry: Entry, zero_ns: int | None) -> Sighting:
    """The place and the time of an entry."""
    when = moment(entry.raw)
    at = None if when is None or zero_ns is None else (when - zero_ns) / 1e6
    return Sighting(trial, entry.number, entry.text, at)
