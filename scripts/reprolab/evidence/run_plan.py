"""What a run planned, and how many of its rounds ran: two parts of run.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

# Why a run has fewer rounds than planned: its budget was used, or its claims have the confidence.
BUDGET, CONFIDENCE = "budget", "confidence"


@dataclass(frozen=True)
class PlanEntry:
    """A planned variant: the factors that it changes, and the highest number of its trials.

    ``skipped`` are lower numbers that were given out and have no trial: it was broken off.
    """

    experiment: str
    variant: str
    factors: Mapping[str, str] = field(default_factory=dict)
    trials: int = 1
    skipped: tuple[int, ...] = ()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PlanEntry:
        """Read an entry of ``plan``."""
        return cls(
            str(data["experiment"]),
            str(data["variant"]),
            dict(data.get("factors", {})),
            data.get("trials", 1),
            tuple(data.get("skipped", ())),
        )

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value != ()}

    def has(self, number: int) -> bool:
        """Whether there is to be a trial with this number."""
        return number <= self.trials and number not in self.skipped


@dataclass(frozen=True)
class RoundsInfo:
    """The rounds of a run: ``ran`` of at most ``planned``; ``seed`` repeats their order.

    ``ended`` is BUDGET or CONFIDENCE if that ended the run early, else "". ``budget`` is in seconds, ``confidence`` in
    percent. ``left_out`` names the variants, as verdict.json does, that did not run because the budget was used.
    """

    seed: int
    planned: int
    ran: int = 0
    ended: str = ""
    budget: float | None = None
    confidence: float | None = None
    left_out: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RoundsInfo:
        return cls(**{**data, "left_out": tuple(data.get("left_out", ()))})

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value not in ("", (), None)}

    @property
    def cut(self) -> bool:
        """Whether the budget ended the run before all its trials."""
        return self.ended == BUDGET or bool(self.left_out)

    @property
    def words(self) -> str:
        """For example "1 of 3 (seed 7); the budget of 300 s ended the run; left out: dim"."""
        parts = [f"{self.ran} of {self.planned} (seed {self.seed})"]
        if self.confidence is not None:
            reached = "has" if self.ended == CONFIDENCE else "does not have"
            parts.append(f"the run {reached} the confidence of {self.confidence:g} %")
        if self.budget is not None and self.cut:
            parts.append(f"the budget of {self.budget:g} s ended the run")
        if self.left_out:
            parts.append(f"left out: {', '.join(self.left_out)}")
        return "; ".join(parts)
