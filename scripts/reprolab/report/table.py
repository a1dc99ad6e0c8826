"""The results table of a run as plain cells, for every kind of report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from reprolab.judge import TrialRecord
from reprolab.scenario import Column, Experiment, Scenario
from reprolab.stats import rate_text


@dataclass(frozen=True)
class Row:
    """One variant: its name, what it changes, how many trials were valid, and a cell per column."""

    variant: str
    changes: str
    trials: str
    cells: tuple[str, ...]
    notes: tuple[str, ...] = ()
    invalid: str = ""

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


def rows(scenario: Scenario, experiment: Experiment, trials: Iterable[TrialRecord]) -> list[Row]:
    """A row per variant, in the experiment's order: side by side, trials end in any."""
    by_variant: dict[str, list[TrialRecord]] = {name: [] for name in experiment.variants}
    for trial in trials:
        if trial.experiment == experiment.name:
            by_variant.setdefault(trial.variant, []).append(trial)
    return [_row(experiment, name, own) for name, own in by_variant.items() if own]


def _row(experiment: Experiment, name: str, trials: list[TrialRecord]) -> Row:
    valid = [trial for trial in trials if trial.valid]
    invalid = next((trial.invalid for trial in trials if trial.invalid), "")
    return Row(
        name,
        changes_text(trials[0].factors),
        f"{len(valid)}/{len(trials)}",
        tuple(cell(c, valid) for c in experiment.columns if not c.note) if valid else (),
        tuple(_notes(experiment, valid)),
        invalid,
    )


def _notes(experiment: Experiment, trials: list[TrialRecord]) -> Iterator[str]:
    """The notes of a variant: of its first trial, as an example, where texts differ from trial to trial."""
    for column in experiment.columns:
        texts = [str(v) for trial in trials if column.note and (v := _value(column, trial)) is not None]
        if texts:
            yield f"{column.heading}: {texts[0]}"


def cell(column: Column, trials: list[TrialRecord]) -> str:
    """The median of a figure over the trials, the sum of a rate, each distinct text; a dash for nothing."""
    values = [_value(column, trial) for trial in trials]
    present = [value for value in values if value is not None]
    if not present:
        return "—"
    if all(isinstance(value, int | float) for value in present):
        return column.form.format(median(present)).replace(",", " ")
    if all(isinstance(value, tuple) for value in present):
        return rate_text(*(sum(figures) for figures in zip(*present, strict=True)))
    return " | ".join(dict.fromkeys(str(value) for value in present))


def _value(column: Column, trial: TrialRecord) -> Any:
    try:
        return column.value(trial.observation)
    except Exception:
        # A mistake in a column must not cost the reader the verdict of a long run.
        return None
