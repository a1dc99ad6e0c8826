"""A demonstration on real containers: a run as every other, its trials begun and shown one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps
from threading import Event as Flag
from threading import Thread
from typing import Any

from rich.console import Console

from reprolab.core.errors import Exit, InvalidTrial
from reprolab.demo.keys import Keys
from reprolab.demo.presenter import Display, Show
from reprolab.demo.recording import Recording
from reprolab.demo.sampler import Sampler
from reprolab.demo.script import Act, Script
from reprolab.engine.detect import Engine
from reprolab.run.plan import Plan, Wishes
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
        self.stack: Stack | None = None
        self.sampler: Sampler | None = None
        self.given_up = False
        self.record: TrialRecord | None = None
        self.error: BaseException | None = None
        self._runner, self._watch, self._drive = runner, script.watch, script.experiment.drive
        # A mistake is looked for where the experiment's own drive stands.
        staged = wraps(self._drive)(lambda stack: self._staged(stack))
        experiment = replace(script.experiment, drive=staged)
        self._prepared = replace(prepared, variant=replace(prepared.variant, experiment=experiment))

    def run(self) -> None:
        try:
            self.record = self._runner.trial(self._prepared, 1)
        except BaseException as error:
            self.error = error
        finally:
            for flag in (self.up, self.driven):
                flag.set()

    def _staged(self, stack: Stack) -> dict[str, Any]:
        self.stack = stack
        self.up.set()
        self.go.wait()
        if self.given_up:
            raise InvalidTrial("the presenter left before it began")
        try:
            with Sampler(stack, self._watch, self.recording) as self.sampler:
                return self._drive(stack)
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
    """Plays acts as trials of a run; each is on disk before the next begins."""

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
    def _now(self) -> _Playing:
        assert self._playing is not None
        return self._playing

    def start(self, act: Act, waiting: Callable[[str], None]) -> Recording:
        """Wait until it is up, then drive it."""
        while not self._now.up.is_set():
            waiting(self.state or "The containers are coming up.")
        self._now.go.set()
        while self._now.sampler is None and not self._now.driven.is_set():
            waiting("It begins.")
        return self._now.recording

    def now_ms(self) -> float:
        """The time since the drive began, or when it ended."""
        playing = self._now
        if playing.recording.length_ms or playing.sampler is None:
            return playing.recording.length_ms
        return playing.sampler.now_ms()

    def over(self) -> bool:
        """Whether the experiment has done its work."""
        return self._now.driven.is_set()

    def finish(self, act: Act, waiting: Callable[[str], None]) -> tuple[TrialRecord, str]:
        """Wait for the evidence, and write the trial down."""
        while self._now.is_alive():
            waiting("The logs are read, and the containers taken down.")
        if self._now.error is not None:
            raise self._now.error
        record = self._now.record
        assert record is not None
        self._done.append(record)
        self.runner.run.append(record)
        return record, f"measured just now, while the lab looked twice a second; evidence in {self.runner.run.name}"

    def verdict(self) -> VerdictDocument:
        """Judged from what the acts observed."""
        return judge(self.scenario, self.runner.run.name, self._done, recorded_verdict(self.scenario))

    def give_up(self) -> None:
        """Take down what runs."""
        if self._playing is not None and self._playing.is_alive():
            self._playing.give_up()


@dataclass
class Demonstration(Session):
    """A session whose trials are played on a stage; its report goes to files alone."""

    script: Script | None = None
    stage: Console = field(default_factory=Console)
    keys: Keys | None = None

    def _trials(self, plan: Plan, engine: Engine) -> Exit | None:
        assert self.run is not None and self.script is not None and self.keys is not None
        self.runner = self._runner(plan, engine, lambda *_: None, lambda _: None)
        prepared = self.runner.built_all(self.runner.prepare())
        self._note_bases()
        self._note_images(prepared)
        player = LivePlayer(plan.scenario, self.script, self.runner, {item.variant.name: item for item in prepared})
        # From here on the screen belongs to the show.
        self.runner.say = lambda message: setattr(player, "state", message)
        try:
            with self.keys, Display(self.stage) as display:
                Show(plan.scenario, self.script, player, display, self.keys).play()
        finally:
            player.give_up()
        return Exit.LAB_FAILED if any(item.invalid for item in prepared) else None


def wishes(scenario: Scenario, script: Script) -> Wishes:
    """One trial of each act's variant."""
    acts = tuple(dict.fromkeys(act.variant for act in script.acts))
    return Wishes(scenario.name, script.experiment.name, acts, trials=1)
