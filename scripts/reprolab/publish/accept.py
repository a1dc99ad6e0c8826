"""Puts a reviewed run on record: recorded.json holds its verdict, with the host and the versions of the run."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from reprolab.core.errors import UsageError
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import RunInfo
from reprolab.publish import readme_sections
from reprolab.scenario import loader
from reprolab.scenario.model import Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.measured import Measured, measure
from reprolab.verdict.record import RecordedRun, judge_run, recorded_path, write_record


def accept(root: Path, run: RunDirectory) -> Path:
    """Write the scenario's recorded.json from a complete run of all its variants; returns its path.

    Raises UsageError, before anything is written, for a run that was aborted or cut short by its budget, left variants
    out, or lacks trials.
    """
    info = run.info()
    scenario = loader.load(root, info.scenario)
    if not info.complete:
        raise UsageError(f"{run.name} is {info.status or 'of unknown status'}", expected="a complete run")
    if info.rounds and info.rounds.cut:
        raise UsageError(f"{run.name} was cut short; rounds: {info.rounds.words}", expected="a run without a budget")
    planned = {(variant.experiment, variant.variant) for variant in info.plan}
    wanted = {(e.name, variant) for e in scenario.experiments.values() for variant in e.variants}
    if missing := wanted - planned:
        names = ", ".join(sorted(f"{experiment}/{variant}" for experiment, variant in missing))
        raise UsageError(f"{run.name} left out {names}", expected="a run of all variants")
    trials = run.trials()
    if incomplete := _incomplete_variants(info, trials):
        raise UsageError(
            f"{run.name} lacks trials of {', '.join(incomplete)} in trials.jsonl",
            expected="every planned trial, either valid or invalid with a reason",
            advice=f"run it again: make scenario-{scenario.name}; nothing was written",
        )
    return write_record(scenario, RecordedRun(judge_run(scenario, run), info, measure_variants(scenario, trials)))


def record(root: Path, run: RunDirectory) -> tuple[Path, list[Path]]:
    """Accept a run and write the generated pages; returns the path of recorded.json and the pages that changed.

    If a page cannot be written, recorded.json is restored.
    """
    path = recorded_path(loader.load(root, run.info().scenario))
    before = path.read_bytes() if path.exists() else None
    accept(root, run)
    try:
        return path, readme_sections.write(root)
    except BaseException:
        if before is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(before)
        raise


def _incomplete_variants(info: RunInfo, trials: list[TrialRecord]) -> list[str]:
    """The planned variants with fewer trials than planned, with both numbers. Invalid trials count."""
    numbers: dict[tuple[str, str], set[int]] = defaultdict(set)
    for trial in trials:
        numbers[trial.experiment, trial.variant].add(trial.trial)
    counts = [(variant, len(numbers[variant.experiment, variant.variant])) for variant in info.plan]
    return [
        f"{variant.experiment}/{variant.variant} ({count} of {variant.trials})"
        for variant, count in counts
        if count < variant.trials
    ]


def measure_variants(scenario: Scenario, trials: list[TrialRecord]) -> dict[str, Measured]:
    """The values of the columns for each variant, by the variant's key in the verdict."""
    by_variant: dict[tuple[str, str], list[TrialRecord]] = defaultdict(list)
    for trial in trials:
        by_variant[trial.experiment, trial.variant].append(trial)
    return {
        scenario.variant_key(experiment, variant): measure(scenario.experiments[experiment].columns, records)
        for (experiment, variant), records in by_variant.items()
        if experiment in scenario.experiments
    }
