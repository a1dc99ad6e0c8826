"""Runs a plan: each trial on a new stack. The evidence of a trial is on disk before its stack is removed."""

from __future__ import annotations

import json
import re
import secrets
import sys
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

import docker
import requests
from docker.errors import DockerException

from reprolab.baseimage.resolve import Base, Policy
from reprolab.core import command_text, interrupts
from reprolab.core.command_text import command, option
from reprolab.core.error_place import directory_of, place
from reprolab.core.errors import BuildError, EngineError, InvalidTrial, LabError
from reprolab.core.locks import directory_lock, machine_directory
from reprolab.core.number_words import plural
from reprolab.engine import elsewhere, labels
from reprolab.engine.detect import Engine, compose_command
from reprolab.engine.failures import guarded, no_answer, raise_if_engine_gone
from reprolab.engine.requirements import HostState, lacks
from reprolab.evidence.run_dir import FAILURE, RunDirectory, TrialDirectory
from reprolab.evidence.run_info import WHOLE, BuiltImage
from reprolab.machine.load import busy_reason
from reprolab.machine.watch import watching
from reprolab.run.keep import Keeper
from reprolab.run.observer import RunObserver
from reprolab.run.plan import Plan, PlannedVariant
from reprolab.run.repeat import needs_idle
from reprolab.run.rounds import Step
from reprolab.run.schedule import OnRounds, Schedule
from reprolab.scenario.kernel_setting import kernel_of
from reprolab.scenario.model import APP_ROLE, DOCUMENTED, Experiment, Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.stack.builds import Builder
from reprolab.stack.compose import Model
from reprolab.stack.disturbances import undisturbed
from reprolab.stack.failure import failure_kept
from reprolab.stack.images import describe
from reprolab.stack.prepare import StackPreparer, StackRequest
from reprolab.stack.source_packages import SourcePackage
from reprolab.stack.stack import Stack
from reprolab.verdict.record import judge_run

STAGES = ("set-up", "build", "up", "drive", "evidence", "down")
DRIVEN = "driven.json"
OBSERVE_ERROR = "observe-error.txt"
# What a build prints that could not get its base image.
NOT_PULLED = re.compile(r"failed to do request: |failed to resolve source metadata|https://registry-1\.docker\.io")
NO_STACK: Model = {"services": {}}
Trials = dict[Future[TrialRecord], str]  # running trials, each with the key of its variant


@dataclass(frozen=True)
class Prepared:
    """A variant with its model; after the builds also its images (by service), or the reason why it cannot run.

    ``invalid`` says that its images could not be built, ``lacks`` what it needs and this host has not; then its
    model has no service.
    """

    variant: PlannedVariant
    model: Model
    invalid: str = ""
    images: Mapping[str, BuiltImage] = field(default_factory=dict)
    lacks: str = ""

    @property
    def obstacle(self) -> str:
        """Why the variant cannot run, "" if it can."""
        return self.lacks or self.invalid

    @property
    def key(self) -> str:
        """The variant's name with that of its experiment."""
        return self.variant.key


def _prepared(variant: PlannedVariant, stack: Model | str) -> Prepared:
    """A variant with its model, or with what it lacks."""
    return Prepared(variant, NO_STACK, lacks=stack) if isinstance(stack, str) else Prepared(variant, stack)


def package_cache(results: Path) -> Path:
    """The directory for the lists of packages, by image, below all results."""
    return results / ".cache" / "packages"


class Stopwatch:
    """The seconds in each stage of a whole run, and of the run in all: trials run side by side."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._lock = Lock()

    @contextmanager
    def stage(self, name: str, also: dict[str, float] | None = None) -> Iterator[None]:
        """Add the block's duration to a stage, and to ``also`` if it is given."""
        started = time.monotonic()
        try:
            yield
        finally:
            duration = time.monotonic() - started
            with self._lock:
                self.seconds[name] += duration
            if also is not None:
                also[name] = round(also.get(name, 0.0) + duration, 3)

    def line(self) -> str:
        """The seconds of each stage and in all, in one line."""
        parts = [(name, self.seconds[name]) for name in STAGES] + [(WHOLE, time.monotonic() - self._started)]
        return " · ".join(f"{name} {seconds:.1f} s" for name, seconds in parts)


@dataclass
class Runner:
    """Executes one run. ``ready`` has the variants whose images are built, by `Prepared.key`.

    ``on_rounds`` is that of the run's `Schedule`; the budget counts from ``started`` (seconds of the monotonic clock).
    ``places`` has the directory of a variant's trials, by `Prepared.key`, where it is not that of the run. ``sources``
    has the packages of versions that stand for a commit. ``before_keeping`` is called before the record of a trial is
    saved; if it raises LabError, the trial does not count and the run ends.
    """

    plan: Plan
    run: RunDirectory
    engine: Engine
    client: docker.DockerClient
    policy: Policy
    observer: RunObserver
    watch: Stopwatch = field(default_factory=Stopwatch)
    keeper: Keeper | None = None
    bases: dict[str, Base] = field(default_factory=dict)
    ready: dict[str, Prepared] = field(default_factory=dict)
    on_rounds: OnRounds = lambda rounds, variants: None
    started: float = field(default_factory=time.monotonic)
    places: dict[str, RunDirectory] = field(default_factory=dict)
    tells_failures: bool = True
    sources: dict[str, SourcePackage] = field(default_factory=dict)
    before_keeping: Callable[[], None] = lambda: None
    _stacks: list[Stack] = field(default_factory=list)
    _schedule: Schedule | None = None
    _mistakes: dict[str, str] = field(default_factory=dict)
    _finished: dict[str, Prepared] = field(default_factory=dict)
    _load_told: bool = False
    # Projects: those whose drive() has ended, and those whose containers were removed before that.
    _driven: set[str] = field(default_factory=set)
    _broken_off: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        cache = package_cache(self.run.path.parents[1])
        self._builder = Builder(
            self.client,
            (),
            self.run.path / "builds",
            self.observer.progress,
            shown="builds",
            describe=lambda tag: describe(self.client, tag, cache),
            tells_failures=self.tells_failures,
        )

    @property
    def scenario(self) -> Scenario:
        return self.plan.scenario

    def _owner(self) -> Mapping[str, str]:
        if self.keeper:
            return self.keeper.owner(self.scenario.name)
        return labels.object_labels(self.scenario.name, self.run.name)

    def prepare(self) -> list[Prepared]:
        """Resolve every variant's stack and base images, and start the builds; returns before the builds end."""
        prepared = self.resolve(self.plan.variants)
        # The documented stack is first: if its build fails, the run ends. Then those that the first round needs.
        self.start_builds(sorted(prepared, key=lambda item: (item.variant.name != DOCUMENTED, not item.variant.needed)))
        return prepared

    def resolve(self, variants: Sequence[PlannedVariant], *, all_needed: bool = True) -> list[Prepared]:
        """Resolve the stacks and the base images of these variants.

        Raises BaseImageError if a base image is not available; unless ``all_needed``, the variants on it lack it then.
        """
        preparer = StackPreparer(self.engine, self.client, self.policy, self.observer.progress, sources=self.sources)
        host = HostState.of(self.engine)
        lacking = [lacks(self.scenario, item.changes, item.experiment.name, host) for item in variants]
        able = [variant for variant, lack in zip(variants, lacking, strict=True) if not lack]
        requests = [StackRequest(variant.changes, variant.experiment) for variant in able]
        with self.watch.stage("set-up"):
            find = preparer.models if all_needed else preparer.models_or_reasons
            stacks = iter(find(self.scenario, requests, self._owner()))
        self.bases |= preparer.bases
        return [_prepared(variant, lack or next(stacks)) for variant, lack in zip(variants, lacking, strict=True)]

    def start_builds(self, prepared: Sequence[Prepared]) -> None:
        """Start to build the images of these variants, in order; returns before the builds end."""
        self._builder.compose = compose_command(self.engine)
        self._builder.start({item.key: item.model for item in prepared})

    def built(self, prepared: Prepared) -> Prepared:
        """Wait for a variant's images; a failed build makes the variant invalid."""
        if prepared.key not in self._finished:
            self._finished[prepared.key] = self._wait_for_images(prepared)
        return self._finished[prepared.key]

    def _wait_for_images(self, prepared: Prepared) -> Prepared:
        if builds := len(self._builder.pending(prepared.model)):
            self.observer.waits(f"{plural(builds, 'image')} of {prepared.variant.name}")
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
            return [self.built(item) for item in prepared]
        finally:
            self._builder.stop()

    def execute(self, prepared: list[Prepared]) -> list[Prepared]:
        """Run all rounds; returns the variants whose images were waited for.

        In a round the experiments without load run first and side by side, in the first round each variant as soon as
        its images are built, or after all builds if a claim on it needs an idle machine. Experiments that put load on a
        stack follow after all builds, one trial at a time.
        """
        self._schedule = schedule = Schedule(
            self.plan,
            lambda: judge_run(self.scenario, self.run),
            self.run.trials,
            self.observer,
            self.on_rounds,
            self.started,
        )
        by_key = {item.key: item for item in prepared}
        try:
            self._check_documented(prepared)
            for part in schedule.rounds():
                self.run_steps(part.steps, by_key)
            return [self._finished[key] for key in by_key if key in self._finished]
        finally:
            self._builder.stop()

    def run_steps(self, steps: Sequence[Step], by_key: Mapping[str, Prepared]) -> None:
        """Run these trials: first those without load, side by side, then the others, one at a time."""
        quiet = [step for step in steps if self.plan.jobs > 1 and step.variant.experiment.parallel]
        self._run_side_by_side(quiet, by_key)
        self._run_one_by_one([step for step in steps if step not in quiet], by_key)

    def _check_documented(self, prepared: list[Prepared]) -> None:
        """Wait for the images of the documented variants. Raises BuildError if none of them could be built."""
        built = [self.built(item) for item in prepared if item.variant.name == DOCUMENTED]
        if built and all(item.invalid for item in built) and not self.plan.keep_going:
            reason = built[0].invalid.splitlines()[0].rstrip(":")
            repair = f"repair the build (`{command('pins', 'pins')}` checks every pin)"
            if NOT_PULLED.search(built[0].invalid):
                repair = "let the engine reach the registry of the base image, or `docker load` that image"
            raise BuildError(
                f"the documented stack cannot be built, so no variant can be compared with it: {reason}",
                expected="images of the documented variant; the message above has the lines of the log with the reason",
                advice=f"{repair}, or run the other variants without it: {option('keep-going')}",
            )

    def _run_one_by_one(self, steps: Sequence[Step], by_key: Mapping[str, Prepared]) -> None:
        if steps:
            # A build would disturb the load of a trial.
            for item in by_key.values():
                self.built(item)
        for step in steps:
            # A signal ends the trial at once, but its logs, its record and the removal of its stack come first.
            with interrupts.deferred():
                prepared = self.built(by_key[step.variant.key])
                self.finish(self.trial(prepared, step.number), prepared.key)

    def _run_side_by_side(self, steps: Sequence[Step], by_key: Mapping[str, Prepared]) -> None:
        pool = ThreadPoolExecutor(self.plan.jobs)
        waiting = [(by_key[step.variant.key], step.number) for step in steps]
        trials: Trials = {}
        try:
            while waiting or trials:
                pending = [build for item in by_key.values() for build in self._builder.pending(item.model)]
                ready = [pair for pair in waiting if not self._awaited(pair[0], pending)]
                waiting = [pair for pair in waiting if pair not in ready]
                for item, number in ready:
                    trials[pool.submit(self.trial, self.built(item), number)] = item.key
                    self._builder.gentle = True
                builds: set[Future[Any]] = {build for item, _ in waiting for build in self._awaited(item, pending)}
                wait(builds | trials.keys(), return_when=FIRST_COMPLETED)
                self._finish_done(trials)
        except BaseException:
            # An interrupt must not wait for the trials. They end at once when their containers are removed.
            pool.shutdown(wait=False, cancel_futures=True)
            self._save_ended(trials)
            self.end_stacks()
            pool.shutdown(wait=True)
            self._save_ended(trials, also_invalid=False)
            raise
        finally:
            pool.shutdown(wait=True)
        # No trial runs during the remaining builds.
        self._builder.gentle = False

    def _finish_done(self, trials: Trials) -> None:
        """Save the records of the trials that have ended. Raises the error of a trial that failed."""
        for trial in [trial for trial in trials if trial.done() and not trial.cancelled()]:
            with interrupts.deferred():
                self.finish(trial.result(), trials.pop(trial))

    def _save_ended(self, trials: Trials, *, also_invalid: bool = True) -> None:
        """Save the records of the trials that have ended, while the error that ends the run is handled."""
        for trial in [trial for trial in trials if trial.done() and not trial.cancelled()]:
            key = trials.pop(trial)
            if trial.exception() is None and (also_invalid or trial.result().valid):
                with suppress(Exception):
                    self.finish(trial.result(), key)

    def _awaited(self, item: Prepared, pending: Sequence[Future[Any]]) -> Sequence[Future[Any]]:
        """The builds that a trial waits for: its own, and all that are pending if it needs an idle machine."""
        if pending and needs_idle(item.variant.experiment, item.variant.name):
            return pending
        return self._builder.pending(item.model)

    def stop_builds(self) -> None:
        """End the running builds."""
        self._builder.stop()

    def end_stacks(self) -> None:
        """Save the logs of all running trials and remove their containers. A thread that uses them gets an error."""
        if not self._stacks or no_answer(self.client):
            return
        for stack in list(self._stacks):
            # What drive() returns without its containers must not count.
            self._broken_off |= {stack.project} - self._driven
            self._capture(stack, quietly=True)
            with suppress(DockerException, requests.RequestException):
                stack.remove_containers()

    def finish(self, record: TrialRecord, key: str = "") -> None:
        """Save the record of a trial of the variant. Raises EvidenceError if the directory of the run was removed."""
        run = self._place(key)
        run.ensure_kept()
        self.before_keeping()
        run.append(record)
        self.observer.trial_ends(record)
        if self._schedule:
            self._schedule.trial_ended()
        if self.keeper:
            self.keeper.trial_ends()

    def _place(self, key: str) -> RunDirectory:
        """The directory of the trials of a variant."""
        return self.places.get(key, self.run)

    def trial(self, prepared: Prepared, number: int) -> TrialRecord:
        """Execute one trial. An InvalidTrial becomes the record's reason; a LabError ends the run."""
        variant = prepared.variant
        evidence = self._place(prepared.key).trial(variant.experiment.name, variant.name, number)
        seconds: dict[str, float] = {}
        observation: dict[str, Any] = {}
        invalid = prepared.obstacle or self._mistakes.get(prepared.key, "")
        if not invalid:
            try:
                with ExitStack() as held:
                    with interrupts.allowed():
                        held.enter_context(self._load_lock(variant.experiment))
                    self.observer.trial_begins(variant.name, number)
                    observation = self._on_stack(prepared, evidence, seconds)
            except Mistake as error:
                invalid = str(error)
                self._mistakes[prepared.key] = f"not run, since in another trial {error}"
            except InvalidTrial as error:
                invalid = str(error) or "no reason was given"
        if evidence.has_failure and invalid:
            invalid += f" (its processes then: {FAILURE}/)"
        machine = evidence.machine()
        return TrialRecord(
            variant.experiment.name,
            variant.name,
            number,
            dict(variant.changes),
            observation,
            invalid,
            seconds,
            machine,
            busy_reason(machine),
        )

    def _on_stack(self, prepared: Prepared, evidence: TrialDirectory, seconds: dict[str, float]) -> dict[str, Any]:
        if self.keeper:
            self.keeper.trial_begins()
        stack = self._stack(prepared, evidence)
        self._stacks.append(stack)
        experiment = prepared.variant.experiment
        try:
            try:
                watched = watching(self.client, stack.project, stack.roles, evidence)
                with interrupts.allowed(), watched, failure_kept(stack), undisturbed(stack):
                    with self.watch.stage("up", seconds):
                        guarded(stack.up, self.client)
                    with self.watch.stage("drive", seconds):
                        driven = guarded(lambda: self._drive(experiment, stack, evidence), self.client)
                        stack.check_load_settings()
                        if prepared.variant.name in experiment.may_fail:
                            stack.check_start_observed()
                    self._driven.add(stack.project)
            finally:
                # The evidence is saved before the stack is removed, also after an error.
                failing = isinstance(sys.exc_info()[1], (EngineError, KeyboardInterrupt, SystemExit))
                with self.watch.stage("evidence", seconds):
                    self._capture(stack, quietly=failing)
            if stack.project in self._broken_off:
                raise InvalidTrial("the run was interrupted during this trial")
            with self.watch.stage("evidence", seconds):
                return observe(experiment, evidence, driven)
        finally:
            with self.watch.stage("down", seconds):
                if not (self.keeper and self.keeper.takes(stack, prepared.variant)):
                    self._down(stack)
            self._stacks.remove(stack)

    def _drive(self, experiment: Experiment, stack: Stack, evidence: TrialDirectory) -> dict[str, Any]:
        with self.observer.driving(stack):
            return drive(experiment, stack, evidence)

    def _stack(self, prepared: Prepared, evidence: TrialDirectory) -> Stack:
        _require_kernel(prepared.variant)
        model = {
            **prepared.model,
            "name": f"reprolab-{self.scenario.name}-{secrets.token_hex(4)}",
        }
        factors = {**self.scenario.factors, **prepared.variant.changes}
        file = evidence.path / "compose.json"
        compose = compose_command(self.engine)
        variant = prepared.variant
        return Stack(
            self.scenario.name,
            model,
            file,
            self.client,
            compose,
            evidence,
            self._owner(),
            factors,
            may_fail=frozenset({APP_ROLE} if variant.name in variant.experiment.may_fail else ()),
            side_by_side=variant.experiment.parallel and self.plan.jobs > 1,
        )

    def _capture(self, stack: Stack, *, quietly: bool) -> None:
        already = sys.exc_info()[1]
        if quietly and no_answer(self.client):
            return
        try:
            guarded(lambda: stack.capture(self.engine.docker), self.client)
        except (LabError, InvalidTrial) as error:
            # A trial that is invalid already keeps its own reason.
            if not (quietly or (already and isinstance(error, InvalidTrial))):
                raise

    def _down(self, stack: Stack) -> None:
        already_failing = sys.exc_info()[0] is not None
        try:
            stack.down()
        except Exception as error:
            if not already_failing:
                raise EngineError(
                    f"a stack could not be removed: {error}", advice=f"run `{command_text.command('clean', 'clean')}`"
                ) from error
            self.observer.progress(f"the stack {stack.project} could not be removed: {error}")

    def _load_lock(self, experiment: Experiment) -> AbstractContextManager[None]:
        """The lock of the whole machine for trials with load: two of them at a time would disturb each other."""
        if experiment.parallel:
            return nullcontext()
        return directory_lock(machine_directory(), "measures load on this machine", self._waits_for_load)

    def _waits_for_load(self, message: str) -> None:
        """Tell the user of the first wait in a line; the terminal shows each of them while it lasts."""
        self.observer.waits("the load of another run on this machine")
        if not self._load_told:
            self._load_told = True
            self.observer.progress(f"{message}; this line stands once, though more trials may wait")


def _require_kernel(variant: PlannedVariant) -> None:
    """Raise LabError unless the engine has the kernel of the variant, if that names one."""
    if kernel_of(variant.changes) not in ("", elsewhere.kernel()):
        raise LabError(
            f"a trial of {variant.key} was about to run on another kernel",
            expected="the engine of a virtual machine with this kernel",
        )


class Mistake(InvalidTrial):
    """The code of an experiment has a mistake. Further trials of the variant would fail in the same way."""


# The exceptions of a wrong name or a wrong call. Other exceptions may be caused by a response in one trial.
MISTAKES = (AttributeError, ImportError, NameError, NotImplementedError, TypeError)


def _failure(function: str, error: Exception, experiment: Experiment) -> InvalidTrial:
    """The error of a trial whose drive() or observe() raised, with the last line in the scenario's files."""
    where = place(error, directory_of(experiment.drive))
    # A search in the response or the log of one trial may have returned None.
    kind = Mistake if isinstance(error, MISTAKES) and "'NoneType'" not in str(error) else InvalidTrial
    return kind(f"{function} failed: {type(error).__name__}: {error}" + (f" ({where})" if where else ""))


def drive(experiment: Experiment, stack: Stack, evidence: TrialDirectory) -> dict[str, Any]:
    """Call the experiment's drive. If it raises, the traceback is saved and the trial is invalid."""
    try:
        driven = checked_observation(experiment.drive(stack))
        evidence.write(DRIVEN, driven)
        return driven
    except (LabError, InvalidTrial):
        raise
    except Exception as error:
        evidence.write_text("drive-error.txt", traceback.format_exc())
        if type(error).__module__.startswith(("docker", "requests")):
            raise
        raise_if_engine_gone(stack.client)
        raise _failure("drive()", error, experiment) from error


def observe(experiment: Experiment, evidence: TrialDirectory, driven: dict[str, Any]) -> dict[str, Any]:
    """Call the experiment's observe, if it has one. If it raises, the traceback is saved and the trial is invalid."""
    try:
        return observation(experiment, evidence, driven)
    except InvalidTrial:
        evidence.write_text(OBSERVE_ERROR, traceback.format_exc())
        raise


def observation(experiment: Experiment, evidence: TrialDirectory, driven: dict[str, Any]) -> dict[str, Any]:
    """What the experiment's observe makes of the files of a trial; it writes none. Raises InvalidTrial."""
    if experiment.observe is None:
        return driven
    try:
        return checked_observation(experiment.observe(evidence, driven))
    except (LabError, InvalidTrial):
        raise
    except Exception as error:
        raise _failure("observe()", error, experiment) from error


def _plain(value: Any) -> Any:
    """What the stack returns, such as a start or an outcome, as JSON has it."""
    if hasattr(value, "to_json"):
        return value.to_json()
    raise TypeError(f"an observation cannot hold {type(value).__name__}: {value!r}")


def checked_observation(result: Any) -> dict[str, Any]:
    """The result of an experiment's function, as it is read from a file: its keys are texts, and its tuples are lists.

    Raises TypeError or ValueError if trials.jsonl cannot store it.
    """
    if not isinstance(result, dict):
        raise TypeError(f"it returned {result!r}, not a dict")
    stored: dict[str, Any] = json.loads(json.dumps(result, default=_plain))
    return stored
