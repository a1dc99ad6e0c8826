"""KEEP=1: the stack of the first invalid trial stays up, or that of the last trial."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from types import TracebackType

from reprolab.core import command_text
from reprolab.core.errors import InvalidTrial
from reprolab.core.progress import OnProgress
from reprolab.run import manual
from reprolab.run.plan import PlannedVariant
from reprolab.stack.stack import Stack


class StackKept(Exception):
    """The run ends here: a trial is invalid, and its stack stays up undisturbed."""


@dataclass
class Keeper:
    """Holds the stack that will stay up. At its end the stack becomes one by hand, or it is removed after an error."""

    root: Path
    on_progress: OnProgress
    stack: Stack | None = None
    variant: PlannedVariant | None = None
    invalid: bool = False
    _lock: Lock = field(default_factory=Lock)

    def owner(self, scenario: str) -> Mapping[str, str]:
        """The labels of the run's containers. They are those of stacks by hand, since one of them becomes one."""
        return manual.hand_labels(self.root, scenario)

    def trial_begins(self) -> None:
        """Remove the stack of the trial before, so that it does not disturb the next one."""
        with self._lock:
            if not self.invalid:
                self._release()

    def takes(self, stack: Stack, variant: PlannedVariant) -> bool:
        """Whether this stack stays up. Called while the error of the trial, if there is one, is being handled."""
        error = sys.exc_info()[1]
        with self._lock:
            if self.invalid or not (error is None or isinstance(error, InvalidTrial)):
                return False
            self._release()
            stack.remove_inspectors()
            self.stack, self.variant, self.invalid = stack, variant, error is not None
            return True

    def trial_ends(self) -> None:
        """Raise StackKept after an invalid trial whose stack is kept."""
        if self.invalid:
            why = command_text.option("keep")
            raise StackKept(f"a trial is invalid, and its stack stays up to be looked at ({why})")

    def _release(self) -> None:
        if self.stack:
            self.stack.down()
        self.stack = None

    def __enter__(self) -> Keeper:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error:
            self._release()
        elif self.stack and self.variant:
            manual.adopt(self.root, self.stack, self.variant.changes, self.on_progress)
