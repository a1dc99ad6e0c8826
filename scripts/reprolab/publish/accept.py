"""Puts a reviewed run on record: recorded.json is its verdict, with the host and versions it holds for."""

from __future__ import annotations

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

    Raises UsageError, before anything is written, for a run that was aborted, left variants out, or lacks trials.
    """
    info = run.info()
    found = loader.load(root, info.scenario)
    if not info.complete:
        raise UsageError(f"{run.name} is {info.status or 'of unknown status'}", expected="a complete run")
    ran = {(planned.experiment, planned.variant) for planned in info.plan}
    wanted = {(e.name, v) for e in found.experiments.values() for v in e.variants}
    if missing := wanted - ran:
        names = ", ".join(sorted(f"{e}/{v}" for e, v in missing))
        raise UsageError(f"{run.name} left out {names}", expected="a run of all variants")
    trials = run.trials()
    if lacking := _lacking(info, trials):
        raise UsageError(
            f"{run.name} lacks trials of {', '.join(lacking)} in trials.jsonl",
            expected="a trial, valid or invalid with its reason, for each that was planned",
            advice=f"run it again: make scenario-{found.name}; nothing was written",
        )
    return write_record(found, RecordedRun(judge_run(found, run), info, measured_of(found, trials)))


def record(root: Path, run: RunDirectory) -> tuple[Path, list[Path]]:
    """Accept a run and write the generated pages; returns recorded.json and the pages that changed.

    Where a page cannot be written, recorded.json is put back: the checkout is as it was.
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


def _lacking(info: RunInfo, trials: list[TrialRecord]) -> list[str]:
    """The planned variants of which trials are missing, with how many there are; an invalid trial is one too."""
    there: dict[tuple[str, str], set[int]] = {}
    for trial in trials:
        there.setdefault((trial.experiment, trial.variant), set()).add(trial.trial)
    rows = [(row, len(there.get((row.experiment, row.variant), ()))) for row in info.plan]
    return [f"{row.experiment}/{row.variant} ({n} of {row.trials})" for row, n in rows if n < row.trials]


def measured_of(found: Scenario, trials: list[TrialRecord]) -> dict[str, Measured]:
    """What the columns say of each variant."""
    own: dict[tuple[str, str], list[TrialRecord]] = {}
    for trial in trials:
        own.setdefault((trial.experiment, trial.variant), []).append(trial)
    return {
        found.variant_key(experiment, variant): measure(found.experiments[experiment].columns, rows)
        for (experiment, variant), rows in own.items()
        if experiment in found.experiments
    }
