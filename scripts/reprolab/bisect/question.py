"""What a bisect asks: a claim's sign, along the values of one factor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from packaging.version import InvalidVersion, Version

from reprolab.bisect.point import Point
from reprolab.bisect.search import Rules, first_points
from reprolab.core import command_text
from reprolab.core.errors import UsageError
from reprolab.measure.axis import Axis
from reprolab.measure.cell import Cell
from reprolab.scenario.model import Claim, Experiment, Scenario

Complete = Callable[[Mapping[str, str]], Mapping[str, str]]
"""Adds to settings the factors that these need."""


@dataclass(frozen=True)
class Question:
    """Where along ``axis`` does the sign of ``claim`` come and go, with the settings ``fixed`` in all cells?"""

    scenario: Scenario
    experiment: Experiment
    claim: Claim
    axis: Axis
    fixed: Mapping[str, str]
    rules: Rules
    complete: Complete = dict

    @property
    def sign(self) -> str:
        """The sign in words."""
        return self.scenario.answer.get(self.claim.id) or f"the sign of {self.claim.id} shows"

    def first(self) -> list[int]:
        """The indexes of the values to begin with."""
        return first_points(self.axis, self.scenario.factors.get(self.axis.factor, ""))

    def cells(self) -> list[Cell]:
        """The cell of each value."""
        return [Cell.of(self.scenario, self.experiment.name, self._settings(value.text)) for value in self.axis.values]

    def points(self, notes: Mapping[str, str] | None = None) -> list[Point]:
        """A point without trials for each value; ``notes`` is value -> note."""
        return [
            Point(
                value.text, value.date, (notes or {}).get(value.text, ""), cell.settings, self._companions(value.text)
            )
            for value, cell in zip(self.axis.values, self.cells(), strict=True)
        ]

    def _settings(self, value: str) -> dict[str, str]:
        return dict(self.complete({**self.fixed, self.axis.factor: value}))

    def _companions(self, value: str) -> dict[str, str]:
        chosen = {*self.fixed, self.axis.factor}
        documented = self.scenario.factors
        settings = self._settings(value).items()
        return {name: text for name, text in settings if name not in chosen and documented.get(name) != text}


def ascending(axis: Axis) -> Axis:
    """The axis with its oldest value first: "first bad" and "fixed" are words of time."""
    try:
        newest_first = len(axis.values) > 1 and Version(axis.values[0].text) > Version(axis.values[-1].text)
    except InvalidVersion:
        return axis
    return replace(axis, values=axis.values[::-1]) if newest_first else axis


def check(axis: Axis, scenario: Scenario, fixed: Mapping[str, str]) -> None:
    """Raise UsageError unless the values of the axis are in an order, and the factor is not fixed as well."""
    scenario.check_factors(dict(fixed), command_text.factors(), kernel=True)
    for value in axis.values:
        scenario.check_factors({axis.factor: value.text}, command_text.option("factor"), kernel=True)
    if axis.factor in fixed:
        raise UsageError(
            f"{axis.factor} is the factor of the bisect, and set to {fixed[axis.factor]} as well",
            expected=f"its range behind the factor: {command_text.option('factor', axis.factor + '=FROM..TO')}",
        )
    if not axis.ordered:
        raise UsageError(
            f"{axis.factor}: {_some(axis)} are in no order, so there is nothing between two of them",
            expected="releases of a package, or version numbers",
            advice="a matrix measures values that have no order",
        )


def _some(axis: Axis) -> str:
    texts: Sequence[str] = [value.text for value in axis.values]
    return ", ".join(texts[:3]) + (" and others" if len(texts) > 3 else "")
