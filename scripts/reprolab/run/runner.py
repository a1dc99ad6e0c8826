"""Runs a plan: every trial on a fresh stack, its evidence on disk before anything is torn down."""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
import traceback
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import gettempdir
from threading import Lock
from typing import Any

import docker
import requests
from docker.errors import DockerException

from reprolab.baseimage.resolve import Base, Policy
from reprolab.core.command_text import command, option
from reprolab.core.error_place import directory_of, place
from reprolab.core.errors import BuildError, EngineError, InvalidTrial, LabError
from reprolab.core.locks import file_lock
from reprolab.engine import labels
from reprolab.engine.detect import Engine, compose_command
from reprolab.engine.failures import guarded, raise_if_engine_gone
from reprolab.evidence.run_dir import RunDirectory, TrialDirectory
from reprolab.evidence.run_info import BuiltImage
from reprolab.run.observer import RunObserver
from reprolab.run.plan import Plan, PlannedVariant
from reprolab.scenario.model import DOCUMENTED, Experiment, Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.stack.builds import Builder
from reprolab.stack.compose import Model
from reprolab.stack.images import describe
from reprolab.stack.prepare import StackPreparer, StackRequest
from reprolab.stack.stack import Stack

STAGES = ("set-up", "build", "up", "drive", "evidence", "down")
LOCK = "reprolab-load-{}.lock"


@dataclass(frozen=True)
class Prepared:
    """A variant with its resolved model; once its images are there, what is in them, or why it cannot run."""

    variant: PlannedVariant
    model: Model
    invalid: str = ""
    images: Mapping[str, BuiltImage] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """A name for the variant in messages about a scenario of several experiments."""
        return f"{self.variant.experiment.name}/{self.variant.name}"


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
    observer: RunObserver
    watch: Stopwatch = field(default_factory=Stopwatch)
    bases: dict[str, Base] = field(default_factory=dict)
    ready: dict[str, Prepared] = field(default_factory=dict)
    _stacks: list[Stack] = field(default_factory=list)
    _mistakes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._builder = Builder(self.client, (), self.run.path / "builds", self.observer.progress)

    @property
    def scenario(self) -> Scenario:
        """The scenario that runs."""
        return self.plan.scenario

    def prepare(self) -> list[Prepared]:
        """Resolve every variant's stack and base images and begin to build; returns before the builds end."""
        compose = compose_command(self.engine)
        preparer = StackPreparer(self.engine, self.client, self.policy, self.observer.progress)
        requests = [StackRequest(variant.changes, variant.experiment) for variant in self.plan.variants]
        with self.watch.stage("set-up"):
            models = preparer.models(self.scenario, requests, labels.own(self.scenario.name, self.run.name))
        self.bases = preparer.bases
        prepared = [Prepared(*pair) for pair in zip(self.plan.variants, models, strict=True)]
        cache = self.run.path.parents[1] / ".cache" / "packages"
        self._builder = Builder(
            self.client,
            compose,
            self.run.path / "builds",
            self.observer.progress,
            shown="builds",
            describe=lambda tag: describe(self.client, tag, cache),
        )
        # The documented stack first: where it cannot be built, nothing else is worth building.
        first = sorted(prepared, key=lambda one: one.variant.name != DOCUMENTED)
        self._builder.start({one.key: one.model for one in first})
        return prepared

    def built(self, prepared: Prepared) -> Prepared:
        """Wait for a variant's images."""
        try:
            self.ready[prepared.key] = replace(prepared, images=self._builder.wait(prepared.model))
            return self.ready[prepared.key]
        except BuildError as error:
            return replace(prepared, invalid=f"image build failed: {error}")
        finally:
            self.watch.seconds["build"] = self._builder.seconds

    def built_all(self, prepared: list[Prepared]) -> list[Prepared]:
        """Wait for all variants' images."""
        try:
            return [self.built(one) for one in prepared]
        finally:
            self._builder.stop()

    def execute(self, prepared: list[Prepared]) -> list[Prepared]:
        """Run all trials; returns the variants with their images.

        Experiments without load run first and side by side, each variant as soon as its images are there; those that
        put load on a stack begin when all is built, one trial at a time.
        """
        try:
            documented = self._documented(prepared)
            together = [one for one in prepared if self.plan.jobs > 1 and one.variant.experiment.parallel]
            done = documented | {one.key: one for one in self._side_by_side(together)}
            done |= {one.key: self.built(one) for one in prepared if one.key not in done}
            for one in [done[one.key] for one in prepared if one not in together]:
                for number in range(1, one.variant.trials + 1):
                    self.finish(self.trial(one, number))
            return [done[one.key] for one in prepared]
        finally:
            self._builder.stop()

    def _documented(self, prepared: list[Prepared]) -> dict[str, Prepared]:
        """The documented variants, built; raises BuildError where none of them can be."""
        done = {one.key: self.built(one) for one in prepared if one.variant.name == DOCUMENTED}
        if done and all(one.invalid for one in done.values()) and not self.plan.keep_going:
            reason = next(iter(done.values())).invalid.splitlines()[0].rstrip(":")
            raise BuildError(
                f"the documented stack cannot be built, so no variant has anything to stand beside: {reason}",
                expected="images of the documented variant; the message above gives the lines of the log that say why",
                advice=f"mend the build (`{command('pins', 'pins')}` asks for every pin), or run the others "
                f"all the same: {option('keep-going')}",
            )
        return done

    def _side_by_side(self, waiting: list[Prepared]) -> list[Prepared]:
        pool = ThreadPoolExecutor(self.plan.jobs)
        ready: list[Prepared] = []
        trials: set[Future[TrialRecord]] = set()
        try:
            while waiting or trials:
                now = [one for one in waiting if not self._builder.pending(one.model)]
                waiting = [one for one in waiting if one not in now]
                for one in map(self.built, now):
                    ready.append(one)
                    trials |= {pool.submit(self.trial, one, n) for n in range(1, one.variant.trials + 1)}
                    self._builder.gentle = True
                awaited: set[Future[Any]] = {build for one in waiting for build in self._builder.pending(one.model)}
                wait(awaited | trials, return_when=FIRST_COMPLETED)
                for trial in [one for one in trials if one.done()]:
                    trials.remove(trial)
                    self.finish(trial.result())
        except BaseException:
            # An interrupt must not wait for trials that last: without their containers they end at once.
            pool.shutdown(wait=False, cancel_futures=True)
            self.end_stacks()
            raise
        finally:
            pool.shutdown(wait=True)
        # No trial runs beside the builds that are left.
        self._builder.gentle = False
        return ready

    def stop_builds(self) -> None:
        """End the builds that run: whatever ends the run, none may outlast it."""
        self._builder.stop()

    def end_stacks(self) -> None:
        """Remove the containers of all trials that run: whoever works with them meets an error and ends."""
        with suppress(DockerException, requests.RequestException):
            for stack in list(self._stacks):
                stack.remove_containers()

    def finish(self, record: TrialRecord) -> None:
        """Write a trial down."""
        self.run.append(record)
        self.observer.trial_ends(record)

    def trial(self, prepared: Prepared, number: int) -> TrialRecord:
        """One trial from up to down. An InvalidTrial becomes its reason; a LabError ends the run."""
        variant = prepared.variant
        self.observer.trial_begins(variant.name, number)
        evidence = self.run.trial(variant.experiment.name, variant.name, number)
        seconds: dict[str, float] = {}
        observation: dict[str, Any] = {}
        invalid = prepared.invalid or self._mistakes.get(prepared.key, "")
        if not invalid:
            try:
                with self._load_lock(variant.experiment):
                    observation = self._on_stack(prepared, evidence, seconds)
            except Mistake as error:
                invalid = str(error)
                self._mistakes[prepared.key] = f"not run, since in another trial {error}"
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
                    driven = guarded(lambda: self._drive(experiment, stack, evidence), self.client)
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

    def _drive(self, experiment: Experiment, stack: Stack, evidence: TrialDirectory) -> dict[str, Any]:
        with self.observer.driving(stack):
            return drive(experiment, stack, evidence)

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

    def _load_lock(self, experiment: Experiment) -> AbstractContextManager[None]:
        """The machine-wide lock that is held while load is measured, so that two runs do not disturb each other."""
        if experiment.parallel:
            return nullcontext()
        return file_lock(Path(gettempdir(), LOCK.format(os.getuid())), self._waits_for_load)

    def _waits_for_load(self, holder: str) -> None:
        other = f"another run (process {holder or 'that has just begun'})"
        self.observer.progress(f"{other} measures load on this machine: waiting for its trial to end")


class Mistake(InvalidTrial):
    """An experiment's own code is wrong: more trials of the variant would only say so again."""


# What a wrong name or a wrong call raises. Anything else may come from what a server answered in one trial.
MISTAKES = (AttributeError, ImportError, NameError, NotImplementedError, TypeError)


def _failed(what: str, error: Exception, experiment: Experiment) -> InvalidTrial:
    """The reason of a trial whose drive() or observe() raised, with the last line of the scenario's own files."""
    where = place(error, directory_of(experiment.drive))
    # None is what a search in one trial's answer or log gave.
    kind = Mistake if isinstance(error, MISTAKES) and "'NoneType'" not in str(error) else InvalidTrial
    return kind(f"{what} failed: {type(error).__name__}: {error}" + (f" ({where})" if where else ""))


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
        raise _failed("drive()", error, experiment) from error


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
        raise _failed("observe()", error, experiment) from error


def plain(found: Any) -> dict[str, Any]:
    """What an experiment returned, if trials.jsonl can hold it; raises TypeError or ValueError where it cannot."""
    if not isinstance(found, dict):
        raise TypeError(f"it returned {found!r}, not a dict")
    json.dumps(found)
    return found
