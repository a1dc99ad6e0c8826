"""Plays a run on disk, without Docker and without a network."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from reprolab.core import command_text
from reprolab.core.errors import UsageError
from reprolab.demo.from_logs import recorded
from reprolab.demo.recording import Recording
from reprolab.demo.script import Act, Script
from reprolab.evidence.run_dir import RunDirectory
from reprolab.scenario.model import Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.document import VerdictDocument
from reprolab.verdict.record import judge_trials


@dataclass
class Replay:
    """Plays the first valid trial of each act's variant; ``speed`` 2 is twice as fast; ``clock`` is in seconds."""

    scenario: Scenario
    script: Script
    run: RunDirectory
    speed: float = 1.0
    clock: Callable[[], float] = time.monotonic
    aside: str = ""
    trials: list[TrialRecord] = field(default_factory=list)
    _recording: Recording = field(default_factory=Recording)
    _started: float = 0.0

    def __post_init__(self) -> None:
        """Raise UsageError for a run of another scenario, or without a valid trial of any act."""
        scenario = self.run.info().scenario
        if scenario != self.scenario.name:
            raise UsageError(f"{self.run.path} is a run of {scenario}", expected=f"a run of {self.scenario.name}")
        self.trials = self.run.trials()
        if all(self.missing(act) for act in self.script.acts):
            acts = ", ".join(act.variant for act in self.script.acts)
            raise UsageError(
                f"{self.run.path} has no valid trial that the demonstration shows",
                expected=f"one of {self.script.experiment.name}: {acts}",
                advice=f"{command_text.run(self.scenario.name)} makes such a run",
            )
        at_speed = "" if self.speed == 1 else f" × {self.speed:g}"
        self.aside = f"replay of {self.run.name}{at_speed}"

    def _trials_of(self, act: Act) -> list[TrialRecord]:
        key = (self.script.experiment.name, act.variant)
        return [trial for trial in self.trials if (trial.experiment, trial.variant) == key]

    def missing(self, act: Act) -> str:
        trials = self._trials_of(act)
        if not trials:
            return f"The run {self.run.name} has no trial of {act.variant}: there is nothing to replay."
        if not any(trial.valid for trial in trials):
            return f"The run {self.run.name} has no valid trial of {act.variant}: {trials[0].invalid.splitlines()[0]}"
        return ""

    def _trial(self, act: Act) -> TrialRecord:
        return next(trial for trial in self._trials_of(act) if trial.valid)

    def prepare(self, act: Act) -> None:
        """Read the evidence. This takes some time for a large log."""
        record = self._trial(act)
        evidence = self.run.trial(record.experiment, record.variant, record.trial)
        self._recording = recorded(self.script, evidence, record)

    def start(self, act: Act, waiting: Callable[[str], None]) -> Recording:
        self._started = self.clock()
        return self._recording

    def now_ms(self) -> float:
        return min(1000 * self.speed * (self.clock() - self._started), self._recording.length_ms)

    def over(self) -> bool:
        return self.now_ms() >= self._recording.length_ms

    def finish(self, act: Act, waiting: Callable[[str], None]) -> tuple[TrialRecord, str]:
        record, count = self._trial(act), len(self._trials_of(act))
        return record, f"trial {record.trial} of {count} in {self.run.name}; shown from {self._recording.source}"

    def verdict(self) -> VerdictDocument:
        """The verdict from the run's files; nothing is written."""
        return judge_trials(self.scenario, self.run, self.run.checked_trials())
