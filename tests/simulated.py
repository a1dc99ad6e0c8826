"""A measurer without containers: the truth about each cell is a function, and its trials follow from it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from cases import claim, in_memory
from reprolab.evidence.run_dir import RunDirectory
from reprolab.measure.axis import Axis, Value
from reprolab.measure.cell import Cell, CellResult
from reprolab.measure.local import lacking
from reprolab.scenario.model import CUSTOM, Claim, Scenario
from reprolab.scenario.trial import TrialRecord

# What a trial of a cell gives: whether the sign shows, or the probability of that, or one of these words.
Truth = bool | float | str
INVALID, BUSY, IDLE, BROKEN = "invalid", "busy", "not exercised", "unbuildable"
# Its first trial shows the sign, and all others are invalid.
ONCE = "once"


@dataclass
class Simulated:
    """A `Measurer`. ``results`` is the directory for evidence, None for none.

    ``asked`` holds the cells of each call. After ``trials_until`` trials ``raises`` is raised, once.
    """

    truth: Callable[[Cell], Truth]
    seed: int = 0
    results: Path | None = None
    raises: BaseException = field(default_factory=KeyboardInterrupt)
    trials_until: int | None = None
    asked: list[dict[Cell, int]] = field(default_factory=list)
    records: dict[Cell, list[TrialRecord]] = field(default_factory=dict)
    kept: dict[Cell, int] = field(default_factory=dict)
    trials_run: int = 0
    observation: Callable[[Cell, bool, bool], Mapping[str, Any]] = lambda cell, shown, used: {
        "blinked": shown,
        "used": used,
    }

    def measure(self, wanted: Mapping[Cell, int], claims: Sequence[Claim]) -> dict[Cell, CellResult]:
        """See `Measurer.measure`."""
        self.asked.append(dict(wanted))
        for cell, count in wanted.items():
            records = self.records.setdefault(cell, [])
            while self.truth(cell) != BROKEN and lacking(count, records, claims) > 0:
                records.append(self._trial(cell, len(records) + 1))
        return {cell: self._result(cell) for cell in wanted}

    def _trial(self, cell: Cell, number: int) -> TrialRecord:
        if self.trials_until is not None and self.trials_run >= self.trials_until:
            self.trials_until = None
            raise self.raises
        self.trials_run += 1
        truth = self.truth(cell)
        odds = truth if isinstance(truth, bool | float) else float(truth == ONCE)
        shown = Random(f"{self.seed} {cell.words} {number}").random() < odds
        invalid = "app did not start: exit code 1" if truth == INVALID or (truth == ONCE and number > 1) else ""
        busy = "other programs used 40 %" if truth == BUSY else ""
        observation = {} if invalid else self.observation(cell, shown, truth != IDLE)
        return TrialRecord(
            cell.experiment, CUSTOM, number, cell.settings, observation, invalid, {"up": 1.0, "drive": 9.0}, None, busy
        )

    def _result(self, cell: Cell) -> CellResult:
        records = tuple(self.records[cell])
        obstacle = "image build failed: no such release" if self.truth(cell) == BROKEN else ""
        return CellResult(cell, records, obstacle, self._evidence(cell), self.kept.get(cell, 0))

    def _evidence(self, cell: Cell) -> Path | None:
        if self.results is None or not self.records[cell]:
            return None
        place = self.results / "cells" / "blink" / cell.words.replace(" ", "+")
        place.mkdir(parents=True, exist_ok=True)
        run = RunDirectory(place)
        if not (place / "run.json").exists():
            host = {"kernel": "6.1", "engine": "20.10", "compose": "2.26", "cpus": 2, "cpu": "Some CPU"}
            (place / "run.json").write_text(json.dumps({"scenario": "blink", "status": "complete", "host": host}))
        for record in self.records[cell][len(run.trials()) :]:
            run.append(record)
        return place


def exercised(observation: Mapping[str, Any]) -> bool:
    """The trigger of the claim: what it is about happened."""
    return bool(observation["used"])


MAIN = claim("B-1", trigger=exercised, needs_idle=True)
OTHER = claim("B-2", sign=lambda observation: not observation["blinked"])


def blink(trials: int = 3) -> Scenario:
    """The small scenario with two claims, and factors for three axes."""
    scenario = in_memory(MAIN, OTHER)
    lamp = replace(scenario.experiments["lamp"], trials=trials)
    factors = {"RELEASE": "1.0", "WORKERS": "2", "MODE": "plain", "PYTHON": "3.6.15"}
    return replace(scenario, factors=factors, experiments={"lamp": lamp}, answer={"B-1": "the lamp is dark"})


def releases(number: int, factor: str = "RELEASE") -> Axis:
    """An ordered axis with releases 0.0, 0.1 and so on, with days."""
    values = tuple(Value(f"0.{n}", f"2020-{n // 28 + 1:02}-{n % 28 + 1:02}") for n in range(number))
    return Axis(factor, values, ordered=True, package="lamp")


def words(factor: str, *texts: str) -> Axis:
    """An axis without an order."""
    return Axis(factor, tuple(map(Value, texts)))


def number(cell: Cell) -> int:
    """The number of a cell's release."""
    return int(cell.settings["RELEASE"].removeprefix("0."))
