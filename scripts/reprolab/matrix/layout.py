"""How a map is laid out as a table: rows, columns, marks for companions, reasons. For the terminal and the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from reprolab.core.number_words import duration, plural
from reprolab.evidence.run_info import BUDGET, COMPLETE, RUNNING, UNSEEN
from reprolab.matrix import doubt, grid
from reprolab.matrix.document import MatrixCell, MatrixDocument
from reprolab.matrix.grid import Coordinates
from reprolab.matrix.state import reason_of, state_of
from reprolab.measure.axis import Axis

MARKS = "*†‡§¶"
BY_FEW = (
    "where neighbours agree, a cell has one trial as a rule: an effect that shows in few trials may be missed there"
)


@dataclass(frozen=True)
class Layout:
    """The table of a map: the values of one axis are the rows, the combinations of the others the columns."""

    document: MatrixDocument

    @cached_property
    def row(self) -> int:
        """The place of the axis of the rows."""
        return grid.row_axis(self.document.axes)

    @cached_property
    def _cells(self) -> dict[Coordinates, MatrixCell]:
        return {cell.coordinates: cell for cell in self.document.cells}

    @cached_property
    def marks(self) -> dict[str, str]:
        """Companions in words -> the mark of the cells that have them."""
        sets = dict.fromkeys(grid.settings_words(cell.companions) for cell in self.document.cells if cell.companions)
        return {words: _mark(number) for number, words in enumerate(sets)}

    @property
    def rows(self) -> Axis:
        """The axis whose values are the rows."""
        return self.document.axes[self.row]

    @property
    def others(self) -> tuple[Axis, ...]:
        """The axes whose combinations are the columns."""
        return (*self.document.axes[: self.row], *self.document.axes[self.row + 1 :])

    @property
    def columns(self) -> list[Coordinates]:
        """The combinations of the other axes' values; an empty one where there is no other axis."""
        return grid.points(self.others)

    def cell(self, row: str, column: Coordinates) -> MatrixCell:
        """The cell of a row and a column."""
        return self._cells[(*column[: self.row], row, *column[self.row :])]

    def mark(self, cell: MatrixCell) -> str:
        """The mark for the companions of a cell; "" without any."""
        return self.marks[grid.settings_words(cell.companions)] if cell.companions else ""


def _mark(number: int) -> str:
    return MARKS[number] if number < len(MARKS) else f"{MARKS[0]}{number + 1}"


def reasons(document: MatrixDocument, claim: str) -> list[tuple[str, str]]:
    """Each reason why cells have no result, once, with the names of these cells."""
    areas: dict[str, list[Coordinates]] = {}
    for cell in document.cells:
        if why := reason_of(cell, claim):
            areas.setdefault(f"{state_of(cell, claim)}: {why}", []).append(cell.coordinates)
    return [(reason, grid.area_words(document.axes, area)) for reason, area in areas.items()]


def notes(document: MatrixDocument) -> list[str]:
    """What the axes leave out; a note that does not name its factor gets it."""
    every = [(axis.factor, note) for axis in document.axes for note in axis.notes]
    return [note if note.startswith(factor) else f"{factor}: {note}" for factor, note in every]


def warnings(document: MatrixDocument) -> list[str]:
    """What is missing in a map that was not measured to its end."""
    lines = []
    if document.status != COMPLETE:
        # A killed process has left the file so.
        status = UNSEEN if document.status == RUNNING else document.status
        lines.append(f"this map is {status}: {document.reason}".rstrip(": "))
    if document.ended == BUDGET and document.budget is not None:
        lines.append(f"the budget of {document.budget:g} s ended the map")
    if undecided := doubt.undecided(document):
        names = grid.area_words(document.axes, [cell.coordinates for cell in undecided])
        lines.append(f"{plural(len(undecided), 'cell')} without a result: {names}")
    if (document.ended or document.status != COMPLETE) and (lacking := doubt.lacking(document)):
        names = grid.area_words(document.axes, [cell.coordinates for cell in lacking])
        lines.append(f"{plural(len(lacking), 'cell')} in doubt with fewer than {document.trials} trials: {names}")
    return lines


def effort(document: MatrixDocument) -> str:
    """The number of trials, against that of all cells with as many as a cell in doubt; the time, the seed."""
    kept = f", {document.trials_kept} kept from earlier questions" if document.trials_kept else ""
    total = document.trials_run + document.trials_kept
    share = f"{plural(total, 'trial')} ({document.trials_run} new{kept})"
    if total < document.trials_of_all:
        share += f" instead of {document.trials_of_all} for {document.trials} of each cell"
    parts = [share, f"seed {document.seed}"]
    return " · ".join([*parts, *([duration(document.seconds)] if document.seconds else [])])


def title(document: MatrixDocument) -> str:
    """For example "socket-vanish/vanish: 45 cells, GUNICORN × WORKER_CLASS, with THREADS=2"."""
    factors = " × ".join(axis.factor for axis in document.axes)
    fixed = f", with {grid.settings_words(document.fixed)}" if document.fixed else ""
    return f"{document.scenario}/{document.experiment}: {plural(len(document.cells), 'cell')}, {factors}{fixed}"


def dates(axis: Axis) -> dict[str, str]:
    """Value -> day of its release, for an axis of which some are known."""
    return {value.text: value.date for value in axis.values} if any(value.date for value in axis.values) else {}


def column_name(column: Sequence[str]) -> str:
    """A combination of values as the name of a column."""
    return "/".join(column)
