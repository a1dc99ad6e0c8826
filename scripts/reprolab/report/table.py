"""The results table of a run as plain cells, for all kinds of report."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reprolab.core.error_place import error_text
from reprolab.core.stats import rate_text
from reprolab.scenario.model import Column, Experiment, Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.document import VariantResult
from reprolab.verdict.judge import variant_result
from reprolab.verdict.measured import Measured, Value, measure
from reprolab.verdict.record import RecordedRun

NOTHING, UNREADABLE = "—", "?"
SHOWN_VARIANTS = 3
# What pip says of a build that failed, around the error itself; it names a package only where it fetches its source.
PIP_FRAME = re.compile(
    r"(error: |ERROR: )?(subprocess-exited-with-error|metadata-generation-failed|failed-wheel-build|Failed to build )"
    r"|× |│ exit code|╰─>|note: This |hint: |\[notice\]|\[end of output\]|Preparing metadata |Getting requirements "
)
SOURCE_ARCHIVE = re.compile(r"Downloading (\S+?)(?:\.tar\.gz|\.zip|\.tar\.bz2)(?= |$)")


@dataclass(frozen=True)
class Row:
    """One variant: its name, its changed factors, "valid/all" trials, and one cell per column.

    ``mistakes`` holds (heading, error) for each column that raised an error.
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
    """Whether any variant has more than one valid trial."""
    return any(int(row.trials.partition("/")[0]) > 1 for row in rows)


def short_reason(invalid: str) -> str:
    """Why a trial is invalid, in one line: what happened, and the last line of the log that names an error."""
    lines = [line.strip() for line in invalid.splitlines() if line.strip()]
    if len(lines) < 2:
        return "".join(lines)
    telling = [line for line in lines[1:] if not PIP_FRAME.match(line)] or lines[1:]
    error_line = next((line for line in reversed(telling) if "rror" in line), telling[-1])
    built = [match[1] for line in lines if (match := SOURCE_ARCHIVE.match(line))]
    package = f"{built[-1]}: " if built and len(telling) < len(lines) - 1 else ""
    return f"{lines[0].partition('; last lines:')[0].rstrip(':')}: … {package}{error_line}"


def changes_text(factors: Mapping[str, str]) -> str:
    """The changed factors of a variant as one text; a dash if there is none."""
    return " ".join(f"{name}={value}" for name, value in factors.items()) or "—"


def headings(experiment: Experiment) -> tuple[str, ...]:
    """The headings of a row's cells."""
    return tuple(column.heading for column in experiment.columns if not column.note)


def rows(experiment: Experiment, trials: Iterable[TrialRecord]) -> list[Row]:
    """One row per variant, in the experiment's order. ``trials`` may have any order, as trials may run in parallel."""
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
    """One row per variant of the recorded run. A value that is not on record gives a dash."""
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
    """The rows of each experiment that ran, by its name."""
    by_experiment = {experiment.name: rows(experiment, trials) for experiment in scenario.experiments.values()}
    return {name: rows for name, rows in by_experiment.items() if rows}


def recorded_tables(scenario: Scenario, record: RecordedRun) -> Tables:
    """The rows of each experiment that is on record, by its name."""
    by_experiment = {
        experiment.name: recorded_rows(scenario, experiment, record) for experiment in scenario.experiments.values()
    }
    return {name: rows for name, rows in by_experiment.items() if rows}


def mistakes(experiment: Experiment, rows: Iterable[Row]) -> list[str]:
    """One line for each column that raised an error: the column, the variants and the error."""
    where: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for mistake in row.mistakes:
            where.setdefault(mistake, []).append(row.variant)
    return [
        f"{UNREADABLE} the column {heading!r} of {experiment.name} cannot be read in {list_first(variants)}: {error}"
        for (heading, error), variants in where.items()
    ]


def list_first(names: list[str]) -> str:
    """The first few names, and the number of the others."""
    more = len(names) - SHOWN_VARIANTS
    return ", ".join(names[:SHOWN_VARIANTS]) + (f" and {more} more" if more > 0 else "")


def _row(experiment: Experiment, name: str, result: VariantResult, measured: Measured) -> Row:
    cells = [(column, *_cell(column, measured)) for column in experiment.columns]
    return Row(
        name,
        changes_text(result.factors),
        f"{result.valid}/{result.trials}",
        tuple(text for column, text, _ in cells if not column.note) if result.valid else (),
        tuple(f"{column.heading}: {text}" for column, text, _ in cells if column.note and text != NOTHING),
        next(iter(result.invalid), ""),
        tuple((column.heading, error) for column, _, error in cells if error),
    )


def cell(column: Column, trials: list[TrialRecord]) -> str:
    """The text of one cell: the median of numbers, the sum of rates, or each distinct text; a dash without a value.

    A note is that of the first trial. If the column raises an error in a trial, a question mark follows the value of
    the others.
    """
    return _cell(column, measure([column], trials))[0]


def _cell(column: Column, measured: Measured) -> tuple[str, str]:
    """The text of a cell and the error of its column. A mistake in a column must not stop the report."""
    text, error = "", measured.errors.get(column.heading, "")
    try:
        if column.heading in measured.values:
            text = _text(column, measured.values[column.heading])
    except Exception as raised:
        error = error or error_text(raised, column.value)
    return (f"{text} {UNREADABLE}".strip() if error else text or NOTHING), error


def _text(column: Column, value: Value) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        shown, tries = value
        return rate_text(int(shown), int(tries))
    return column.form.format(value).replace(",", " ")
