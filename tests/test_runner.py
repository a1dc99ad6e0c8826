"""The order of builds and trials, and what ends a run early."""

from __future__ import annotations

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
from reprolab.core.errors import BuildError, InvalidTrial
from reprolab.evidence.run_dir import RunDirectory
from reprolab.run.observer import RunObserver
from reprolab.run.plan import Plan, PlannedVariant
from reprolab.run.runner import Mistake, Prepared, Runner
from reprolab.scenario.model import Experiment
from reprolab.scenario.trial import TrialRecord

STACK: Any = SimpleNamespace(client=SimpleNamespace(ping=lambda: True))


class Builder:
    """Images that are there, but for those of the variants in ``broken``."""

    gentle = False
    seconds = 1.0

    def __init__(self, *broken: str) -> None:
        self.broken, self.stopped = broken, False

    def wait(self, model: dict[str, Any]) -> dict[str, Any]:
        """What is in the model's images."""
        if model["name"] in self.broken:
            raise BuildError("the image app:1 did not build: E: no such version")
        return {"app": {"id": model["name"]}}

    def pending(self, model: dict[str, Any]) -> list[Future[Any]]:
        """All builds have ended."""
        return []

    def stop(self) -> None:
        """Noted."""
        self.stopped = True


class Noting(RunObserver):
    """Keeps the records of the trials that ended."""

    def __init__(self, records: list[TrialRecord]) -> None:
        self.records = records

    def trial_ends(self, record: TrialRecord) -> None:
        """Kept."""
        self.records.append(record)


class Made(Runner):
    """A runner whose stacks are played."""

    drives: Any = staticmethod(lambda stack: {"blinked": True})
    driven: list[str]

    def _on_stack(self, prepared: Prepared, evidence: Any, seconds: dict[str, float]) -> dict[str, Any]:
        self.driven.append(prepared.variant.name)
        experiment = replace(prepared.variant.experiment, drive=self.drives)
        return self._drive(experiment, STACK, evidence)


def make(tmp_path: Path, builder: Builder, *, jobs: int = 1, keep_going: bool = False, trials: int = 3) -> Any:
    """A runner of the small scenario, its variants and the records it gives out."""
    found = load(tmp_path)
    experiment: Experiment = replace(found.experiments["lamp"], parallel=jobs > 1)
    variants = tuple(PlannedVariant(experiment, name, {}, trials) for name in experiment.variants)
    records: list[TrialRecord] = []
    run = RunDirectory(tmp_path / "results/blink/1")
    run.path.mkdir(parents=True)
    plan = Plan(found, variants, jobs, keep_going)
    unused: Any = None
    made = Made(plan, run, unused, unused, Policy.AUTO, Noting(records))
    made.driven = []
    made._builder = builder  # type: ignore[assignment]
    return made, [Prepared(variant, {"name": variant.name, "services": {}}) for variant in variants], records


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_variant_that_cannot_be_built_is_invalid_and_the_others_run(tmp_path: Path, jobs: int) -> None:
    """Each of its trials says why; what is in the others' images is noted."""
    made, prepared, records = make(tmp_path, Builder("old"), jobs=jobs)
    done = made.execute(prepared)
    assert sorted(made.driven) == ["documented"] * 3
    assert [bool(record.invalid) for record in sorted(records, key=lambda one: one.variant)] == [False] * 3 + [True] * 3
    assert all("no such version" in record.invalid for record in records if record.variant == "old")
    assert [one.variant.name for one in done] == ["documented", "old"]
    assert done[0].images == {"app": {"id": "documented"}} and done[1].invalid


@pytest.mark.parametrize("jobs", [1, 2])
def test_without_the_documented_stack_the_run_ends_at_once(tmp_path: Path, jobs: int) -> None:
    """Nothing would stand beside the others: no trial runs, no further build begins."""
    builder = Builder("documented")
    made, prepared, records = make(tmp_path, builder, jobs=jobs)
    with pytest.raises(BuildError, match=r"the documented stack cannot be built.*no such version") as caught:
        made.execute(prepared)
    assert caught.value.exit_status == 4 and "--keep-going" in str(caught.value)
    assert made.driven == [] and records == [] and builder.stopped


def test_an_experiment_that_can_be_built_runs_beside_one_that_cannot(tmp_path: Path) -> None:
    """A browser that cannot be had must not stop the experiments that need none."""
    made, prepared, _ = make(tmp_path, Builder("documented"))
    other = replace(prepared[0].variant, experiment=replace(prepared[0].variant.experiment, name="quiet"))
    quiet = Prepared(other, {"name": "quiet", "services": {}})
    done = made.execute([*prepared, quiet])
    assert [bool(one.invalid) for one in done] == [True, False, False]
    assert sorted(made.driven) == ["documented"] * 3 + ["old"] * 3


def test_told_to_keep_going_the_others_run(tmp_path: Path) -> None:
    """They may still be of use: KEEP_GOING=1."""
    made, prepared, records = make(tmp_path, Builder("documented"), keep_going=True)
    made.execute(prepared)
    assert made.driven == ["old"] * 3
    assert {record.variant for record in records if record.invalid} == {"documented"}


def test_a_mistake_in_drive_stops_the_variant(tmp_path: Path) -> None:
    """A name that does not exist will not exist in the next trial either; file and line are named."""
    made, prepared, records = make(tmp_path, Builder())

    def drive(stack: Any) -> dict[str, Any]:
        return stack.wkr("/")  # type: ignore[no-any-return]

    made.drives = drive
    experiment = replace(prepared[0].variant.experiment, drive=drive)
    made.execute([replace(one, variant=replace(one.variant, experiment=experiment)) for one in prepared])
    assert made.driven == ["documented", "old"], "one trial of each variant, not all"
    assert len(records) == 6
    first, second, _ = (record.invalid for record in records if record.variant == "old")
    assert first.startswith("drive() failed: AttributeError: 'types.SimpleNamespace' object has no attribute 'wkr'")
    line = drive.__code__.co_firstlineno + 1
    assert f"(test_runner.py, line {line})" in first
    assert second.startswith("not run, since in another trial drive() failed: AttributeError")


def test_what_a_server_answered_in_one_trial_stops_nothing(tmp_path: Path) -> None:
    """A KeyError or ValueError may be of one answer: the next trial runs."""
    made, prepared, records = make(tmp_path, Builder())
    made.drives = lambda stack: {}["pid"]
    made.execute(prepared)
    assert len(made.driven) == 6
    assert all("drive() failed: KeyError: 'pid'" in record.invalid for record in records)


def test_what_was_not_found_in_one_trial_stops_nothing(tmp_path: Path) -> None:
    """None.group() is an AttributeError, and says that one answer lacked what was searched for."""
    made, prepared, records = make(tmp_path, Builder())
    nothing: Any = None
    made.drives = lambda stack: nothing.group(1)
    made.execute(prepared)
    assert len(made.driven) == 6
    assert all("drive() failed: AttributeError" in record.invalid for record in records)


def test_images_are_known_as_soon_as_they_are_there(tmp_path: Path) -> None:
    """A run that is interrupted tells what its trials ran in."""
    made, prepared, _ = make(tmp_path, Builder("old"))

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    made.observer.trial_ends = interrupted
    with pytest.raises(KeyboardInterrupt):
        made.execute(prepared)
    assert [one.images for one in made.ready.values()] == [{"app": {"id": "documented"}}]


def test_two_builds_at_a_time_again_once_no_trial_runs(tmp_path: Path) -> None:
    """What load needs may be left to build after the trials side by side."""
    builder = Builder()
    made, prepared, _ = make(tmp_path, builder, jobs=2)
    made.execute(prepared)
    assert not builder.gentle


def test_an_observer_is_there_while_drive_runs(tmp_path: Path) -> None:
    """It gets the stack; what it raises ends the trial, and nothing is driven."""
    made, prepared, records = make(tmp_path, Builder(), trials=1)
    seen: list[str] = []

    @contextmanager
    def driving(stack: Any) -> Iterator[None]:
        assert stack is STACK
        seen.append("begins")
        yield
        seen.append("ends")

    made.drives = lambda stack: seen.append("drives") or {}
    made.observer.driving = driving
    made.execute(prepared[:1])
    assert seen == ["begins", "drives", "ends"] and records[0].valid

    def leaves(stack: Any) -> NoReturn:
        raise InvalidTrial("the audience has left")

    made.observer.driving = leaves
    made.execute(prepared[:1])
    assert len(seen) == 3 and records[1].invalid == "the audience has left"


def test_a_mistake_is_an_invalid_trial() -> None:
    """Whoever handles the one handles the other."""
    assert issubclass(Mistake, InvalidTrial)
