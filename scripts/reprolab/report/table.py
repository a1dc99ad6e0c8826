"""The results table of a run as plain cells, for every kind of report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reprolab.core.stats import rate_text
from reprolab.scenario.model import Column, Experiment, Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.document import VariantResult
from reprolab.verdict.judge import variant_result
from reprolab.verdict.measured import Measured, Value, error_text, measure
from reprolab.verdict.record import RecordedRun

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


BASIS = "figures are the median of the valid trials; notes, and what is drawn first, are of the first trial"


def has_several(rows: Iterable[Row]) -> bool:
    """Whether some figure stands for more than one valid trial."""
    return any(int(row.trials.partition("/")[0]) > 1 for row in rows)


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
    return [
        _row(experiment, name, variant_result(trials_of_variant), measure(experiment.columns, trials_of_variant))
        for name, trials_of_variant in by_variant.items()
        if trials_of_variant
    ]


def recorded_rows(scenario: Scenario, experiment: Experiment, record: RecordedRun) -> list[Row]:
    """The same of the run on record; a column that it lacks has nothing in its cells."""
    prefix = scenario.variant_key(experiment.name, "")
    known = [key.removeprefix(prefix) for key in record.verdict.variants if key.startswith(prefix)]
    names = [name for name in experiment.variants if name in known]
    names += [name for name in known if name not in names]
    return [
        _row(experiment, name, record.verdict.variants[prefix + name], record.measured.get(prefix + name, Measured()))
        for name in names
    ]


Tables = Mapping[str, list[Row]]


def tables(scenario: Scenario, trials: list[TrialRecord]) -> Tables:
    """The rows of each experiment that ran."""
    by_experiment = {experiment.name: rows(experiment, trials) for experiment in scenario.experiments.values()}
    return {name: rows for name, rows in by_experiment.items() if rows}


def recorded_tables(scenario: Scenario, record: RecordedRun) -> Tables:
    """The rows of each experiment that is on record."""
    by_experiment = {
        experiment.name: recorded_rows(scenario, experiment, record) for experiment in scenario.experiments.values()
    }
    return {name: rows for name, rows in by_experiment.items() if rows}


def mistakes(experiment: Experiment, rows: Iterable[Row]) -> list[str]:
    """A line for each column that raised, with where and why; the verdicts do not depend on it."""
    where: dict[tuple[str, str], list[str]] = {}
    for row in rows:
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


def _row(experiment: Experiment, name: str, result: VariantResult, measured: Measured) -> Row:
    read = [(column, *_shown(column, measured)) for column in experiment.columns]
    return Row(
        name,
        changes_text(result.factors),
        f"{result.valid}/{result.trials}",
        tuple(text for column, text, _ in read if not column.note) if result.valid else (),
        tuple(f"{column.heading}: {text}" for column, text, _ in read if column.note and text != NOTHING),
        next(iter(result.invalid), ""),
        tuple((column.heading, error) for column, _, error in read if error),
    )


def cell(column: Column, trials: list[TrialRecord]) -> str:
    """The median of a figure over the trials, the sum of a rate, each distinct text; a dash for nothing.

    A note is that of its first trial. Where the column raises, a question mark, after what the other trials gave.
    """
    return _shown(column, measure([column], trials))[0]


def _shown(column: Column, measured: Measured) -> tuple[str, str]:
    """A cell, and what its column raised: a mistake must not cost the reader the verdict."""
    text, error = "", measured.errors.get(column.heading, "")
    try:
        if column.heading in measured.values:
            text = _text(column, measured.values[column.heading])
    except Exception as raised:
        error = error or error_text(column, raised)
    return (f"{text} {UNREADABLE}".strip() if error else text or NOTHING), error


def _text(column: Column, value: Value) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        shown, tries = value
        return rate_text(int(shown), int(tries))
    return column.form.format(value).replace(",", " ")
