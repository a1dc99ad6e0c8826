"""Runs a plan: every trial on a fresh stack, its evidence on disk before anything is torn down."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import sys
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import gettempdir
from threading import Lock
from typing import Any

import docker
import requests
from docker.errors import DockerException

from reprolab import labels
from reprolab.bases import Base, Policy
from reprolab.composefile import Model, adopt, resolve
from reprolab.engine import Engine, compose_command
from reprolab.errors import BuildError, EngineError, InvalidTrial, LabError
from reprolab.evidence import RunDirectory, TrialDirectory
from reprolab.images import bases_of, build_missing, describe, references
from reprolab.judge import TrialRecord
from reprolab.scenario import Experiment, Scenario
from reprolab.stack import Stack, guarded, raise_if_engine_gone

STAGES = ("set-up", "build", "up", "drive", "evidence", "down")
LOCK = "reprolab-load-{}.lock"


@dataclass(frozen=True)
class PlannedVariant:
    """One variant to run, ``trials`` times, with its factors (only those that differ)."""

    experiment: Experiment
    name: str
    changes: Mapping[str, str]
    trials: int


@dataclass(frozen=True)
class Plan:
    """What a run is going to do."""

    scenario: Scenario
    variants: tuple[PlannedVariant, ...]
    jobs: int = 1

    @property
    def trials(self) -> int:
        """How many trials there are in all."""
        return sum(variant.trials for variant in self.variants)


@dataclass(frozen=True)
class Prepared:
    """A variant whose images are there: its model, or the reason why it cannot run."""

    variant: PlannedVariant
    model: Model
    invalid: str = ""
    images: Mapping[str, Any] = field(default_factory=dict)


class Stopwatch:
    """Seconds spent in each stage, over a whole run."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._lock = Lock()

    @contextmanager
    def stage(self, name: str, also: dict[str, float] | None = None) -> Iterator[None]:
        """Count the block's wall-clock time towards a stage, and into ``also`` where given."""
        begun = time.monotonic()
        try:
            yield
        finally:
            spent = time.monotonic() - begun
            with self._lock:
                self.seconds[name] += spent
            if also is not None:
                also[name] = round(also.get(name, 0.0) + spent, 3)

    def line(self) -> str:
        """One line that says where the time went."""
        return " · ".join(f"{name} {self.seconds[name]:.1f} s" for name in STAGES)


@dataclass
class Runner:
    """One run in the making."""

    plan: Plan
    run: RunDirectory
    engine: Engine
    client: docker.DockerClient
    policy: Policy
    say: Callable[[str], None]
    on_trial: Callable[[TrialRecord], None]
    on_begin: Callable[[str, int], None]
    watch: Stopwatch = field(default_factory=Stopwatch)
    bases: dict[str, Base] = field(default_factory=dict)
    _stacks: list[Stack] = field(default_factory=list)

    @property
    def scenario(self) -> Scenario:
        """The scenario that runs."""
        return self.plan.scenario

    def prepare(self) -> list[Prepared]:
        """Resolve every variant's stack, base images and builds before the first trial starts."""
        compose = compose_command(self.engine)
        models = [resolve(self.scenario, variant.changes, compose) for variant in self.plan.variants]
        with self.watch.stage("set-up"):
            self.bases = bases_of(models, self.client, self.say, self.policy)
        with self.watch.stage("build"):
            return [self._build(variant, model) for variant, model in zip(self.plan.variants, models, strict=True)]

    def _build(self, variant: PlannedVariant, model: Model) -> Prepared:
        owner = labels.own(self.scenario.name, self.run.name)
        own = adopt(model, self.scenario, "reprolab-build", owner, references(self.bases))
        workspace = self.run.path / "builds" / f"{variant.experiment.name}-{variant.name}"
        try:
            log = build_missing(own, self.client, compose_command(self.engine), workspace, self.say)
        except BuildError as error:
            TrialDirectory(workspace).write_text("build.log", str(error))
            self.say(f"{variant.name}: its image cannot be built; its trials are invalid")
            return Prepared(variant, own, invalid=f"image build failed: {error}")
        if log:
            TrialDirectory(workspace).write_text("build.log", log)
        cache = self.run.path.parents[1] / ".cache" / "packages"
        images = {
            name: {"reference": service["image"], **describe(self.client, service["image"], cache)}
            for name, service in own["services"].items()
        }
        return Prepared(variant, own, images=images)

    def execute(self, prepared: list[Prepared]) -> None:
        """Run all trials; experiments that put load on a stack run strictly one at a time, after the others."""
        jobs = [(item, number) for item in prepared for number in range(1, item.variant.trials + 1)]
        together = [job for job in jobs if self.plan.jobs > 1 and job[0].variant.experiment.parallel]
        self._side_by_side(together)
        for item, number in jobs:
            if (item, number) not in together:
                self._finish(self.trial(item, number))

    def _side_by_side(self, jobs: list[tuple[Prepared, int]]) -> None:
        pool = ThreadPoolExecutor(self.plan.jobs)
        try:
            for done in as_completed([pool.submit(self.trial, *job) for job in jobs]):
                self._finish(done.result())
        except BaseException:
            # An interrupt must not wait for trials that last: without their containers they end at once.
            pool.shutdown(wait=False, cancel_futures=True)
            self.end_stacks()
            raise
        finally:
            pool.shutdown(wait=True)

    def end_stacks(self) -> None:
        """Remove the containers of all trials that run: whoever works with them meets an error and ends."""
        with suppress(DockerException, requests.RequestException):
            for stack in list(self._stacks):
                stack.remove_containers()

    def _finish(self, record: TrialRecord) -> None:
        self.run.append(record)
        self.on_trial(record)

    def trial(self, prepared: Prepared, number: int) -> TrialRecord:
        """One trial from up to down. An InvalidTrial becomes its reason; a LabError ends the run."""
        variant = prepared.variant
        self.on_begin(variant.name, number)
        evidence = self.run.trial(variant.experiment.name, variant.name, number)
        seconds: dict[str, float] = {}
        observation: dict[str, Any] = {}
        invalid = prepared.invalid
        if not invalid:
            try:
                with self._alone(variant.experiment):
                    observation = self._on_stack(prepared, evidence, seconds)
            except InvalidTrial as error:
                invalid = str(error) or "no reason was given"
        return TrialRecord(
            variant.experiment.name,
            variant.name,
            number,
            dict(variant.changes),
            observation,
            invalid,
            seconds,
        )

    def _on_stack(self, prepared: Prepared, evidence: TrialDirectory, seconds: dict[str, float]) -> dict[str, Any]:
        stack = self._stack(prepared, evidence)
        self._stacks.append(stack)
        experiment = prepared.variant.experiment
        try:
            try:
                with self.watch.stage("up", seconds):
                    guarded(stack.up, self.client)
                with self.watch.stage("drive", seconds):
                    driven = guarded(lambda: drive(experiment, stack, evidence), self.client)
            finally:
                # Whatever happened, what there is of it is kept before the stack goes.
                failing = isinstance(sys.exc_info()[1], (EngineError, KeyboardInterrupt, SystemExit))
                with self.watch.stage("evidence", seconds):
                    self._capture(stack, quietly=failing)
            with self.watch.stage("evidence", seconds):
                return observe(experiment, evidence, driven)
        finally:
            with self.watch.stage("down", seconds):
                self._down(stack)
            self._stacks.remove(stack)

    def _stack(self, prepared: Prepared, evidence: TrialDirectory) -> Stack:
        owner = labels.own(self.scenario.name, self.run.name)
        model = {
            **prepared.model,
            "name": f"reprolab-{self.scenario.name}-{secrets.token_hex(4)}",
        }
        factors = {**self.scenario.factors, **prepared.variant.changes}
        file = evidence.path / "compose.json"
        compose = compose_command(self.engine)
        return Stack(self.scenario.name, model, file, self.client, compose, evidence, owner, factors)

    def _capture(self, stack: Stack, *, quietly: bool) -> None:
        try:
            guarded(lambda: stack.capture(self.engine.docker), self.client)
        except (LabError, InvalidTrial):
            if not quietly:
                raise

    def _down(self, stack: Stack) -> None:
        already_failing = sys.exc_info()[0] is not None
        try:
            stack.down()
        except Exception as error:
            if not already_failing:
                raise EngineError(f"a stack could not be removed: {error}", advice="run `make clean`") from error

    @contextmanager
    def _alone(self, experiment: Experiment) -> Iterator[None]:
        """Hold the machine-wide lock while load is measured, so that two runs do not disturb each other."""
        if experiment.parallel:
            yield
            return
        with Path(gettempdir(), LOCK.format(os.getuid())).open("a+", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                holder = lock.read().strip() or "that has just begun"
                self.say(f"another run (process {holder}) measures load on this machine: waiting for its trial to end")
                fcntl.flock(lock, fcntl.LOCK_EX)
            lock.seek(0)
            lock.truncate()
            lock.write(str(os.getpid()))
            lock.flush()
            yield


def drive(experiment: Experiment, stack: Stack, evidence: TrialDirectory) -> dict[str, Any]:
    """Call the experiment's drive; a mistake in it makes the trial invalid and leaves its traceback behind."""
    try:
        driven = plain(experiment.drive(stack))
        evidence.write("driven.json", driven)
        return driven
    except (LabError, InvalidTrial):
        raise
    except Exception as error:
        evidence.write_text("drive-error.txt", traceback.format_exc())
        if type(error).__module__.startswith(("docker", "requests")):
            raise
        raise_if_engine_gone(stack.client)
        raise InvalidTrial(f"drive() failed: {type(error).__name__}: {error}") from error


def observe(experiment: Experiment, evidence: TrialDirectory, driven: dict[str, Any]) -> dict[str, Any]:
    """Add what the captured files tell; a mistake in reading them makes the trial invalid."""
    if experiment.observe is None:
        return driven
    try:
        return plain(experiment.observe(evidence, driven))
    except (LabError, InvalidTrial):
        raise
    except Exception as error:
        evidence.write_text("observe-error.txt", traceback.format_exc())
        raise InvalidTrial(f"observe() failed: {type(error).__name__}: {error}") from error


def plain(found: Any) -> dict[str, Any]:
    """What an experiment returned, if trials.jsonl can hold it; raises TypeError or ValueError where it cannot."""
    if not isinstance(found, dict):
        raise TypeError(f"it returned {found!r}, not a dict")
    json.dumps(found)
    return found
