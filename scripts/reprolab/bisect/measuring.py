"""Measures what a bisect wants, batch by batch, until nothing is wanted any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from reprolab.bisect.point import Point, with_result
from reprolab.bisect.search import Rules, wanted
from reprolab.measure.cell import Cell, CellResult, Measurer
from reprolab.scenario.model import Claim

AT_ONCE = 4  # cells of one batch: the budget and an interrupt end a bisect between two batches
BUDGET, POINTS = "budget", "points"


@dataclass
class Measuring:
    """The points of a bisect while they are measured. ``cells`` are those of the points.

    After ``deadline`` (seconds of ``clock``) no further batch begins. ``on_batch`` is called after each batch.
    ``results`` is the directory of all results. ``answers`` has what the measurer said last of each cell.
    """

    measurer: Measurer
    claim: Claim
    rules: Rules
    cells: Sequence[Cell]
    points: list[Point]
    first: Sequence[int]
    results: Path
    deadline: float | None = None
    on_batch: Callable[[Sequence[Point]], None] = lambda points: None
    clock: Callable[[], float] = time.monotonic
    answers: dict[Cell, CellResult] = field(default_factory=dict)

    def run(self) -> str:
        """Measure all that is wanted. Returns BUDGET or POINTS if that ended it early, else "".

        Whatever the measurer raises passes through; ``points`` then has all earlier batches.
        """
        while batch := wanted(self.points, self.rules, self.first):
            if self.deadline is not None and self.clock() >= self.deadline:
                return BUDGET
            part = dict(list(batch.items())[:AT_ONCE])
            cells = {self.cells[index]: trials for index, trials in part.items()}
            results = self.measurer.measure(cells, [self.claim])
            self.answers |= results
            for index, trials in part.items():
                result = results[self.cells[index]]
                self.points[index] = with_result(self.points[index], trials, result, self.claim, self.results)
            self.on_batch(self.points)
        everything = replace(self.rules, points=None)
        return POINTS if wanted(self.points, everything, self.first) else ""
