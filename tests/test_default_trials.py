"""With the default number of trials no verdict is thin, if every trial comes out as the recorded one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from cases import ROOT, trials_of
from reprolab.scenario import loader
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.judge import judge


def first_trials(name: str) -> list[TrialRecord]:
    """The first recorded trial of each variant."""
    rows = [{"trial": 1, "factors": {}} | json.loads(line) for line in trials_of(name).splitlines()]
    return [TrialRecord(**row) for row in rows if row["trial"] == 1]


@pytest.mark.parametrize("name", ["socket-vanish", "pool-freeze", "spawn-workers"])
def test_no_verdict_is_thin(name: str) -> None:
    """Each trial, with its tries, as often as the scenario runs its variant by default."""
    scenario = loader.load(ROOT, name)
    trials = [
        replace(trial, trial=number)
        for trial in first_trials(name)
        for number in range(1, scenario.trials_of(scenario.experiments[trial.experiment], trial.variant) + 1)
    ]
    assert {claim.id: claim.thin for claim in judge(scenario, "repeated", trials).claims if claim.thin} == {}
