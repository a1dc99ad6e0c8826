"""With the default number of trials no verdict is thin, if every trial comes out as the recorded one."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cases import ROOT, RUNS
from reprolab.evidence.run_dir import RunDirectory
from reprolab.scenario import loader
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.judge import judge

DATA = Path(__file__).parent / "data"


def socket_vanish() -> Iterator[TrialRecord]:
    """Of each variant the first trial."""
    return (trial for trial in RunDirectory(RUNS / "whole").trials() if trial.trial == 1)


def pool_freeze() -> Iterator[TrialRecord]:
    """Of each variant the first trial."""
    return (trial for trial in RunDirectory(DATA / "pool-freeze").trials() if trial.trial == 1)


def spawn_workers() -> Iterator[TrialRecord]:
    """Of each variant its only trial."""
    for line in gzip.decompress((DATA / "spawn-workers" / "trials.jsonl.gz").read_bytes()).splitlines():
        row = json.loads(line)
        yield TrialRecord(row["experiment"], row["variant"], 1, {}, row["observation"])


@pytest.mark.parametrize("recorded", [socket_vanish, pool_freeze, spawn_workers])
def test_no_verdict_is_thin(recorded: Callable[[], Iterator[TrialRecord]]) -> None:
    """Each trial, as often as the scenario runs its variant by default."""
    scenario = loader.load(ROOT, recorded.__name__.replace("_", "-"))
    trials = [
        replace(trial, trial=number)
        for trial in recorded()
        for number in range(1, scenario.trials_of(scenario.experiments[trial.experiment], trial.variant) + 1)
    ]
    assert {claim.id: claim.thin for claim in judge(scenario, "repeated", trials).claims if claim.thin} == {}
