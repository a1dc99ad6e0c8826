"""A demonstration on real containers: an ordinary run whose trials start and are shown one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event as Flag
from threading import Thread

from rich.console import Console

from reprolab.core.errors import InvalidTrial
from reprolab.core.progress import OnProgress
from reprolab.core.terminal import Terminal
from reprolab.demo.keys import Keys, Left
from reprolab.demo.presenter import Display, Show
from reprolab.demo.recording import Recording
from reprolab.demo.sampler import Sampler
from reprolab.demo.script import Act, Script
from reprolab.run.observer import RunObserver
from reprolab.run.plan import RunOptions, make_plan
from reprolab.run.runner import Prepared, Runner
from reprolab.run.session import Session
from reprolab.scenario.model import Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.stack.stack import Stack
from reprolab.verdict.document import VerdictDocument
from reprolab.verdict.judge import judge
from reprolab.verdict.record import recorded_verdict

QUIT_LIMIT = 90.0  # seconds for an abandoned trial to save its evidence and remove its stack


class _TrialThread(Thread):
    """One trial in a thread, which waits before its drive until the presenter continues."""

    def __init__(self, runner: Runner, prepared: Prepared, script: Script) -> None:
        super().__init__(name="trial", daemon=True)
        self.recording = Recording()
        self.up, self.go, self.driven, self.left = Flag(), Flag(), Flag(), Flag()
        self.sampler: Sampler | None = None
        self.abandoned = False
        self.record: TrialRecord | None = None
        self.error: BaseException | None = None
        self._runner, self._prepared, self._watch = runner, prepared, script.watch

    def run(self) -> None:
        try:
            self.record = self._runner.trial(self._prepared, 1)
        except BaseException as error:
            self.error = error
        finally:
            for flag in (self.up, self.driven):
                flag.set()

    @contextmanager
    def driving(self, stack: Stack) -> Iterator[None]:
        """The context of the drive: wait for the presenter, then sample the stack during the drive."""
        self.up.set()
        self.go.wait()
        if self.abandoned:
            raise InvalidTrial("the presenter left before it began")
        try:
            with Sampler(stack, self._watch, self.recording) as sampler:
                self.sampler = sampler
                stack.on_hold = lambda text, begun, seconds: sampler.hold(text, begun, seconds, self.left)
                yield
        finally:
            self.driven.set()

    def abandon(self) -> None:
        """End the trial at once, and wait until its stack is removed."""
        self.abandoned = True
        self.left.set()
        self.go.set()
        self._runner.end_stacks()
        self.join(QUIT_LIMIT)


@dataclass
class LivePlayer:
    """Plays acts as trials of a run; each is on disk before the next starts. ``state`` tells what the run does now."""

    scenario: Scenario
    script: Script
    runner: Runner
    prepared: Mapping[str, Prepared]
    aside: str = "live"
    state: str = ""
    _trial_thread: _TrialThread | None = None
    _finished: list[TrialRecord] = field(default_factory=list)

    def missing(self, act: Act) -> str:
        """The reason why an act cannot be played: an image of its variant did not build."""
        return self.prepared[act.variant].obstacle

    def prepare(self, act: Act) -> None:
        """Start the stack of an act while the audience reads."""
        self._trial_thread = _TrialThread(self.runner, self.prepared[act.variant], self.script)
        self._trial_thread.start()

    @property
    def now(self) -> _TrialThread:
        """The trial that is played now."""
        assert self._trial_thread is not None
        return self._trial_thread

    def start(self, act: Act, waiting: Callable[[str], None]) -> Recording:
        """Wait until the stack is up, then start the drive."""
        while not self.now.up.is_set():
            waiting(self.state or "The containers are coming up.")
        self.now.go.set()
        while self.now.sampler is None and not self.now.driven.is_set():
            waiting("It begins.")
        return self.now.recording

    def now_ms(self) -> float:
        """Milliseconds since the drive began; after its end, its duration."""
        trial = self.now
        if trial.recording.length_ms or trial.sampler is None:
            return trial.recording.length_ms
        return trial.sampler.now_ms()

    def over(self) -> bool:
        """Whether the drive has ended."""
        return self.now.driven.is_set()

    def finish(self, act: Act, waiting: Callable[[str], None]) -> tuple[TrialRecord, str]:
        """Wait for the evidence, and save the record of the trial."""
        while self.now.is_alive():
            waiting("The logs are read, and the containers are removed.")
        if self.now.error is not None:
            raise self.now.error
        record = self.now.record
        assert record is not None
        self._finished.append(record)
        self.runner.finish(record)
        return record, f"measured just now, with two samples a second; evidence in {self.runner.run.name}"

    def verdict(self) -> VerdictDocument:
        """The verdict on the trials of the acts."""
        return judge(self.scenario, self.runner.run.name, self._finished, recorded_verdict(self.scenario))

    def abandon(self) -> None:
        """End the trial that runs, and remove its stack."""
        if self._trial_thread is not None and self._trial_thread.is_alive():
            self._trial_thread.abandon()


@dataclass
class Demonstration(RunObserver):
    """Plays the trials of a run on a console; ``on_progress`` gets the run's messages before and after."""

    script: Script
    console: Console
    keys: Keys
    on_progress: OnProgress
    player: LivePlayer | None = None

    def progress(self, message: str) -> None:
        """During the show, the message is on the screen of the act."""
        if player := self.player:
            player.state = message
        else:
            self.on_progress(message)

    @contextmanager
    def driving(self, stack: Stack) -> Iterator[None]:
        assert self.player is not None
        with self.player.now.driving(stack):
            yield

    def play(self, runner: Runner, prepared: list[Prepared]) -> list[Prepared]:
        """Play each act as a trial; returns the variants with their images."""
        built = runner.built_all(prepared)
        scenario = runner.scenario
        self.player = LivePlayer(scenario, self.script, runner, {item.variant.name: item for item in built})
        try:
            with self.keys, Display(self.console) as display:
                Show(scenario, self.script, self.player, display, self.keys).play()
        except Left:
            self.on_progress("leaving: the trial ends and its containers are removed, which may take half a minute")
            raise
        finally:
            self.player.abandon()
            self.player = None
        # An act without images was not played: the plan must not ask for its trial.
        runner.on_rounds(None, [item.variant for item in built if not item.obstacle])
        return built


def session(
    root: Path, scenario: Scenario, script: Script, console: Console, keys: Keys, on_progress: OnProgress
) -> Session:
    """A run whose trials are played on a console; its report is written only to files."""
    demonstration = Demonstration(script, console, keys, on_progress)
    plan = make_plan(scenario, options(scenario, script))
    return Session(root, plan, Terminal(quiet=True), demonstration, demonstration.play)


def options(scenario: Scenario, script: Script) -> RunOptions:
    """The options of a run with one trial of each act's variant."""
    acts = tuple(dict.fromkeys(act.variant for act in script.acts))
    return RunOptions(scenario.name, script.experiment.name, acts, trials=1)
