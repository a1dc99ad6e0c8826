"""The lab's settings for the load of an experiment: how they are checked, carried and applied."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cases import COMPOSE, EXPERIMENT, load
from reprolab.baseimage.resolve import Policy
from reprolab.core.errors import InvalidTrial, UsageError
from reprolab.evidence.run_dir import RunDirectory, TrialDirectory
from reprolab.measure.cell import Cell
from reprolab.run import runner as runner_module
from reprolab.run.observer import RunObserver
from reprolab.run.plan import Plan, PlannedVariant, RunOptions, make_plan
from reprolab.run.runner import Prepared, Runner
from reprolab.scenario.load_settings import CONNECTIONS, DURATION, THREADS, settings_of_load, wrk_options
from reprolab.stack import load as stack_load
from reprolab.stack.stack import Stack


def test_the_settings_are_options_of_wrk() -> None:
    """Whole numbers; what is not set stays the experiment's."""
    assert wrk_options({CONNECTIONS: "20", "WORKERS": "5"}) == {"connections": 20}
    assert wrk_options({THREADS: "2", DURATION: "3"}) == {"threads": 2, "duration": 3}


def test_the_figures_of_a_load_are_its_settings() -> None:
    """wrk runs up to a tenth of a second longer than it was asked to; without a load there are none."""
    figures = {"threads": 10, "connections": 200, "duration_us": 10_041_312, "requests": 9}
    assert settings_of_load(figures) == {THREADS: "10", CONNECTIONS: "200", DURATION: "10"}
    assert settings_of_load({}) == {}


def test_a_cell_carries_them_behind_its_factors(tmp_path: Path) -> None:
    """Each of them is a change: the documented load is the experiment's own."""
    scenario = load(tmp_path)
    cell = Cell.of(scenario, "lamp", {DURATION: "1", "WORKERS": "1", THREADS: "2", "RELEASE": "1.0"})
    assert cell.changes == (("WORKERS", "1"), (THREADS, "2"), (DURATION, "1"))
    assert cell.words == "WORKERS=1 LOAD_THREADS=2 LOAD_DURATION=1"


def test_a_run_takes_them_as_factors_of_its_own(tmp_path: Path) -> None:
    """Only where the experiment may put load on its stack, and only whole numbers."""
    scenario = load(tmp_path / "a")
    plan = make_plan(scenario, RunOptions("blink", settings={CONNECTIONS: "20"}))
    assert plan.variants[0].changes == {CONNECTIONS: "20"}
    for value in ("0", "-1", "x", "1.5", ""):
        with pytest.raises(UsageError, match=r"LOAD_CONNECTIONS is .*\n.*a whole number from 1"):
            make_plan(scenario, RunOptions("blink", settings={CONNECTIONS: value}))
    with pytest.raises(UsageError, match=r"no factor LOAD_CONECTIONS \(did you mean LOAD_CONNECTIONS\?\)"):
        make_plan(scenario, RunOptions("blink", settings={"LOAD_CONECTIONS": "1"}))
    waiting = load(tmp_path / "b", lamp=EXPERIMENT + "PARALLEL = True\n")
    with pytest.raises(UsageError, match="blink has no factor LOAD_CONNECTIONS"):
        make_plan(waiting, RunOptions("blink", settings={CONNECTIONS: "20"}))


def test_a_scenario_cannot_have_a_factor_of_that_name(tmp_path: Path) -> None:
    """The two could not be told apart."""
    with pytest.raises(UsageError, match="LOAD_THREADS is the lab's own name for the load"):
        load(tmp_path, compose=COMPOSE + "      LOAD: ${LOAD_THREADS:-2}\n")


class Wrk:
    """Keeps its options; its load ends at once."""

    seen: dict[str, Any]
    duration = timeout = 1.0

    def __init__(self, **options: Any) -> None:
        Wrk.seen = options

    def command(self, url: str) -> tuple[str, ...]:
        return ("wrk", url)

    def parse(self, *output: Any) -> Any:
        return SimpleNamespace(to_json=lambda: {"threads": Wrk.seen["threads"]})


def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **factors: str) -> Stack:
    """A stack whose wrk is the one above."""
    moment = "2026-11-21T09:12:00.000000001Z"
    container: Any = SimpleNamespace(
        wait=lambda timeout: {"StatusCode": 0},
        logs=lambda **streams: b"",
        reload=lambda: None,
        attrs={"State": {"StartedAt": moment, "FinishedAt": moment}},
    )
    monkeypatch.setattr(stack_load, "Wrk", Wrk)
    monkeypatch.setattr(stack_load, "remove_container", lambda container: None)
    unused: Any = None
    model = {"name": "p", "services": {"blink-app": {}}}
    made = Stack("blink", model, tmp_path / "c", unused, (), TrialDirectory(tmp_path), {}, factors)
    monkeypatch.setattr(made, "_start_wrk", lambda command, role: container)
    return made


def test_they_replace_the_numbers_of_the_experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not set stays as the experiment calls it; other options too."""
    made = stack(tmp_path, monkeypatch, **{THREADS: "1", CONNECTIONS: "2", "WORKERS": "5"})
    made.wrk("/", threads=10, connections=200, duration=7, port=80, method="POST")
    assert {name: Wrk.seen[name] for name in ("threads", "connections", "duration", "method")} == {
        "threads": 1,
        "connections": 2,
        "duration": 7,
        "method": "POST",
    }
    made.check_load_settings()


def test_a_setting_without_an_effect_makes_the_trial_invalid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The experiment has started no wrk, so the trial is of no smaller load."""
    with pytest.raises(InvalidTrial, match="LOAD_CONNECTIONS: this experiment puts no load on its stack with wrk"):
        stack(tmp_path, monkeypatch, **{CONNECTIONS: "2"}).check_load_settings()
    stack(tmp_path, monkeypatch, WORKERS="2").check_load_settings()


def test_a_trial_whose_load_settings_had_no_effect_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runner looks after the drive: the record has the settings, and the reason why it is invalid."""
    for name in ("watching", "failure_kept", "undisturbed"):
        monkeypatch.setattr(runner_module, name, lambda *arguments: nullcontext())
    scenario = load(tmp_path)
    variant = PlannedVariant(scenario.experiments["lamp"], "custom", {CONNECTIONS: "2"}, 1)
    unused: Any = SimpleNamespace()
    run = RunDirectory(tmp_path / "results/blink/1")
    runner = Runner(Plan(scenario, (variant,)), run, unused, unused, Policy.AUTO, RunObserver())
    made = stack(tmp_path, monkeypatch, **{CONNECTIONS: "2"})
    for name in ("up", "down"):
        monkeypatch.setattr(made, name, lambda: None)
    monkeypatch.setattr(runner, "_stack", lambda prepared, evidence: made)
    monkeypatch.setattr(runner, "_capture", lambda stack, quietly: None)
    monkeypatch.setattr(runner, "_load_lock", lambda experiment: nullcontext())
    record = runner.trial(Prepared(variant, {"services": {}}), 1)
    assert record.invalid.startswith("LOAD_CONNECTIONS: this experiment puts no load")
    assert record.factors == {CONNECTIONS: "2"}
