"""The order of builds and trials, and the errors that end a run early."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from cases import load
from reprolab.baseimage.resolve import Policy
from reprolab.core import files
from reprolab.core.errors import BaseImageError, BuildError, InvalidTrial, LabError
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import RunInfo
from reprolab.run import runner as runner_module
from reprolab.run.observer import RunObserver
from reprolab.run.plan import Plan, PlannedVariant
from reprolab.run.runner import Mistake, Prepared, Runner
from reprolab.scenario.model import Experiment
from reprolab.scenario.trial import TrialRecord

STACK: Any = SimpleNamespace(client=SimpleNamespace(ping=lambda: True))


class Builder:
    """A builder whose builds have ended; those of the variants in ``broken`` failed."""

    gentle = False
    seconds = 1.0

    def __init__(self, *broken: str) -> None:
        self.broken, self.stopped = broken, False

    def wait(self, model: dict[str, Any]) -> dict[str, Any]:
        if model["name"] in self.broken:
            raise BuildError("the image app:1 did not build: E: no such version")
        return {"app": {"id": model["name"]}}

    def pending(self, model: dict[str, Any]) -> list[Future[Any]]:
        return []

    def stop(self) -> None:
        self.stopped = True


class RecordKeeper(RunObserver):
    """Keeps the records of the trials that ended."""

    def __init__(self, records: list[TrialRecord]) -> None:
        self.records = records

    def trial_ends(self, record: TrialRecord) -> None:
        self.records.append(record)


class FakeStackRunner(Runner):
    """A runner that calls drive without a stack."""

    drives: Any = staticmethod(lambda stack: {"blinked": True})
    driven: list[str]

    def _on_stack(self, prepared: Prepared, evidence: Any, seconds: dict[str, float]) -> dict[str, Any]:
        self.driven.append(prepared.variant.name)
        experiment = replace(prepared.variant.experiment, drive=self.drives)
        return self._drive(experiment, STACK, evidence)


def make(tmp_path: Path, builder: Builder, *, jobs: int = 1, keep_going: bool = False, trials: int = 3) -> Any:
    """A runner of the small scenario, its prepared variants, and the records of its trials."""
    scenario = load(tmp_path)
    experiment: Experiment = replace(scenario.experiments["lamp"], parallel=jobs > 1)
    variants = tuple(PlannedVariant(experiment, name, {}, trials) for name in experiment.variants)
    records: list[TrialRecord] = []
    run = RunDirectory(tmp_path / "results/blink/1")
    run.write_info(RunInfo("blink", status="running"))
    plan = Plan(scenario, variants, jobs, keep_going)
    unused: Any = None
    runner = FakeStackRunner(plan, run, unused, unused, Policy.AUTO, RecordKeeper(records))
    runner.driven = []
    runner._builder = builder  # type: ignore[assignment]
    return runner, [Prepared(variant, {"name": variant.name, "services": {}}) for variant in variants], records


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_variant_that_cannot_be_built_is_invalid_and_the_others_run(tmp_path: Path, jobs: int) -> None:
    """Each of its trials has the reason; the images of the other variants are kept."""
    runner, prepared, records = make(tmp_path, Builder("old"), jobs=jobs)
    done = runner.execute(prepared)
    assert sorted(runner.driven) == ["documented"] * 3
    assert [bool(record.invalid) for record in sorted(records, key=lambda record: record.variant)] == [False] * 3 + [
        True
    ] * 3
    assert all("no such version" in record.invalid for record in records if record.variant == "old")
    assert [item.variant.name for item in done] == ["documented", "old"]
    assert done[0].images == {"app": {"id": "documented"}} and done[1].invalid


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_trial_that_must_not_be_kept_ends_the_run(tmp_path: Path, jobs: int) -> None:
    """It has no record: whoever started the runner has found that it is of no known stack."""

    def refuses() -> None:
        raise LabError("the files of the case were changed")

    runner, prepared, records = make(tmp_path, Builder(), jobs=jobs)
    runner.before_keeping = refuses
    with pytest.raises(LabError, match="were changed"):
        runner.execute(prepared)
    assert (runner.run.trials(), records) == ([], [])


@pytest.mark.parametrize("jobs", [1, 2])
def test_without_the_documented_stack_the_run_ends_at_once(tmp_path: Path, jobs: int) -> None:
    """No trial runs, and no other build starts."""
    builder = Builder("documented")
    runner, prepared, records = make(tmp_path, builder, jobs=jobs)
    with pytest.raises(BuildError, match=r"the documented stack cannot be built.*no such version") as caught:
        runner.execute(prepared)
    assert caught.value.exit_status == 4 and "--keep-going" in str(caught.value)
    assert runner.driven == [] and records == [] and builder.stopped


def test_a_base_image_that_cannot_be_had_is_no_matter_of_pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The advice is about the registry."""

    def wait(self: Builder, model: dict[str, Any]) -> dict[str, Any]:
        raise BuildError('the image app:1 did not build:\nERROR: failed to do request: Head "https://r.example/v2/"')

    monkeypatch.setattr(Builder, "wait", wait)
    runner, prepared, _ = make(tmp_path, Builder("documented"))
    with pytest.raises(BuildError) as caught:
        runner.execute(prepared)
    assert "let the engine reach the registry" in caught.value.advice and "pins" not in caught.value.advice


def test_an_experiment_runs_although_another_cannot_be_built(tmp_path: Path) -> None:
    """A browser without an image must not stop the experiments that need none."""
    runner, prepared, _ = make(tmp_path, Builder("documented"))
    other = replace(prepared[0].variant, experiment=replace(prepared[0].variant.experiment, name="quiet"))
    quiet = Prepared(other, {"name": "quiet", "services": {}})
    runner.plan = replace(runner.plan, variants=(*runner.plan.variants, other))
    done = runner.execute([*prepared, quiet])
    assert [bool(item.invalid) for item in done] == [True, False, False]
    assert sorted(runner.driven) == ["documented"] * 3 + ["old"] * 3


def test_with_keep_going_the_other_variants_run(tmp_path: Path) -> None:
    """KEEP_GOING=1 runs them although the documented stack cannot be built."""
    runner, prepared, records = make(tmp_path, Builder("documented"), keep_going=True)
    runner.execute(prepared)
    assert runner.driven == ["old"] * 3
    assert {record.variant for record in records if record.invalid} == {"documented"}


def test_a_mistake_in_drive_stops_the_variant(tmp_path: Path) -> None:
    """A wrong name would fail in every trial; the reason has the file and the line."""
    runner, prepared, records = make(tmp_path, Builder())

    def drive(stack: Any) -> dict[str, Any]:
        return stack.wkr("/")  # type: ignore[no-any-return]

    runner.drives = drive
    experiment = replace(prepared[0].variant.experiment, drive=drive)
    runner.execute([replace(item, variant=replace(item.variant, experiment=experiment)) for item in prepared])
    assert sorted(runner.driven) == ["documented", "old"], "one trial of each variant, not all"
    assert len(records) == 6
    first, second, _ = (record.invalid for record in records if record.variant == "old")
    assert first.startswith("drive() failed: AttributeError: 'types.SimpleNamespace' object has no attribute 'wkr'")
    line = drive.__code__.co_firstlineno + 1
    assert f"(test_runner.py, line {line})" in first
    assert second.startswith("not run, since in another trial drive() failed: AttributeError")


def test_an_error_from_one_response_does_not_stop_the_variant(tmp_path: Path) -> None:
    """A KeyError or ValueError may be caused by one response: the next trial runs."""
    runner, prepared, records = make(tmp_path, Builder())
    runner.drives = lambda stack: {}["pid"]
    runner.execute(prepared)
    assert len(runner.driven) == 6
    assert all("drive() failed: KeyError: 'pid'" in record.invalid for record in records)


def test_a_search_without_a_result_does_not_stop_the_variant(tmp_path: Path) -> None:
    """None.group() is an AttributeError, but it may be caused by one response."""
    runner, prepared, records = make(tmp_path, Builder())
    nothing: Any = None
    runner.drives = lambda stack: nothing.group(1)
    runner.execute(prepared)
    assert len(runner.driven) == 6
    assert all("drive() failed: AttributeError" in record.invalid for record in records)


def test_images_are_known_as_soon_as_they_are_built(tmp_path: Path) -> None:
    """An interrupted run knows the images of its trials."""
    runner, prepared, _ = make(tmp_path, Builder("old"))

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    runner.observer.trial_ends = interrupted
    with pytest.raises(KeyboardInterrupt):
        runner.execute(prepared)
    assert [item.images for item in runner.ready.values()] == [{"app": {"id": "documented"}}]


def test_two_builds_at_a_time_after_the_parallel_trials(tmp_path: Path) -> None:
    """The images for load may still have to be built."""
    builder = Builder()
    runner, prepared, _ = make(tmp_path, builder, jobs=2)
    runner.execute(prepared)
    assert not builder.gentle


@pytest.mark.parametrize("idle", [False, True])
def test_a_trial_that_needs_an_idle_machine_waits_for_all_builds(tmp_path: Path, idle: bool) -> None:
    """Beside a build it would not count. Any other trial begins when its own images are there."""
    build: Future[Any] = Future()

    class Building(Builder):
        def pending(self, model: dict[str, Any]) -> list[Future[Any]]:
            return [build] if model["name"] == "old" and not build.done() else []

    runner, prepared, records = make(tmp_path, Building(), jobs=2, trials=1)
    for item in prepared:
        claims = tuple(replace(claim, needs_idle=idle) for claim in item.variant.experiment.claims)
        object.__setattr__(item.variant, "experiment", replace(item.variant.experiment, claims=claims))
    documented, old = prepared
    assert runner._awaited(documented, [build]) == ([build] if idle else [])
    assert runner._awaited(old, [build]) == [build]
    build.set_result(None)
    runner.execute(prepared)
    assert len(records) == 2


def test_drive_runs_in_the_context_of_the_observer(tmp_path: Path) -> None:
    """The observer gets the stack; its InvalidTrial ends the trial before the drive."""
    runner, prepared, records = make(tmp_path, Builder(), trials=1)
    calls: list[str] = []

    @contextmanager
    def driving(stack: Any) -> Iterator[None]:
        assert stack is STACK
        calls.append("begins")
        yield
        calls.append("ends")

    runner.drives = lambda stack: calls.append("drives") or {}
    runner.observer.driving = driving
    runner.plan = replace(runner.plan, variants=runner.plan.variants[:1])
    runner.execute(prepared[:1])
    assert calls == ["begins", "drives", "ends"] and records[0].valid

    def leaves(stack: Any) -> NoReturn:
        raise InvalidTrial("the audience has left")

    runner.observer.driving = leaves
    runner.execute(prepared[:1])
    assert len(calls) == 3 and records[1].invalid == "the audience has left"


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_run_goes_in_rounds(tmp_path: Path, jobs: int) -> None:
    """Each round has one trial of every variant, with the number of the round; also where trials run side by side."""
    runner, prepared, records = make(tmp_path, Builder(), jobs=jobs)
    runner.execute(prepared)
    rounds = [records[at : at + 2] for at in (0, 2, 4)]
    assert [{(record.variant, record.trial) for record in part} for part in rounds] == [
        {("documented", number), ("old", number)} for number in (1, 2, 3)
    ]


def test_the_seed_gives_the_order(tmp_path: Path) -> None:
    """The same seed runs the trials in the same order; some other seed does not."""
    orders = []
    for at, seed in enumerate([1, 1, *range(2, 8)]):
        runner, prepared, _ = make(tmp_path / str(at), Builder())
        runner.plan = replace(runner.plan, seed=seed)
        runner.execute(prepared)
        orders.append(runner.driven)
    assert orders[0] == orders[1]
    assert any(order != orders[0] for order in orders)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_kill_after_the_first_round_leaves_a_verdict(tmp_path: Path, jobs: int) -> None:
    """The trials so far are judged after each round; the interrupt comes in the second one."""
    runner, prepared, records = make(tmp_path, Builder(), jobs=jobs)

    def drive(stack: Any) -> dict[str, Any]:
        if len(records) == 2:
            raise KeyboardInterrupt
        return {"blinked": True}

    runner.drives = drive
    with pytest.raises(KeyboardInterrupt):
        runner.execute(prepared)
    verdict = files.read_json(runner.run.path / "verdict.json")
    assert {name: row["trials"] for name, row in verdict["variants"].items()} == {"documented": 1, "old": 1}
    assert verdict["claims"][0]["verdict"] == "refuted"


def test_a_budget_leaves_trials_out(tmp_path: Path) -> None:
    """The first round used it; the saved plan has what ran."""
    runner, prepared, records = make(tmp_path, Builder())
    saved: list[Any] = []
    runner.plan = replace(runner.plan, budget=0.001)
    runner.started -= 1
    runner.on_rounds = lambda rounds, variants: saved.append((rounds, variants))
    runner.execute(prepared)
    assert len(records) == 2
    rounds, variants = saved[-1]
    assert rounds.ran == 1 and rounds.cut and [item.trials for item in variants] == [1, 1]


class SlowBuilder(Builder):
    """A builder whose image for ``late`` is not ready until a trial has run."""

    def __init__(self, late: str, driven: list[str]) -> None:
        super().__init__()
        self.late, self.driven, self.future = late, driven, Future[Any]()
        self.waited: list[str] = []

    def wait(self, model: dict[str, Any]) -> dict[str, Any]:
        self.waited.append(model["name"])
        return super().wait(model)

    def pending(self, model: dict[str, Any]) -> list[Future[Any]]:
        if self.driven:
            self.future.set_result(None) if not self.future.done() else None
        return [self.future] if model["name"] == self.late and not self.future.done() else []


def test_a_trial_without_load_waits_only_for_its_own_image(tmp_path: Path) -> None:
    """In the first round the documented variant runs while the other image is built."""
    runner, prepared, _ = make(tmp_path, Builder(), jobs=2)
    runner._builder = SlowBuilder("old", runner.driven)
    runner.execute(prepared)
    assert runner.driven[0] == "documented" and sorted(runner.driven) == ["documented"] * 3 + ["old"] * 3


def test_load_begins_after_all_builds(tmp_path: Path) -> None:
    """A build would disturb it; also that of a variant that comes last."""
    runner, prepared, _ = make(tmp_path, Builder())
    runner._builder = builder = SlowBuilder("", runner.driven)
    dim = replace(prepared[0].variant, name="dim", trials=1)
    runner.plan = replace(runner.plan, variants=(*runner.plan.variants, dim))
    waited: list[list[str]] = []
    runner.drives = lambda stack: waited.append(list(builder.waited)) or {"blinked": True}
    runner.execute([*prepared, Prepared(dim, {"name": "dim", "services": {}})])
    assert sorted(waited[0]) == ["dim", "documented", "old"] and runner.driven[-1] == "dim"


def test_a_mistake_is_an_invalid_trial() -> None:
    """Code that handles InvalidTrial handles Mistake too."""
    assert issubclass(Mistake, InvalidTrial)


def test_an_interrupt_keeps_the_trials_that_end_meanwhile(tmp_path: Path) -> None:
    """Side by side: each valid one once; one that the interrupt broke off is not there."""
    runner, prepared, records = make(tmp_path, Builder(), jobs=2, trials=1)
    both, interrupted = threading.Barrier(2), threading.Event()

    def drive(stack: Any) -> dict[str, Any]:
        both.wait(5)
        return {"blinked": True}

    def end_stacks() -> None:
        interrupted.set()

    runner.drives = drive
    runner.end_stacks = end_stacks
    on_stack = runner._on_stack

    def slow(item: Prepared, *rest: Any) -> dict[str, Any]:
        observation: dict[str, Any] = on_stack(item, *rest)
        interrupted.wait(5)
        if item.variant.name == "old":
            raise InvalidTrial("broken off")
        return observation

    def wait_interrupted(*_: Any, **__: Any) -> NoReturn:
        raise KeyboardInterrupt

    runner._on_stack = slow
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner_module, "wait", wait_interrupted)
        with pytest.raises(KeyboardInterrupt):
            runner.execute(prepared)
    assert [(record.variant, record.invalid) for record in records] == [("documented", "")]


def test_the_wait_for_the_load_of_another_run_is_told_once() -> None:
    """The terminal's moving line shows every wait; a line of its own has only the first."""
    told: list[str] = []
    waited: list[str] = []
    observer = RunObserver()
    observer.progress, observer.waits = told.append, waited.append  # type: ignore[method-assign]
    runner: Any = SimpleNamespace(observer=observer, _load_told=False)
    for _ in range(3):
        Runner._waits_for_load(runner, "another run of the lab measures load on this machine")
    assert len(told) == 1 and told[0].startswith("another run of the lab measures load")
    assert len(waited) == 3


def test_variants_without_a_base_image_lack_it_unless_all_are_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run ends there; a map or a bisect has a hole."""

    class Preparer:
        def __init__(self, *arguments: Any, **options: Any) -> None:
            self.bases: dict[str, Any] = {}

        def models(self, scenario: Any, requests: Any, owner: Any) -> list[Any]:
            raise BaseImageError("no base image")

        def models_or_reasons(self, scenario: Any, requests: Any, owner: Any) -> list[Any]:
            return [{"services": {}, "name": "any"}, "no base image"]

    runner, prepared, _ = make(tmp_path, Builder())
    monkeypatch.setattr(runner_module, "StackPreparer", Preparer)
    monkeypatch.setattr(runner_module.HostState, "of", lambda engine: None)
    monkeypatch.setattr(runner_module, "lacks", lambda scenario, changes, experiment, host: "")
    variants = [item.variant for item in prepared]
    assert [item.obstacle for item in runner.resolve(variants, all_needed=False)] == ["", "no base image"]
    with pytest.raises(BaseImageError):
        runner.resolve(variants)
