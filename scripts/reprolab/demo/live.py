"""A demonstration on real containers: a run as every other, its trials begun and shown one by one."""

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
from reprolab.demo.keys import Keys
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

QUIT_LIMIT = 90.0  # seconds for a trial that is given up to keep its evidence and take its stack down


class _Playing(Thread):
    """One trial in a thread of its own, held back before its drive until the audience is ready."""

    def __init__(self, runner: Runner, prepared: Prepared, script: Script) -> None:
        super().__init__(name="trial", daemon=True)
        self.recording = Recording()
        self.up, self.go, self.driven = Flag(), Flag(), Flag()
        self.sampler: Sampler | None = None
        self.given_up = False
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
        """Around the drive: wait for the audience, then look at the stack meanwhile."""
        self.up.set()
        self.go.wait()
        if self.given_up:
            raise InvalidTrial("the presenter left before it began")
        try:
            with Sampler(stack, self._watch, self.recording) as self.sampler:
                yield
        finally:
            self.driven.set()

    def give_up(self) -> None:
        """End the trial at once and wait until its stack is down."""
        self.given_up = True
        self.go.set()
        self._runner.end_stacks()
        self.join(QUIT_LIMIT)


@dataclass
class LivePlayer:
    """Plays acts as trials of a run; each is on disk before the next begins. ``state`` is what the run does now."""

    scenario: Scenario
    script: Script
    runner: Runner
    prepared: Mapping[str, Prepared]
    aside: str = "live"
    state: str = ""
    _playing: _Playing | None = None
    _done: list[TrialRecord] = field(default_factory=list)

    def missing(self, act: Act) -> str:
        """An image that does not build is a trial without anything to show, too."""
        return self.prepared[act.variant].invalid

    def prepare(self, act: Act) -> None:
        """Bring the stack up meanwhile."""
        self._playing = _Playing(self.runner, self.prepared[act.variant], self.script)
        self._playing.start()

    @property
    def now(self) -> _Playing:
        """The trial that is played."""
        assert self._playing is not None
        return self._playing

    def start(self, act: Act, waiting: Callable[[str], None]) -> Recording:
        """Wait until it is up, then drive it."""
        while not self.now.up.is_set():
            waiting(self.state or "The containers are coming up.")
        self.now.go.set()
        while self.now.sampler is None and not self.now.driven.is_set():
            waiting("It begins.")
        return self.now.recording

    def now_ms(self) -> float:
        """The time since the drive began, or when it ended."""
        playing = self.now
        if playing.recording.length_ms or playing.sampler is None:
            return playing.recording.length_ms
        return playing.sampler.now_ms()

    def over(self) -> bool:
        """Whether the experiment has done its work."""
        return self.now.driven.is_set()

    def finish(self, act: Act, waiting: Callable[[str], None]) -> tuple[TrialRecord, str]:
        """Wait for the evidence, and write the trial down."""
        while self.now.is_alive():
            waiting("The logs are read, and the containers taken down.")
        if self.now.error is not None:
            raise self.now.error
        record = self.now.record
        assert record is not None
        self._done.append(record)
        self.runner.finish(record)
        return record, f"measured just now, while the lab looked twice a second; evidence in {self.runner.run.name}"

    def verdict(self) -> VerdictDocument:
        """Judged from what the acts observed."""
        return judge(self.scenario, self.runner.run.name, self._done, recorded_verdict(self.scenario))

    def give_up(self) -> None:
        """Take down what runs."""
        if self._playing is not None and self._playing.is_alive():
            self._playing.give_up()


@dataclass
class Demonstration(RunObserver):
    """Plays the trials of a run on a stage; ``say`` gets what the run tells before and after."""

    script: Script
    stage: Console
    keys: Keys
    on_progress: OnProgress
    player: LivePlayer | None = None

    def progress(self, message: str) -> None:
        """While the show has the screen, what the run does now is shown there."""
        if player := self.player:
            player.state = message
        else:
            self.on_progress(message)

    @contextmanager
    def driving(self, stack: Stack) -> Iterator[None]:
        """The audience watches."""
        assert self.player is not None
        with self.player.now.driving(stack):
            yield

    def play(self, runner: Runner, prepared: list[Prepared]) -> list[Prepared]:
        """Play the show, each act a trial; the variants with their images."""
        built = runner.built_all(prepared)
        scenario = runner.scenario
        self.player = LivePlayer(scenario, self.script, runner, {item.variant.name: item for item in built})
        try:
            with self.keys, Display(self.stage) as display:
                Show(scenario, self.script, self.player, display, self.keys).play()
        finally:
            self.player.give_up()
            self.player = None
        return built


def session(
    root: Path, scenario: Scenario, script: Script, stage: Console, keys: Keys, on_progress: OnProgress
) -> Session:
    """A run whose trials are played on a stage; its report goes to files alone."""
    demonstration = Demonstration(script, stage, keys, on_progress)
    plan = make_plan(scenario, options(scenario, script))
    return Session(root, plan, Console(quiet=True), demonstration, demonstration.play)


def options(scenario: Scenario, script: Script) -> RunOptions:
    """One trial of each act's variant."""
    acts = tuple(dict.fromkeys(act.variant for act in script.acts))
    return RunOptions(scenario.name, script.experiment.name, acts, trials=1)
