"""Measures the cells of a matrix: first one trial of each, then further trials where there is doubt."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from reprolab.core.errors import LabError
from reprolab.core.number_words import plural
from reprolab.evidence.run_info import BUDGET
from reprolab.matrix import doubt
from reprolab.matrix.collect import cell_of
from reprolab.matrix.document import MatrixCell
from reprolab.matrix.grid import Coordinates
from reprolab.matrix.plan import GridPoint, MatrixPlan
from reprolab.measure.cell import Cell, CellResult, Measurer

# So many cells are measured at once: then the map is written, and the budget is looked at.
CHUNK = 8


@dataclass
class Survey:
    """Measures a plan with a measurer. ``on_round`` gets a line at the begin of each round.

    ``on_cells`` is called when further cells have a result. ``results`` is the directory of all results, ``ended`` is
    BUDGET if that ended the survey, and ``rounds`` counts the rounds that began. ``clock`` gives seconds.
    """

    plan: MatrixPlan
    measurer: Measurer
    results: Path
    on_round: Callable[[str], None] = lambda line: None
    on_cells: Callable[[], None] = lambda: None
    clock: Callable[[], float] = time.monotonic
    chunk: int = CHUNK
    ended: str = ""
    rounds: int = 0
    measured: dict[Cell, CellResult] = field(default_factory=dict)
    cells: dict[Coordinates, MatrixCell] = field(init=False)
    _points: dict[Coordinates, GridPoint] = field(init=False)
    _exhausted: set[Coordinates] = field(default_factory=set)
    _began: float = 0.0

    def __post_init__(self) -> None:
        self._points = {point.coordinates: point for point in self.plan.points}
        self.cells = {point.coordinates: self._cell(point, None) for point in self.plan.points}

    def execute(self) -> None:
        """Measure until no cell is in doubt that may have more trials, or until the budget is used.

        If it is interrupted or the lab fails, ``cells`` has the results so far, also those of the cells on the way.
        """
        self._began = self.clock()
        self._round("coarse map: one trial of", dict.fromkeys(self.cells, 1))
        while not self._budget_used() and (wanted := self._in_doubt()):
            self._round(f"round {self.rounds + 1}, doubt: one more trial of", wanted)

    def _round(self, what: str, wanted: Mapping[Coordinates, int]) -> None:
        """Measure until so many trials of each point count for every claim."""
        self.rounds += 1
        self.on_round(f"{what} {plural(len(wanted), 'cell')}")
        for part in self._chunks(wanted):
            # Without any result the map would be empty, so the first part is always measured.
            if self.measured and self._budget_used():
                return
            self._measure({point: wanted[point] for point in part})

    def _in_doubt(self) -> dict[Coordinates, int]:
        """The points in doubt that may have a further trial; new trials may put their neighbours in doubt too."""
        claims = [claim.id for claim in self.plan.claims]
        points = doubt.doubtful(self.plan.axes, self.cells, claims) - self._exhausted
        counts = {point: doubt.fewest(self.cells[point], claims) for point in points}
        return {point: count + 1 for point, count in counts.items() if count < self.plan.trials}

    def _chunks(self, wanted: Iterable[Coordinates]) -> Iterator[Sequence[Coordinates]]:
        """The points in random order, so that a machine that changes is not taken for an axis."""
        order = sorted(wanted)
        Random(f"{self.plan.seed} {self.rounds}").shuffle(order)
        for start in range(0, len(order), self.chunk):
            yield order[start : start + self.chunk]

    def _budget_used(self) -> bool:
        if self.plan.budget is not None and self.clock() - self._began >= self.plan.budget:
            self.ended = BUDGET
        return bool(self.ended)

    def _measure(self, wanted: Mapping[Coordinates, int]) -> None:
        try:
            self._ask(wanted)
        except (KeyboardInterrupt, LabError):
            # The trials that ended before are kept: asked for none, the measurer returns them and runs nothing.
            with suppress(LabError):
                self._ask(dict.fromkeys(wanted, 0))
            raise

    def _ask(self, wanted: Mapping[Coordinates, int]) -> None:
        """Ask the measurer, and note the results. A point that got fewer trials than asked for gets no more."""
        cells = {self._points[point].cell: count for point, count in wanted.items()}
        results = self.measurer.measure(cells, self.plan.claims)
        for point, count in wanted.items():
            result = results[self._points[point].cell]
            if not count and not result.records:
                continue
            self.measured[result.cell] = result
            self.cells[point] = self._cell(self._points[point], result)
            if min(result.count(claim).trials for claim in self.plan.claims) < count:
                self._exhausted.add(point)
        self.on_cells()

    def _cell(self, point: GridPoint, result: CellResult | None) -> MatrixCell:
        return cell_of(point, result, self.plan.experiment.claims, self.results)
