"""The interface through which a run reports its progress."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from reprolab.scenario.trial import TrialRecord
from reprolab.stack.stack import Stack
from reprolab.verdict.document import ClaimVerdict, VerdictDocument


class RunObserver:
    """Observes a run; each method does nothing here. The run calls them from the threads of its builds and trials."""

    def progress(self, message: str) -> None:
        """Called with a line of text before each step that takes time."""

    def waits(self, what: str) -> None:
        """Called when the run begins to wait for something else than a trial."""

    def trials(self) -> AbstractContextManager[object]:
        """The context in which all trials of the run are executed."""
        return nullcontext()

    def trial_begins(self, variant: str, number: int) -> None:
        """Called before the stack of a trial starts."""

    def driving(self, stack: Stack) -> AbstractContextManager[object]:
        """The context of the call of the experiment's ``drive``; the stack is up. An InvalidTrial ends the trial."""
        return nullcontext()

    def trial_ends(self, record: TrialRecord) -> None:
        """Called when the record of a trial is on disk."""

    def claims_decided(self, claims: Sequence[ClaimVerdict]) -> None:
        """Called in the first round after a trial with which claims became decided; further trials may change them."""

    def round_ends(self, number: int, planned: int, verdict: VerdictDocument) -> None:
        """Called after a round with the verdict on the trials so far, unless the run's report follows at once."""
