"""Shows the trials of cells as they end: a line for each, with the signs that it showed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.status import Status

from reprolab.core.progress import OnProgress
from reprolab.measure.cell import Cell
from reprolab.report.table import changes_text, short_reason
from reprolab.run.observer import RunObserver
from reprolab.scenario.model import Claim, Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.counting import count


@dataclass
class CellProgress(RunObserver):
    """Shows the trials on a terminal; ``on_progress`` gets the lines that are not about trials.

    A trial is named by its cell. ``factors`` are those of the question: they are shown with the documented value, too.
    """

    scenario: Scenario
    claims: Sequence[Claim]
    console: Console
    on_progress: OnProgress
    factors: Sequence[str] = ()
    done: int = 0
    status: Status | None = field(default=None, repr=False)

    def progress(self, message: str) -> None:
        self.on_progress(message)

    @contextmanager
    def trials(self) -> Iterator[None]:
        if not self.console.is_terminal:
            yield
            return
        with self.console.status("") as self.status:
            yield

    def waits(self, what: str) -> None:
        if self.status:
            self.status.update(f"waiting for {what}")

    def trial_begins(self, variant: str, number: int) -> None:
        if self.status:
            self.status.update("a trial is running")

    def trial_ends(self, record: TrialRecord) -> None:
        self.done += 1
        cell = Cell.of(self.scenario, record.experiment, record.factors)
        asked = {name: self.scenario.factors[name] for name in self.factors if name in self.scenario.factors}
        words = changes_text({**asked, **cell.settings}) if asked else cell.words
        seconds = sum((record.seconds or {}).values())
        where = f" on {record.host}" if record.host else ""
        self.console.print(
            f"[{self.done}] {words} #{record.trial}{where}  {self._signs(record)}  ({seconds:.1f} s)",
            soft_wrap=not self.console.is_terminal,
        )

    def _signs(self, record: TrialRecord) -> str:
        if not record.valid:
            return f"invalid: {short_reason(record.invalid)}"
        return " · ".join(f"{claim.id} {sign_words(claim, record)}" for claim in self.claims)


def sign_words(claim: Claim, record: TrialRecord) -> str:
    """What one valid trial says of a claim's sign, in a few words."""
    counted = count(claim, [record])
    if counted.errors:
        return "cannot be told"
    if counted.not_exercised:
        return "not exercised"
    if counted.busy:
        return "disturbed by other work" if record.busy else "needs an idle machine, which nobody watched"
    return "shows" if counted.shown else "does not show"
