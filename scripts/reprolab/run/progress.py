"""Shows the progress of a run: a line after each trial, and in a terminal the current trials."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.status import Status
from rich.text import Text

from reprolab.core.command_text import option
from reprolab.core.number_words import plural
from reprolab.core.progress import OnProgress
from reprolab.report import table
from reprolab.run import provisional
from reprolab.run.observer import RunObserver
from reprolab.run.plan import Plan
from reprolab.run.rounds import order, planned_rounds
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.document import ClaimVerdict, VerdictDocument

SHOWN_COLUMNS = 4


@dataclass
class Progress(RunObserver):
    """Shows a run on the terminal; ``on_progress`` gets the lines that are not about trials."""

    plan: Plan
    console: Console
    on_progress: OnProgress
    done: int = 0
    repeated: int = 0
    started: float = field(default_factory=time.monotonic)
    status: Status | None = None
    busy_told: bool = False

    def progress(self, message: str) -> None:
        self.on_progress(message)

    @contextmanager
    def trials(self) -> Iterator[None]:
        self.started = time.monotonic()
        self.console.print(_opening(self.plan), style="bold")
        if not self.console.is_terminal:
            yield
            return
        with self.console.status("") as self.status:
            yield

    def waits(self, what: str) -> None:
        if self.status:
            self.status.update(_Clock(f"waiting for {what}"))

    def trial_begins(self, variant: str, number: int) -> None:
        if self.status:
            self.status.update(_Clock(f"{variant} #{number} is running", self._remaining_text()))

    def _remaining_text(self) -> str:
        if not self.done or self.plan.may_end_early:
            return ""
        pace = (time.monotonic() - self.started) / self.done
        minutes = pace * (self.plan.trials - self.done) / 60
        return f", about {minutes:.0f} min left" if minutes >= 1 else ", less than a minute left"

    def trial_ends(self, record: TrialRecord) -> None:
        repeats = self._repeats(record)
        self.done += not repeats
        self.repeated += repeats
        experiment = self.plan.scenario.experiments[record.experiment]
        if record.valid:
            shown = experiment.columns[:SHOWN_COLUMNS]
            text = " · ".join(f"{column.heading} {table.cell(column, [record])}" for column in shown)
        else:
            text = f"invalid: {table.short_reason(record.invalid)}"
        if record.busy:
            text += f" · {'busy' if self.busy_told else record.busy}"
            self.busy_told = True
        seconds = sum((record.seconds or {}).values())
        of = "" if self.plan.may_end_early else f"/{self.plan.trials}"
        place = f"+{self.repeated}" if repeats else f"{self.done:>3}{of}"
        self.console.print(
            f"[{place}] {self._name(record)} #{record.trial}  {text}  ({seconds:.1f} s)",
            # A terminal would cut a long line within a word.
            soft_wrap=not self.console.is_terminal,
        )

    def _repeats(self, record: TrialRecord) -> bool:
        """Whether the trial is not in the plan: it repeats one that was disturbed."""
        planned = {(item.experiment.name, item.name): item.trials for item in self.plan.variants}
        return record.trial > planned.get((record.experiment, record.variant), record.trial)

    def _name(self, record: TrialRecord) -> str:
        """The variant, with its experiment if the run has several: each of them has a documented variant."""
        experiments = {item.experiment.name for item in self.plan.variants}
        return f"{record.experiment}/{record.variant}" if len(experiments) > 1 else record.variant

    def claims_decided(self, claims: Sequence[ClaimVerdict]) -> None:
        self.console.print(provisional.decided(claims))

    def round_ends(self, number: int, planned: int, verdict: VerdictDocument) -> None:
        minutes = (time.monotonic() - self.started) / 60
        of = f"at most {planned}" if self.plan.may_end_early else f"{planned}"
        where = f"after round {number} of {of} ({minutes:.1f} min)"
        self.console.print(provisional.render(verdict, where))


@dataclass
class _Clock:
    """What the run does, with the seconds since it began; the terminal draws it again and again."""

    what: str
    after: str = ""
    began: float = field(default_factory=lambda: time.monotonic())

    def __rich__(self) -> Text:
        return Text(f"{self.what}, {time.monotonic() - self.began:.0f} s{self.after}")


def _opening(plan: Plan) -> str:
    """The first line of a run: how much it does, and the option that repeats its order."""
    rounds = planned_rounds(order(plan))
    most = "at most " if plan.may_end_early else ""
    text = f"{plan.scenario.name}: {most}{plural(plan.trials, 'trial')} of {plural(len(plan.variants), 'variant')}"
    return f"{text} in {plural(rounds, 'round')}; {option('seed', plan.seed)} repeats their order"
