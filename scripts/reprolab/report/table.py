"""The results table of a run as plain cells, for every kind of report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from reprolab.core.error_place import directory_of, place
from reprolab.core.stats import rate_text
from reprolab.scenario.model import Column, Experiment
from reprolab.scenario.trial import TrialRecord

NOTHING, UNREADABLE = "—", "?"
SHOWN_VARIANTS = 3


@dataclass(frozen=True)
class Row:
    """One variant: its name, what it changes, how many trials were valid, and a cell per column.

    ``mistakes`` are the columns that raised: heading and error.
    """

    variant: str
    changes: str
    trials: str
    cells: tuple[str, ...]
    notes: tuple[str, ...] = ()
    invalid: str = ""
    mistakes: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data, as recorded.json keeps it."""
        return {
            "variant": self.variant,
            "changes": self.changes,
            "trials": self.trials,
            "cells": list(self.cells),
            "notes": list(self.notes),
            "invalid": self.invalid,
        }


BASIS = "figures are the median of the valid trials; notes, and what is drawn first, are of the first trial"


def has_several(found: Iterable[Row]) -> bool:
    """Whether some figure stands for more than one valid trial."""
    return any(int(row.trials.partition("/")[0]) > 1 for row in found)


def short_reason(invalid: str) -> str:
    """Why a trial is invalid, in one line: what happened and, of a server's last words, the error."""
    lines = [line.strip() for line in invalid.splitlines() if line.strip()]
    if len(lines) < 2:
        return "".join(lines)
    telling = next((line for line in reversed(lines[1:]) if "rror" in line), lines[-1])
    return f"{lines[0].partition('; last lines:')[0].rstrip(':')}: … {telling}"


def changes_text(factors: Mapping[str, str]) -> str:
    """The factors of a variant in one cell; a dash for the documented stack."""
    return " ".join(f"{name}={value}" for name, value in factors.items()) or "—"


def headings(experiment: Experiment) -> tuple[str, ...]:
    """The headings over a row's cells."""
    return tuple(column.heading for column in experiment.columns if not column.note)


def rows(experiment: Experiment, trials: Iterable[TrialRecord]) -> list[Row]:
    """A row per variant, in the experiment's order: side by side, trials end in any."""
    by_variant: dict[str, list[TrialRecord]] = {name: [] for name in experiment.variants}
    for trial in trials:
        if trial.experiment == experiment.name:
            by_variant.setdefault(trial.variant, []).append(trial)
    return [_row(experiment, name, own) for name, own in by_variant.items() if own]


def mistakes(experiment: Experiment, found: Iterable[Row]) -> list[str]:
    """A line for each column that raised, with where and why; the verdicts do not depend on it."""
    where: dict[tuple[str, str], list[str]] = {}
    for row in found:
        for mistake in row.mistakes:
            where.setdefault(mistake, []).append(row.variant)
    return [
        f"{UNREADABLE} the column {heading!r} of {experiment.name} cannot be read in {some(variants)}: {error}"
        for (heading, error), variants in where.items()
    ]


def some(names: list[str]) -> str:
    """The first few of many variants, and how many more."""
    more = len(names) - SHOWN_VARIANTS
    return ", ".join(names[:SHOWN_VARIANTS]) + (f" and {more} more" if more > 0 else "")


def _row(experiment: Experiment, name: str, trials: list[TrialRecord]) -> Row:
    valid = [trial for trial in trials if trial.valid]
    invalid = next((trial.invalid for trial in trials if trial.invalid), "")
    read = [(column, _read(column, valid)) for column in experiment.columns]
    return Row(
        name,
        changes_text(trials[0].factors),
        f"{len(valid)}/{len(trials)}",
        tuple(one.text for column, one in read if not column.note) if valid else (),
        tuple(f"{column.heading}: {one.text}" for column, one in read if column.note and one.text != NOTHING),
        invalid,
        tuple((column.heading, one.error) for column, one in read if one.error),
    )


def cell(column: Column, trials: list[TrialRecord]) -> str:
    """The median of a figure over the trials, the sum of a rate, each distinct text; a dash for nothing.

    A note is that of its first trial. Where the column raises, a question mark, after what the other trials gave.
    """
    return _read(column, trials).text


@dataclass(frozen=True)
class _Read:
    """A cell, and the first error of those that its column raised; a mistake must not cost the reader the verdict."""

    text: str
    error: str = ""


def _read(column: Column, trials: list[TrialRecord]) -> _Read:
    present: list[Any] = []
    errors = []
    for trial in trials:
        try:
            value = column.value(trial.observation)
        except Exception as error:
            errors.append(error)
        else:
            present += [] if value is None else [value]
    text = ""
    try:
        text = _text(column, present) if present else ""
    except Exception as error:
        errors.append(error)
    if not errors:
        return _Read(text or NOTHING)
    where = place(errors[0], directory_of(column.value))
    told = f"{type(errors[0]).__name__}: {errors[0]}" + (f" ({where})" if where else "")
    return _Read(f"{text} {UNREADABLE}".strip(), told)


def _text(column: Column, present: list[Any]) -> str:
    if column.note:
        # As an example, where texts differ from trial to trial.
        return str(present[0])
    if all(isinstance(value, int | float) for value in present):
        return column.form.format(median(present)).replace(",", " ")
    if all(isinstance(value, tuple) for value in present):
        return rate_text(*(sum(figures) for figures in zip(*present, strict=True)))
    return " | ".join(dict.fromkeys(str(value) for value in present))
