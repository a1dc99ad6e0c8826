"""Trials that other work disturbed are repeated where a claim needs an idle machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cases import claim, in_memory, trial
from reprolab.run.repeat import MOST_REPEATS, repeats
from reprolab.run.runner import Runner
from reprolab.scenario.trial import TrialRecord
from test_runner import Builder, make

IDLE = in_memory(claim(needs_idle=True, shows=["documented"], absent=["old"])).experiments["lamp"]
ANY = in_memory(claim(shows=["documented"], absent=["old"])).experiments["lamp"]
BUSY = "other work used 0.9 of 2 processors (45 %)"


def records(*busy: bool, variant: str = "documented") -> list[TrialRecord]:
    """One trial each, of which some were busy."""
    return [trial(variant, number=n, busy=BUSY if was else "") for n, was in enumerate(busy, 1)]


@pytest.mark.parametrize(
    ("busy", "more"), [((), 0), ((False, False), 0), ((True, False), 1), ((True, True), 2), ((True,) * 5, MOST_REPEATS)]
)
def test_a_busy_trial_is_repeated(busy: tuple[bool, ...], more: int) -> None:
    """Once for each busy trial, the repeated ones included, up to a limit."""
    assert repeats(IDLE, "documented", records(*busy)) == more


def test_only_where_a_claim_needs_an_idle_machine() -> None:
    """Neither for other claims, nor for variants that no such claim needs."""
    assert repeats(ANY, "documented", records(True)) == 0
    assert repeats(replace(IDLE, variants={"extra": {}}), "extra", records(True, variant="extra")) == 0


def test_trials_of_others_and_invalid_trials_do_not_count() -> None:
    """An invalid trial is not repeated; the machine was not what it lacked."""
    others = [*records(True, variant="old"), replace(trial(busy=BUSY), experiment="another")]
    assert repeats(IDLE, "documented", [*others, trial(busy=BUSY, invalid="not healthy")]) == 0


def test_a_trial_whose_machine_cannot_be_watched_is_not_repeated() -> None:
    """The next one would not be watched either."""
    unwatched = trial(machine={"missing": "the engine's containers are not processes of this machine"})
    assert unwatched.unwatched
    assert repeats(IDLE, "documented", [unwatched]) == 0


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_run_repeats_its_busy_trials(tmp_path: Path, jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All trials are on record. A machine that stays busy ends the repetitions at the limit."""
    runner, prepared, _ = make(tmp_path, Builder(), jobs=jobs, trials=1)
    idle = replace(prepared[0].variant.experiment, claims=IDLE.claims)
    prepared = [replace(item, variant=replace(item.variant, experiment=idle)) for item in prepared]
    runner.plan = replace(runner.plan, variants=tuple(item.variant for item in prepared))
    plain = Runner.trial

    def busy_trial(self: Runner, item: Any, number: int) -> TrialRecord:
        return replace(plain(self, item, number), busy=BUSY if item.variant.name == "old" else "")

    monkeypatch.setattr(Runner, "trial", busy_trial)
    runner.execute(prepared)
    rows = sorted((row.variant, row.trial) for row in runner.run.trials())
    assert rows == [("documented", 1), ("old", 1), ("old", 2), ("old", 3)]
