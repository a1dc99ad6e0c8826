"""verdict.json, typed: what a run says of each claim, variant and sign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from reprolab.core.files import format_errors, read_json, write_json
from reprolab.core.stats import rate_text
from reprolab.evidence.run_dir import RunDirectory

SCHEMA = 1
VERDICT_FILE = "verdict.json"

Interval = tuple[float, float]


class Verdict(StrEnum):
    """What the lab says of a claim."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Rate:
    """Tries within trials: ``shown`` of ``of``, with the 95 % Wilson interval."""

    shown: int
    of: int
    interval: Interval

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Rate:
        """Read a ``rate``."""
        return cls(data["shown"], data["of"], _interval(data))

    def to_json(self) -> dict[str, Any]:
        """A ``rate``."""
        return {"shown": self.shown, "of": self.of, "interval": list(self.interval)}

    @property
    def text(self) -> str:
        """k/n with the interval."""
        return rate_text(self.shown, self.of)


@dataclass(frozen=True)
class SignCount:
    """A sign in one variant: shown in ``shown`` of ``trials`` valid trials; ``rate`` where the claim has one."""

    shown: int
    trials: int
    rate: Rate | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SignCount:
        """Read an entry of ``signs``."""
        return cls(data["shown"], data["trials"], Rate.from_json(data["rate"]) if "rate" in data else None)

    def to_json(self) -> dict[str, Any]:
        """An entry of ``signs``."""
        plain: dict[str, Any] = {"shown": self.shown, "trials": self.trials}
        return plain | {"rate": self.rate.to_json()} if self.rate else plain

    @property
    def text(self) -> str:
        """k/n, with the rate in brackets where the claim has one."""
        return f"{self.shown}/{self.trials}" + (f" [{self.rate.text}]" if self.rate else "")


@dataclass(frozen=True)
class ClaimVariant:
    """A variant that a claim needs: whether the sign must show, how often it did, and the interval of that.

    ``measured`` is what the trials found in the claim's words; None for a claim that says nothing of it.
    """

    expected: bool
    count: SignCount
    interval: Interval
    measured: tuple[str, ...] | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ClaimVariant:
        """Read a variant of a claim."""
        measured = tuple(data["measured"]) if "measured" in data else None
        return cls(data["expected"], SignCount.from_json(data), _interval(data), measured)

    def to_json(self) -> dict[str, Any]:
        """A variant of a claim."""
        row = {"expected": self.expected, **self.count.to_json(), "interval": list(self.interval)}
        return row if self.measured is None else row | {"measured": list(self.measured)}


@dataclass(frozen=True)
class ClaimVerdict:
    """The verdict on one claim, why, and the variants that it needs; ``recorded`` is the verdict on record."""

    id: str
    text: str
    document: str
    verdict: Verdict
    recorded: Verdict | None
    why: str
    variants: Mapping[str, ClaimVariant] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ClaimVerdict:
        """Read an entry of ``claims``."""
        return cls(
            id=data["id"],
            text=data.get("text", ""),
            document=data.get("document", ""),
            verdict=Verdict(data["verdict"]),
            recorded=Verdict(data["recorded"]) if data.get("recorded") else None,
            why=data.get("why", ""),
            variants={name: ClaimVariant.from_json(row) for name, row in data.get("variants", {}).items()},
        )

    def to_json(self) -> dict[str, Any]:
        """An entry of ``claims``."""
        return {
            "id": self.id,
            "text": self.text,
            "document": self.document,
            "verdict": str(self.verdict),
            "recorded": None if self.recorded is None else str(self.recorded),
            "why": self.why,
            "variants": {name: row.to_json() for name, row in self.variants.items()},
        }


@dataclass(frozen=True)
class VariantResult:
    """How a variant ran: the factors it changes, how many trials, how many valid, and why the others are not."""

    factors: Mapping[str, str]
    trials: int
    valid: int
    invalid: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> VariantResult:
        """Read an entry of ``variants``."""
        return cls(dict(data.get("factors", {})), data["trials"], data["valid"], tuple(data.get("invalid", ())))

    def to_json(self) -> dict[str, Any]:
        """An entry of ``variants``."""
        return {
            "factors": dict(self.factors),
            "trials": self.trials,
            "valid": self.valid,
            "invalid": list(self.invalid),
        }


@dataclass(frozen=True)
class VerdictDocument:
    """The content of verdict.json (schema 1): ``signs`` is claim -> variant -> count, for every variant that ran."""

    scenario: str
    run: str
    claims: tuple[ClaimVerdict, ...]
    variants: Mapping[str, VariantResult] = field(default_factory=dict)
    signs: Mapping[str, Mapping[str, SignCount]] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> VerdictDocument:
        """Read the content of verdict.json, or that part of recorded.json; KeyError and the like for what is none."""
        return cls(
            scenario=data.get("scenario", ""),
            run=data.get("run", ""),
            claims=tuple(ClaimVerdict.from_json(row) for row in data.get("claims", ())),
            variants={name: VariantResult.from_json(row) for name, row in data.get("variants", {}).items()},
            signs={
                claim: {name: SignCount.from_json(row) for name, row in counts.items()}
                for claim, counts in data.get("signs", {}).items()
            },
        )

    def to_json(self) -> dict[str, Any]:
        """The content of verdict.json."""
        return {
            "schema": SCHEMA,
            "scenario": self.scenario,
            "run": self.run,
            "claims": [claim.to_json() for claim in self.claims],
            "variants": {name: row.to_json() for name, row in self.variants.items()},
            "signs": {
                claim: {name: count.to_json() for name, count in counts.items()} for claim, counts in self.signs.items()
            },
        }

    def claim(self, identifier: str) -> ClaimVerdict | None:
        """The verdict on a claim; None where the run says nothing of it."""
        return next((claim for claim in self.claims if claim.id == identifier), None)

    def asked(self, claim: ClaimVerdict) -> bool:
        """Whether the run held every variant that the claim needs (``--variant`` and ``--set`` leave some out)."""
        return claim.variants.keys() <= self.variants.keys()

    @property
    def drifted(self) -> list[str]:
        """The ids of the claims that were decided, and differently from what is on record."""
        return [
            claim.id
            for claim in self.claims
            if claim.recorded is not None and claim.verdict != claim.recorded and claim.verdict != Verdict.INCONCLUSIVE
        ]


def read_verdict(run: RunDirectory) -> VerdictDocument | None:
    """A run's verdict.json; None where it was not judged. Raises UsageError for a file that is broken."""
    path = run.path / VERDICT_FILE
    if not path.exists():
        return None
    content = read_json(path)
    with format_errors(path):
        return VerdictDocument.from_json(content)


def write_verdict(run: RunDirectory, verdict: VerdictDocument) -> None:
    """Write a run's verdict.json."""
    write_json(run.path / VERDICT_FILE, verdict.to_json())


def _interval(data: Mapping[str, Any]) -> Interval:
    low, high = data["interval"]
    return low, high
