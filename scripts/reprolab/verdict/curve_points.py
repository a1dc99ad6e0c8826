"""Computes the points of a curve for one variant, from all its valid trials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from statistics import median
from typing import Any

from reprolab.core.error_place import error_text
from reprolab.scenario.model import Curve
from reprolab.scenario.trial import TrialRecord

MOST = 1 << 53  # Larger numbers have no exact place in a chart.
PointValue = float | tuple[int, int]


@dataclass(frozen=True)
class CurvePoint:
    """A point of a curve: a number, or a rate (k, n). Raises TypeError or ValueError for anything else."""

    x: float
    value: PointValue

    def __post_init__(self) -> None:
        _check_number(self.x, "x")
        if not isinstance(self.value, tuple):
            _check_number(self.value, f"the value at x = {self.x}")
            return
        if len(self.value) != 2 or not all(type(number) is int for number in self.value):
            raise TypeError(f"the value at x = {self.x} is {self.value!r}, not a pair (k, n) of whole numbers")
        k, n = self.value
        if not 0 <= k <= n <= MOST:
            raise ValueError(f"the value at x = {self.x} is {k} of {n}; expected 0 <= k <= n")

    @classmethod
    def from_json(cls, data: Any) -> CurvePoint:
        x, value = data
        return cls(x, tuple(value) if isinstance(value, list) else value)

    def to_json(self) -> list[Any]:
        return [self.x, list(self.value) if isinstance(self.value, tuple) else self.value]

    @property
    def is_rate(self) -> bool:
        return isinstance(self.value, tuple)


@dataclass(frozen=True)
class MeasuredCurve:
    """The points of a curve in one variant, in the order of x.

    ``error`` is what the curve's function raised; the points are then from the other trials.
    """

    points: tuple[CurvePoint, ...] = ()
    error: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> MeasuredCurve:
        return cls(tuple(CurvePoint.from_json(point) for point in data["points"]), data.get("error", ""))

    def to_json(self) -> dict[str, Any]:
        points = [point.to_json() for point in self.points]
        return {"points": points, "error": self.error} if self.error else {"points": points}


def measure_curve(curve: Curve, trials: Iterable[TrialRecord]) -> MeasuredCurve:
    """Compute a curve from valid trials: at each x pairs are summed, and of numbers the median is taken.

    A trial in which the curve's function raises, or returns no points, gives none.
    """
    points: list[CurvePoint] = []
    error = ""
    for trial in trials:
        try:
            read = _points(curve, trial)
            if len({point.is_rate for point in (*points, *read)}) > 1:
                raise TypeError("some points are pairs (k, n), and others are numbers")
            points += read
        except Exception as raised:
            error = error or error_text(raised, curve.points)
    by_x: dict[float, list[Any]] = {}
    for point in points:
        by_x.setdefault(point.x, []).append(point.value)
    try:
        return MeasuredCurve(tuple(CurvePoint(x, _summary(by_x[x])) for x in sorted(by_x)), error)
    except ValueError as raised:  # a sum over the trials that is too large for a chart
        return MeasuredCurve((), error or error_text(raised, curve.points))


def _points(curve: Curve, trial: TrialRecord) -> list[CurvePoint]:
    mapping = curve.points(trial.observation)
    if mapping is None:
        return []
    if not isinstance(mapping, Mapping):
        raise TypeError(f"points returned {mapping!r}, not a mapping x -> (k, n) or x -> number")
    return [CurvePoint(x, value) for x, value in mapping.items()]


def _summary(values: list[Any]) -> PointValue:
    if isinstance(values[0], tuple):
        return sum(k for k, _ in values), sum(n for _, n in values)
    middle: float = median(values)
    return middle


def _check_number(value: object, what: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{what} is {value!r}, not a number")
    if abs(value) > MOST or not isfinite(value):
        raise ValueError(f"{what} is {value}, not a finite number below 2**53")
