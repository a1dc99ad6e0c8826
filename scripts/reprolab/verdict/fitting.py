"""What a run lacks for a purpose, in a few words; commands choose the newest run that lacks nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from reprolab.core.errors import LabError
from reprolab.core.progress import OnProgress
from reprolab.evidence import lookup
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import RUNNING
from reprolab.scenario import loader
from reprolab.scenario.model import CUSTOM, Scenario

Obstacle = Callable[[RunDirectory], str]


def open_to_judge(root: Path, where: str, on_progress: OnProgress) -> tuple[Scenario, RunDirectory]:
    """The run that a user names with its scenario; of a scenario the newest that judges a claim. Raises UsageError."""
    if lookup.is_scenario(root, where) and where in loader.names(root):
        scenario = loader.load(root, where)
        return scenario, lookup.find_run(root, where, partial(to_judge, scenario), on_progress)
    run = lookup.open_run(root, where)
    return loader.load(root, run.info().scenario), run


def to_judge(scenario: Scenario, run: RunDirectory) -> str:
    """Why a run answers no claim: it still runs, has own factors, no valid trial, or no claim's variants."""
    try:
        info, trials = run.info(), run.trials()
    except LabError:
        return "it cannot be read"
    if info.status == RUNNING:
        return "it still runs"
    ran = {(trial.experiment, trial.variant) for trial in trials}
    if ran and all(variant == CUSTOM for _, variant in ran):
        return "own factors"
    if not any(trial.valid for trial in trials):
        return "no valid trial"
    asked = any(
        all((experiment.name, name) in ran for name in claim.expectations)
        for experiment in scenario.experiments.values()
        for claim in experiment.claims
    )
    return "" if asked else "it judges no claim"


def to_publish(scenario: Scenario, run: RunDirectory) -> str:
    """As `to_judge`; also, the run must be complete."""
    return to_judge(scenario, run) or ("" if run.info().complete else f"{run.info().status or 'unknown status'}")


def to_record(scenario: Scenario, run: RunDirectory) -> str:
    """As `to_publish`; also, the run must have had all variants planned."""
    if reason := to_publish(scenario, run):
        return reason
    planned = {(row.experiment, row.variant) for row in run.info().plan}
    wanted = {(e.name, variant) for e in scenario.experiments.values() for variant in e.variants}
    return "" if wanted <= planned else "it left variants out"


def to_show(run: RunDirectory, variants: Collection[tuple[str, str]], *, valid: bool = True) -> str:
    """Which of these (experiment, variant) has no trial, or no valid one; an experiment "" stands for any."""
    try:
        ran = {(trial.experiment, trial.variant) for trial in run.trials() if trial.valid or not valid}
    except LabError:
        return "it cannot be read"
    for experiment, variant in variants:
        if not any(name == variant and experiment in ("", where) for where, name in ran):
            return f"no {'valid ' if valid else ''}trial of {variant}"
    return ""
