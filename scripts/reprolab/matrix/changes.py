"""What changes between neighbours along the ordered axes of a map, in sentences. Only counts are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from reprolab.core.number_words import plural
from reprolab.core.stats import fisher
from reprolab.matrix import grid
from reprolab.matrix.document import MatrixCell, MatrixDocument
from reprolab.matrix.grid import Coordinates, Line
from reprolab.matrix.state import State, state_of
from reprolab.report.table import list_first
from reprolab.verdict.document import SignCount

WORDS = {
    State.SHOWN: "with the sign",
    State.ABSENT: "without the sign",
    State.MIXED: "with the sign in some trials",
}
# A difference of two counts whose p is above it could be chance.
HIGHEST_P = 1 / 20


@dataclass(frozen=True)
class Change:
    """Two cells of a line that differ: ``before`` and ``after`` are their values, ``counts`` what they showed.

    No cell between them has a trial that counts; ``holes`` are the values there. ``known``: a cell before ``before``
    was in the state of ``after`` already. ``also`` is factor -> values, for the companions in which the two differ.
    """

    before: str
    after: str
    counts: tuple[SignCount, SignCount]
    state: State
    known: bool = False
    holes: tuple[str, ...] = ()
    also: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def thin(self) -> bool:
        """Whether the two counts differ so little that it could be chance."""
        low, high = sorted(((count.shown, count.trials) for count in self.counts), key=lambda row: row[0] / row[1])
        return fisher(high, low) > HIGHEST_P

    @property
    def words(self) -> str:
        """For example "19.6.0: first with the sign (0/3, then 3/3)"."""
        text = f"{self.after}: {WORDS[self.state]} again" if self.known else f"{self.after}: first {WORDS[self.state]}"
        numbers = ", then ".join(f"{count.shown}/{count.trials}" for count in self.counts)
        text += f" ({numbers}{', thin' if self.thin else ''})"
        if self.holes:
            text += f"; it may be so from {self.holes[0]} on, as no trial of {list_first(list(self.holes))} counts"
        for factor, (old, new) in self.also.items():
            text += f"; {factor} changes there too, from {old} to {new}"
        return text


@dataclass(frozen=True)
class LineChanges:
    """What happens along a line: the first value with a trial that counts and its state, then the changes.

    ``last`` is the last such value, ``measured`` their number. Without any, ``state`` is None.
    """

    line: Line
    state: State | None = None
    first: str = ""
    last: str = ""
    measured: int = 0
    changes: tuple[Change, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """What is true of the line, and then each change: "from 19.4.5: without the sign", "19.6.0: first with ..."."""
        if self.state is None:
            return ("no cell has a trial that counts",)
        if self.changes:
            return (f"from {self.first}: {WORDS[self.state]}", *(change.words for change in self.changes))
        where = f"{self.first} to {self.last}, {plural(self.measured, 'cell')}" if self.measured > 1 else self.first
        holes = len(self.line.points) - self.measured
        without = f"; {holes} more without a trial that counts" if holes else ""
        what = "no change" if self.measured > 1 else "nothing to compare"
        return (f"{what}: {WORDS[self.state]} ({where}{without})",)


def line_changes(document: MatrixDocument, claim: str) -> list[LineChanges]:
    """What happens along each line of the map."""
    cells = {cell.coordinates: cell for cell in document.cells}
    return [
        _of_line(line, [cells[point] for point in line.points], claim, document.documented)
        for line in grid.lines(document.axes)
    ]


def _of_line(line: Line, cells: Sequence[MatrixCell], claim: str, documented: Mapping[str, str]) -> LineChanges:
    places = [place for place, cell in enumerate(cells) if state_of(cell, claim).counted]
    if not places:
        return LineChanges(line)
    names = [point[line.axis] for point in line.points]
    states = [state_of(cell, claim) for cell in cells]
    changes = tuple(
        Change(
            names[before],
            names[after],
            (cells[before].count(claim), cells[after].count(claim)),
            states[after],
            states[after] in states[:before],
            tuple(names[before + 1 : after]),
            _also(cells[before], cells[after], documented),
        )
        for before, after in pairwise(places)
        if states[before] != states[after]
    )
    return LineChanges(line, states[places[0]], names[places[0]], names[places[-1]], len(places), changes)


def _also(before: MatrixCell, after: MatrixCell, documented: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """The companions in which two neighbours differ: the change may be theirs."""
    factors = dict.fromkeys([*before.companions, *after.companions])
    pairs = {
        name: tuple(cell.companions.get(name, documented.get(name, "?")) for cell in (before, after))
        for name in factors
    }
    return {name: (old, new) for name, (old, new) in pairs.items() if old != new}


@dataclass(frozen=True)
class Story:
    """Lines of which the same is true: what they have in common, their begin, and their changes in order."""

    lines: str
    begin: str
    changes: tuple[str, ...]

    @property
    def heading(self) -> str:
        """For example "GUNICORN with WORKER_CLASS=gthread, from 19.4.5: without the sign"."""
        return f"{self.lines}, {self.begin}"


def stories(document: MatrixDocument, claim: str) -> list[Story]:
    """What happens along the ordered axes, the lines with changes first; empty if no axis is ordered."""
    groups: dict[tuple[int, tuple[str, ...]], list[LineChanges]] = {}
    for line in line_changes(document, claim):
        groups.setdefault((line.line.axis, line.words), []).append(line)
    ordered = sorted(groups.items(), key=lambda item: (item[0][0], not item[1][0].changes, item[1][0].state is None))
    return [
        Story(_heading(document, axis, [row.line for row in rows]), words[0], words[1:])
        for (axis, words), rows in ordered
    ]


def has_thin(document: MatrixDocument, claim: str) -> bool:
    """Whether a change of the map could be chance."""
    return any(change.thin for line in line_changes(document, claim) for change in line.changes)


def _heading(document: MatrixDocument, axis: int, lines: Sequence[Line]) -> str:
    """The factor of the lines, and what they have in common."""
    others = [other for place, other in enumerate(document.axes) if place != axis]
    factor = document.axes[axis].factor
    if not others:
        return factor
    area: list[Coordinates] = [(*line.points[0][:axis], *line.points[0][axis + 1 :]) for line in lines]
    words = grid.area_words(others, area)
    every = len(area) == len(grid.points(others)) > 1
    return (
        f"{factor} with every {' and '.join(other.factor for other in others)}" if every else f"{factor} with {words}"
    )
