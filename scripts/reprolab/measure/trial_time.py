"""How long a trial of an experiment takes, from the runs that are there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median

from reprolab.core.errors import LabError
from reprolab.core.number_words import plural
from reprolab.evidence import lookup
from reprolab.evidence.run_info import stages
from reprolab.scenario.model import Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.record import read_record

NOT_KNOWN = "time: not known, as there is no run of this experiment yet"
# The stages of `RunInfo.times` that each trial has.
OF_EACH_TRIAL = ("up", "drive", "evidence", "down")


@dataclass(frozen=True)
class TrialTime:
    """How long a trial takes, in seconds, and in which trials that was measured."""

    seconds: float
    source: str


def time_per_trial(root: Path, scenario: Scenario, experiment: str, *, elsewhere: bool = False) -> TrialTime | None:
    """The time of a trial: of the newest run that has trials of the experiment, else of the run on record.

    With ``elsewhere`` only runs count whose engine was on another machine, else only those of this one.
    """
    newest = _of_newest_run(root, scenario, experiment, elsewhere)
    return newest if newest or elsewhere else _of_record(scenario)


def _of_newest_run(root: Path, scenario: Scenario, experiment: str, elsewhere: bool) -> TrialTime | None:
    for run in reversed(lookup.runs_of(root, scenario.name)):
        try:
            trials = run.trials() if bool(run.info().host.hardware) is elsewhere else []
        except LabError:
            continue
        every = [sum(trial.seconds.values()) for trial in trials if _is_measure(trial, experiment) and trial.seconds]
        if every:
            return TrialTime(median(every), f"median of {plural(len(every), 'trial')} of run {run.name}")
    return None


def _is_measure(trial: TrialRecord, experiment: str) -> bool:
    """Whether the time of a trial is that of the experiment; one that is invalid may have ended early."""
    return trial.valid and trial.experiment == experiment


def _of_record(scenario: Scenario) -> TrialTime | None:
    """The mean of all trials of the run on record, which has no times of single trials."""
    record = read_record(scenario)
    if record is None:
        return None
    seconds = stages(record.info.times)
    total = sum(seconds.get(name, 0.0) for name in OF_EACH_TRIAL)
    number = sum(variant.trials for variant in record.verdict.variants.values())
    source = f"mean of {plural(number, 'trial')} of the run on record, of all experiments"
    return TrialTime(total / number, source) if total and number else None


def time_line(root: Path, scenario: Scenario, experiment: str, *, on_kernels: bool = False) -> str:
    """How long a trial takes, for a plan whose number of trials depends on what they show.

    ``on_kernels``: virtual machines run the trials.
    """
    if on_kernels:
        return kernels_time_line(root, scenario, experiment)
    trial = time_per_trial(root, scenario, experiment)
    if trial is None:
        return NOT_KNOWN
    return f"time: {trial.seconds:.0f} s a trial, without builds ({trial.source})"


def kernels_time_line(root: Path, scenario: Scenario, experiment: str) -> str:
    """How long a trial takes in a virtual machine, as far as a run there has shown it."""
    without = "without builds, starts of machines, and loading images into them"
    if there := time_per_trial(root, scenario, experiment, elsewhere=True):
        return f"time: {there.seconds:.0f} s a trial, {without} ({there.source})"
    here = time_per_trial(root, scenario, experiment)
    on_this = f"; on this machine a trial takes {here.seconds:.0f} s" if here else ""
    return f"time: not known, as no run of this experiment was in a virtual machine yet{on_this}"
