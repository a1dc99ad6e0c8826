"""One trial as a line of trials.jsonl."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TrialRecord:
    """One line of trials.jsonl: what one run of one variant showed, or why it says nothing.

    ``invalid`` is the reason, empty for a valid trial; ``seconds`` holds the time each stage took.
    """

    experiment: str
    variant: str
    trial: int
    factors: Mapping[str, str]
    observation: Mapping[str, Any]
    invalid: str = ""
    seconds: Mapping[str, float] | None = None

    @property
    def valid(self) -> bool:
        """Whether a sign may be looked for in this trial."""
        return not self.invalid
