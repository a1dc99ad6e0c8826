"""How far a run has come: a line as each trial ends, and in a terminal what is going on right now."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from reprolab.report import table
from reprolab.run.plan import Plan
from reprolab.scenario.trial import TrialRecord

SHOWN_COLUMNS = 4


@dataclass
class Progress:
    """A context manager around a run's trials."""

    plan: Plan
    console: Console
    done: int = 0
    started: float = field(default_factory=time.monotonic)
    status: Status | None = None

    def __enter__(self) -> Progress:
        self.started = time.monotonic()
        self.console.print(
            f"{self.plan.scenario.name}: {self.plan.trials} trials of {len(self.plan.variants)} variant(s)",
            style="bold",
        )
        if self.console.is_terminal:
            self.status = self.console.status("")
            self.status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.status:
            self.status.stop()

    def begun(self, variant: str, number: int) -> None:
        """Show what runs now, and how long the rest will take by the pace so far."""
        if self.status:
            self.status.update(escape(f"{variant} #{number} is running{self._rest()}"))

    def _rest(self) -> str:
        if not self.done:
            return ""
        pace = (time.monotonic() - self.started) / self.done
        minutes = pace * (self.plan.trials - self.done) / 60
        return f", about {minutes:.0f} min left" if minutes >= 1 else ", less than a minute left"

    def finished(self, record: TrialRecord) -> None:
        """Say how one trial ended."""
        self.done += 1
        experiment = self.plan.scenario.experiments[record.experiment]
        if record.valid:
            shown = experiment.columns[:SHOWN_COLUMNS]
            told = " · ".join(f"{column.heading} {table.cell(column, [record])}" for column in shown)
        else:
            told = f"invalid: {table.short_reason(record.invalid)}"
        seconds = sum((record.seconds or {}).values())
        self.console.print(
            f"[{self.done:>3}/{self.plan.trials}] {record.variant} #{record.trial}  {told}  ({seconds:.1f} s)",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
