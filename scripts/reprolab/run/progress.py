"""Shows the progress of a run: a line after each trial, and in a terminal the current trials."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from reprolab.core.progress import OnProgress
from reprolab.report import table
from reprolab.run.observer import RunObserver
from reprolab.run.plan import Plan
from reprolab.scenario.trial import TrialRecord

SHOWN_COLUMNS = 4


@dataclass
class Progress(RunObserver):
    """Shows a run on the terminal; ``on_progress`` gets the lines that are not about trials."""

    plan: Plan
    console: Console
    on_progress: OnProgress
    done: int = 0
    started: float = field(default_factory=time.monotonic)
    status: Status | None = None

    def progress(self, message: str) -> None:
        self.on_progress(message)

    @contextmanager
    def trials(self) -> Iterator[None]:
        self.started = time.monotonic()
        self.console.print(
            f"{self.plan.scenario.name}: {self.plan.trials} trials of {len(self.plan.variants)} variant(s)",
            style="bold",
        )
        if not self.console.is_terminal:
            yield
            return
        with self.console.status("") as self.status:
            yield

    def trial_begins(self, variant: str, number: int) -> None:
        if self.status:
            self.status.update(escape(f"{variant} #{number} is running{self._remaining_text()}"))

    def _remaining_text(self) -> str:
        if not self.done:
            return ""
        pace = (time.monotonic() - self.started) / self.done
        minutes = pace * (self.plan.trials - self.done) / 60
        return f", about {minutes:.0f} min left" if minutes >= 1 else ", less than a minute left"

    def trial_ends(self, record: TrialRecord) -> None:
        self.done += 1
        experiment = self.plan.scenario.experiments[record.experiment]
        if record.valid:
            shown = experiment.columns[:SHOWN_COLUMNS]
            text = " · ".join(f"{column.heading} {table.cell(column, [record])}" for column in shown)
        else:
            text = f"invalid: {table.short_reason(record.invalid)}"
        text += f" · {record.busy}" if record.busy else ""
        seconds = sum((record.seconds or {}).values())
        # Repeated trials are not in the plan.
        planned = max(self.done, self.plan.trials)
        self.console.print(
            f"[{self.done:>3}/{planned}] {record.variant} #{record.trial}  {text}  ({seconds:.1f} s)",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
