"""What a run tells while it goes on."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from reprolab.scenario.trial import TrialRecord
from reprolab.stack.stack import Stack


class RunObserver:
    """Hears of a run; each method does nothing here. The run calls them from the threads of its builds and trials."""

    def progress(self, message: str) -> None:
        """A line of text, before each step that takes time."""

    def trials(self) -> AbstractContextManager[object]:
        """All trials of the run are within this context."""
        return nullcontext()

    def trial_begins(self, variant: str, number: int) -> None:
        """A trial begins; its stack is not up yet."""

    def driving(self, stack: Stack) -> AbstractContextManager[object]:
        """The experiment's ``drive`` runs within this context; the stack is up. An InvalidTrial ends the trial."""
        return nullcontext()

    def trial_ends(self, record: TrialRecord) -> None:
        """A trial is on disk."""
