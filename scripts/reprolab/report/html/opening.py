"""The top of a page: the two trials that show its answer best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from reprolab.evidence.run_dir import RunDirectory
from reprolab.report.html.trials import ShownTrial, read_trial
from reprolab.scenario.model import CUSTOM, DOCUMENTED, Scenario
from reprolab.scenario.trial import TrialRecord

Find = Callable[[str, str], ShownTrial | None]


def pair(scenario: Scenario, variants: Sequence[tuple[str, str]], find: Find, claim: str = "") -> list[ShownTrial]:
    """The two trials that are shown first: of a variant that must show the sign of a claim, and of its control.

    ``variants`` are those of the run as (experiment, variant); ``find`` gives a trial of one, None if none has a
    timeline. ``claim`` is the id of the claim that is asked first. Own factors stand beside the documented variant.
    Without a pair it is one trial with a timeline, that of the documented variant if there is one.
    """

    def first(experiment: str, names: Sequence[str]) -> ShownTrial | None:
        trials = (find(experiment, name) for name in names if (experiment, name) in variants)
        return next((trial for trial in trials if trial), None)

    for experiment, variant in variants:
        if variant == CUSTOM and (custom := find(experiment, variant)):
            return [trial for trial in (custom, first(experiment, [DOCUMENTED])) if trial]
    claims = [(experiment.name, known) for experiment in scenario.experiments.values() for known in experiment.claims]
    for experiment, known in sorted(claims, key=lambda item: item[1].id != claim):
        both = [trial for trial in (first(experiment, known.shows), first(experiment, known.absent)) if trial]
        if len(both) == 2:
            return both
    ordered = sorted(variants, key=lambda variant: variant[1] != DOCUMENTED)
    return [trial for trial in (first(experiment, [name]) for experiment, name in ordered) if trial][:1]


def pair_of(scenario: Scenario, trials: Sequence[ShownTrial], claim: str = "") -> list[ShownTrial]:
    """The same of trials that are read already."""
    by_variant: dict[tuple[str, str], ShownTrial] = {}
    for trial in trials:
        if trial.timeline:
            by_variant.setdefault((trial.record.experiment, trial.record.variant), trial)
    return pair(scenario, list(by_variant), lambda experiment, name: by_variant.get((experiment, name)), claim)


def read_pair(scenario: Scenario, run: RunDirectory, claim: str = "") -> list[ShownTrial]:
    """The same of a run; only the trials that are asked for are read."""
    records: dict[tuple[str, str], TrialRecord] = {}
    for record in run.checked_trials().records:
        if record.valid and record.experiment in scenario.experiments:
            records.setdefault((record.experiment, record.variant), record)

    @cache
    def find(experiment: str, name: str) -> ShownTrial | None:
        evidence = run.trial(experiment, name, records[experiment, name].trial)
        trial = read_trial(scenario.experiments[experiment], evidence, records[experiment, name])
        return trial if trial.timeline else None

    return pair(scenario, list(records), find, claim)
