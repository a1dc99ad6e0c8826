"""Computes one value for each table column of a variant, and the points of its curves, from all its valid trials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from reprolab.core.error_place import error_text
from reprolab.scenario.model import Column, Curve
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.curve_points import MeasuredCurve, measure_curve

Value = float | str | tuple[float, ...]


@dataclass(frozen=True)
class Measured:
    """The columns of a variant: heading -> value, without the columns that have no value.

    A value is the median of a number over the trials, the sum (k, n) of a rate, or the distinct texts. A note has the
    text of the first trial. ``errors`` is heading -> what the column raised; its value is from the other trials.
    ``curves`` is title -> points, without the curves that have neither points nor an error.
    """

    values: Mapping[str, Value] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    curves: Mapping[str, MeasuredCurve] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Measured:
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in data["values"].items()}
        curves = {title: MeasuredCurve.from_json(curve) for title, curve in data.get("curves", {}).items()}
        return cls(values, dict(data.get("errors", {})), curves)

    def to_json(self) -> dict[str, Any]:
        values = {name: list(value) if isinstance(value, tuple) else value for name, value in self.values.items()}
        curves = {title: curve.to_json() for title, curve in self.curves.items()}
        others = {"errors": dict(self.errors), "curves": curves}
        return {"values": values} | {name: part for name, part in others.items() if part}


def measure(columns: Iterable[Column], trials: Iterable[TrialRecord], curves: Iterable[Curve] = ()) -> Measured:
    """Compute columns and curves of a variant's valid trials. If one raises, the others still have their values."""
    valid = [trial for trial in trials if trial.valid]
    values: dict[str, Value] = {}
    errors: dict[str, str] = {}
    for column in columns:
        present, raised = _values(column, valid)
        try:
            if present:
                values[column.heading] = _summary(column, present)
        except Exception as error:
            raised.append(error)
        if raised:
            errors[column.heading] = error_text(raised[0], column.value)
    points = {curve.title: measure_curve(curve, valid) for curve in curves}
    return Measured(values, errors, {title: curve for title, curve in points.items() if curve.points or curve.error})


def _values(column: Column, trials: Iterable[TrialRecord]) -> tuple[list[Any], list[Exception]]:
    """The values of the trials that have one, and the exceptions of the others."""
    present: list[Any] = []
    raised: list[Exception] = []
    for trial in trials:
        try:
            value = column.value(trial.observation)
        except Exception as error:
            raised.append(error)
        else:
            present += [] if value is None else [value]
    return present, raised


def _summary(column: Column, present: list[Any]) -> Value:
    if column.note:
        # A note may differ in every trial. The first is an example.
        return str(present[0])
    if all(isinstance(value, int | float) for value in present):
        middle: float = median(present)
        return middle
    if all(isinstance(value, tuple) for value in present):
        return tuple(sum(numbers) for numbers in zip(*present, strict=True))
    return " | ".join(dict.fromkeys(str(value) for value in present))
