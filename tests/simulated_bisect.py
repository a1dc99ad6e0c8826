"""A measurer whose truth is known: each value of a factor shows the sign with a rate, or cannot be measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from cases import blinked, trial
from reprolab.bisect.measuring import Measuring
from reprolab.bisect.point import Point
from reprolab.bisect.search import Rules
from reprolab.measure.cell import Cell, CellResult
from reprolab.scenario.model import Claim
from reprolab.scenario.trial import TrialRecord

HOLE = None
CLAIM = Claim("B-1", "It blinks.", sign=blinked, shows=["documented"])
# What a letter of a truth stands for: the rate with which a value shows the sign.
RATES: dict[str, float | None] = {"B": 1.0, "g": 0.0, "x": HOLE, "F": 0.5, "f": 0.9, "r": 0.05}


@dataclass
class Simulated:
    """A `Measurer`: ``rates`` is value of RELEASE -> rate, HOLE where the image does not build.

    ``calls`` are the cells of each call with their wanted trials. ``most`` is the most trials of a cell that count.
    ``fails`` is called before each call, and may raise.
    """

    rates: Mapping[str, float | None]
    seed: int = 0
    most: int = 1000
    fails: Callable[[], None] = lambda: None
    calls: list[dict[str, int]] = field(default_factory=list)
    records: dict[Cell, list[TrialRecord]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)

    @property
    def trials(self) -> int:
        return sum(len(records) for records in self.records.values())

    def measure(self, wanted: Mapping[Cell, int], claims: Sequence[Claim]) -> dict[Cell, CellResult]:
        """See `Measurer.measure`."""
        self.fails()
        self.calls.append({cell.settings["RELEASE"]: trials for cell, trials in wanted.items()})
        return {cell: self._result(cell, trials) for cell, trials in wanted.items()}

    def _result(self, cell: Cell, trials: int) -> CellResult:
        rate = self.rates[cell.settings["RELEASE"]]
        if rate is HOLE:
            return CellResult(cell, obstacle="image build failed: no wheel\nmore of the log")
        records = self.records.setdefault(cell, [])
        while len(records) < min(trials, self.most):
            records.append(trial("custom", self.random.random() < rate, len(records) + 1))
        return CellResult(cell, tuple(records), directory=Path("/results/cells/blink") / cell.settings["RELEASE"])


def measuring(truth: str, rules: Rules | None = None, first: Sequence[int] = (), **options: object) -> Measuring:
    """A bisect over a truth of letters (see RATES), one release each: "1", "2" and so on."""
    values = [str(number) for number in range(1, len(truth) + 1)]
    cells = [Cell("lamp", (("RELEASE", value),)) for value in values]
    rates = dict(zip(values, (RATES[letter] for letter in truth), strict=True))
    lab = Simulated(rates, **{key: options.pop(key) for key in ("seed", "most", "fails") if key in options})  # type: ignore[arg-type]
    points = [Point(value) for value in values]
    start = tuple(first) or (0, len(truth) - 1)
    return Measuring(lab, CLAIM, rules or Rules(), cells, points, start, Path("/results"), **options)  # type: ignore[arg-type]


def bisected(truth: str, rules: Rules | None = None, first: Sequence[int] = (), **options: object) -> Measuring:
    """The same, measured to its end."""
    bisect = measuring(truth, rules, first, **options)
    bisect.run()
    return bisect
