"""A run on disk as a player: no Docker, no network, at its own speed or another."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from reprolab.core.errors import UsageError
from reprolab.demo.from_logs import recorded
from reprolab.demo.recording import Recording
from reprolab.demo.script import Act, Script
from reprolab.evidence.run_dir import RunDirectory
from reprolab.scenario.model import Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.document import VerdictDocument
from reprolab.verdict.judge import judge


@dataclass
class Replay:
    """Plays the first valid trial of each act's variant; ``speed`` 2 is twice as fast, ``clock`` counts seconds."""

    scenario: Scenario
    script: Script
    run: RunDirectory
    speed: float = 1.0
    clock: Callable[[], float] = time.monotonic
    aside: str = ""
    trials: list[TrialRecord] = field(default_factory=list)
    _recording: Recording = field(default_factory=Recording)
    _began: float = 0.0

    def __post_init__(self) -> None:
        """Raises UsageError for a run of another scenario, or one without any act's variant."""
        of = self.run.info().scenario
        if of != self.scenario.name:
            raise UsageError(f"{self.run.path} is a run of {of}", expected=f"a run of {self.scenario.name}")
        self.trials = self.run.trials()
        if all(self.missing(act) for act in self.script.acts):
            acts = ", ".join(act.variant for act in self.script.acts)
            raise UsageError(
                f"{self.run.path} has no valid trial that the demonstration shows",
                expected=f"one of {self.script.experiment.name}: {acts}",
                advice=f"make demo-{self.scenario.name} or make scenario-{self.scenario.name} makes such a run",
            )
        at_speed = "" if self.speed == 1 else f" × {self.speed:g}"
        self.aside = f"replay of {self.run.name}{at_speed}"

    def _of(self, act: Act) -> list[TrialRecord]:
        own = (self.script.experiment.name, act.variant)
        return [trial for trial in self.trials if (trial.experiment, trial.variant) == own]

    def missing(self, act: Act) -> str:
        """Why an act cannot be played."""
        found = self._of(act)
        if not found:
            return f"The run {self.run.name} has no trial of {act.variant}: there is nothing to replay."
        if not any(trial.valid for trial in found):
            return f"The run {self.run.name} has no valid trial of {act.variant}: {found[0].invalid.splitlines()[0]}"
        return ""

    def _trial(self, act: Act) -> TrialRecord:
        return next(trial for trial in self._of(act) if trial.valid)

    def prepare(self, act: Act) -> None:
        """Read the evidence: a large log takes a while."""
        record = self._trial(act)
        where = self.run.trial(record.experiment, record.variant, record.trial)
        self._recording = recorded(self.script, where, record)

    def start(self, act: Act, waiting: Callable[[str], None]) -> Recording:
        """From its first moment on."""
        self._began = self.clock()
        return self._recording

    def now_ms(self) -> float:
        """The recording's time."""
        return min(1000 * self.speed * (self.clock() - self._began), self._recording.length_ms)

    def over(self) -> bool:
        """Whether the recording is at its end."""
        return self.now_ms() >= self._recording.length_ms

    def finish(self, act: Act, waiting: Callable[[str], None]) -> tuple[TrialRecord, str]:
        """The trial that was played, and which of how many it is."""
        record = self._trial(act)
        return record, (
            f"trial {record.trial} of {len(self._of(act))} in {self.run.name}; shown from {self._recording.source}"
        )

    def verdict(self) -> VerdictDocument:
        """Judged from the run's files now; nothing is written."""
        return judge(self.scenario, self.run.name, self.trials)
