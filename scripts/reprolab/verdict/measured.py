"""What the columns of a table say of a variant: one value for each, from all its valid trials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from reprolab.core.error_place import directory_of, place
from reprolab.scenario.model import Column
from reprolab.scenario.trial import TrialRecord

Value = float | str | tuple[float, ...]


@dataclass(frozen=True)
class Measured:
    """Heading -> value of a variant's columns, without those that have none.

    A value is the median of a figure over the trials, the sum (k, n) of a rate, each distinct text; of a note its first
    trial's. ``errors`` is heading -> what the column raised; it has the value of the other trials then, if any.
    """

    values: Mapping[str, Value] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Measured:
        """Read an entry of recorded.json's ``measured``."""
        values = {name: tuple(one) if isinstance(one, list) else one for name, one in data["values"].items()}
        return cls(values, dict(data.get("errors", {})))

    def to_json(self) -> dict[str, Any]:
        """An entry of recorded.json's ``measured``."""
        values = {name: list(one) if isinstance(one, tuple) else one for name, one in self.values.items()}
        return {"values": values, "errors": dict(self.errors)} if self.errors else {"values": values}


def measure(columns: Iterable[Column], trials: Iterable[TrialRecord]) -> Measured:
    """Read the columns of a variant's valid trials; a mistake in one must not cost the reader the others."""
    valid = [trial for trial in trials if trial.valid]
    values: dict[str, Value] = {}
    errors: dict[str, str] = {}
    for column in columns:
        present, raised = _present(column, valid)
        try:
            if present:
                values[column.heading] = _summary(column, present)
        except Exception as error:
            raised.append(error)
        if raised:
            errors[column.heading] = error_text(column, raised[0])
    return Measured(values, errors)


def error_text(column: Column, error: Exception) -> str:
    """What a column raised, and where."""
    where = place(error, directory_of(column.value))
    return f"{type(error).__name__}: {error}" + (f" ({where})" if where else "")


def _present(column: Column, trials: Iterable[TrialRecord]) -> tuple[list[Any], list[Exception]]:
    """The values of the trials that have one, and what the others raised."""
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
        # As an example, where texts differ from trial to trial.
        return str(present[0])
    if all(isinstance(value, int | float) for value in present):
        figure: float = median(present)
        return figure
    if all(isinstance(value, tuple) for value in present):
        return tuple(sum(figures) for figures in zip(*present, strict=True))
    return " | ".join(dict.fromkeys(str(value) for value in present))
