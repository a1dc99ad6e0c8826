"""The content of verdict.json: a run's verdict on each claim, its variants and its signs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from reprolab.core.files import format_errors, read_json, write_json
from reprolab.core.stats import p_words, rate_text
from reprolab.core.typed import checked
from reprolab.evidence.run_dir import RunDirectory

# Schema 1 had no intermittent verdicts, no trials that do not count, and no p. It is still read.
SCHEMA = 2
VERDICT_FILE = "verdict.json"

Interval = tuple[float, float]


class Verdict(StrEnum):
    """The lab's decision on a claim."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    INTERMITTENT = "intermittent"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Rate:
    """A rate over the tries within trials: ``shown`` of ``of``, with the 95 % Wilson interval."""

    shown: int
    of: int
    interval: Interval

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Rate:
        return cls(data["shown"], data["of"], _interval(data))

    def to_json(self) -> dict[str, Any]:
        return {"shown": self.shown, "of": self.of, "interval": list(self.interval)}

    @property
    def text(self) -> str:
        """For example "16/20 (58–92 %)"."""
        return rate_text(self.shown, self.of)


@dataclass(frozen=True)
class SignCount:
    """A sign in one variant: ``shown`` of ``trials`` trials that count showed it; ``rate`` if the claim has one.

    Valid trials that do not count for the claim: ``not_exercised`` did not exercise it, ``busy`` were disturbed by
    other work.
    """

    shown: int
    trials: int
    rate: Rate | None = None
    not_exercised: int = 0
    busy: int = 0

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SignCount:
        rate = Rate.from_json(data["rate"]) if "rate" in data else None
        return cls(data["shown"], data["trials"], rate, data.get("not_exercised", 0), data.get("busy", 0))

    def to_json(self) -> dict[str, Any]:
        plain: dict[str, Any] = {"shown": self.shown, "trials": self.trials}
        if self.rate:
            plain["rate"] = self.rate.to_json()
        uncounted = {"not_exercised": self.not_exercised, "busy": self.busy}
        return plain | {name: number for name, number in uncounted.items() if number}

    @property
    def text(self) -> str:
        """For example "2/2", or "2/2 [16/20 (58–92 %)]" with a rate, and the trials that do not count."""
        rate = f" [{self.rate.text}]" if self.rate else ""
        return f"{self.shown}/{self.trials}{rate}" + (f" ({self.uncounted})" if self.uncounted else "")

    @property
    def uncounted(self) -> str:
        """The valid trials that do not count, for example "1 not exercised, 2 disturbed"."""
        words = [(self.not_exercised, "not exercised"), (self.busy, "disturbed")]
        return ", ".join(f"{number} {word}" for number, word in words if number)


@dataclass(frozen=True)
class ClaimVariant:
    """A variant that a claim needs: whether the sign is expected, and how often it was shown, with the interval.

    ``measured`` is the distinct texts of the claim's ``measured`` function; None if the claim has no such function.
    """

    expected: bool
    count: SignCount
    interval: Interval
    measured: tuple[str, ...] | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ClaimVariant:
        measured = tuple(data["measured"]) if "measured" in data else None
        return cls(data["expected"], SignCount.from_json(data), _interval(data), measured)

    def to_json(self) -> dict[str, Any]:
        row = {"expected": self.expected, **self.count.to_json(), "interval": list(self.interval)}
        return row if self.measured is None else row | {"measured": list(self.measured)}


@dataclass(frozen=True)
class ClaimVerdict:
    """The verdict on one claim, its reason, and the variants that it needs; ``recorded`` is the recorded verdict.

    ``p`` is the probability that the cases show the sign so much more often than the controls by chance, None without
    a control. ``thin`` says why the verdict rests on too few trials, "" if it does not.
    """

    id: str
    text: str
    document: str
    verdict: Verdict
    recorded: Verdict | None
    why: str
    variants: Mapping[str, ClaimVariant] = field(default_factory=dict)
    p: float | None = None
    thin: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ClaimVerdict:
        return cls(
            id=data["id"],
            text=data.get("text", ""),
            document=data.get("document", ""),
            verdict=Verdict(data["verdict"]),
            recorded=Verdict(data["recorded"]) if data.get("recorded") else None,
            why=data.get("why", ""),
            variants={name: ClaimVariant.from_json(row) for name, row in data.get("variants", {}).items()},
            p=data.get("p"),
            thin=data.get("thin", ""),
        )

    @property
    def reason(self) -> str:
        """``why``, with p where the verdict is confirmed, or with the reason why the verdict is thin."""
        if self.thin:
            return f"{self.why} · {self.thin}"
        return self.why if self.p is None or self.verdict != Verdict.CONFIRMED else f"{self.why} · p {p_words(self.p)}"

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "text": self.text,
            "document": self.document,
            "verdict": str(self.verdict),
            "recorded": None if self.recorded is None else str(self.recorded),
            "why": self.why,
            "p": self.p,
            "thin": self.thin,
            "variants": {name: row.to_json() for name, row in self.variants.items()},
        }


@dataclass(frozen=True)
class VariantResult:
    """A variant of a run: the factors it changes, the numbers of all and of valid trials, the reasons of the others.

    Other work disturbed ``busy`` of the trials.
    """

    factors: Mapping[str, str]
    trials: int
    valid: int
    invalid: tuple[str, ...] = ()
    busy: int = 0

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> VariantResult:
        factors, invalid = dict(data.get("factors", {})), tuple(data.get("invalid", ()))
        return cls(factors, data["trials"], data["valid"], invalid, data.get("busy", 0))

    def to_json(self) -> dict[str, Any]:
        return {
            "factors": dict(self.factors),
            "trials": self.trials,
            "valid": self.valid,
            "invalid": list(self.invalid),
        } | ({"busy": self.busy} if self.busy else {})


@dataclass(frozen=True)
class VerdictDocument:
    """The content of verdict.json (see SCHEMA): ``signs`` is claim -> variant -> count, for every variant that ran."""

    scenario: str
    run: str
    claims: tuple[ClaimVerdict, ...]
    variants: Mapping[str, VariantResult] = field(default_factory=dict)
    signs: Mapping[str, Mapping[str, SignCount]] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> VerdictDocument:
        """Read verdict.json, or the same keys of recorded.json. Raises KeyError, TypeError or ValueError."""
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
        """The verdict on a claim; None if the run has no verdict on it."""
        return next((claim for claim in self.claims if claim.id == identifier), None)

    def asked(self, claim: ClaimVerdict) -> bool:
        """Whether the run has every variant that the claim needs; with ``--variant`` or ``--set`` it may have fewer."""
        return claim.variants.keys() <= self.variants.keys()

    @property
    def drifted(self) -> list[str]:
        """The ids of the judged claims whose verdict was decided and differs from the recorded one."""
        return [
            claim.id
            for claim in self.claims
            if self.asked(claim)
            and claim.recorded is not None
            and claim.verdict not in (claim.recorded, Verdict.INCONCLUSIVE)
        ]


def read_verdict(run: RunDirectory) -> VerdictDocument | None:
    """Read a run's verdict.json; None if the run was not judged. Raises UsageError for a broken file."""
    path = run.path / VERDICT_FILE
    if not path.exists():
        return None
    content = read_json(path)
    with format_errors(path):
        return checked(VerdictDocument.from_json(content))


def write_verdict(run: RunDirectory, verdict: VerdictDocument) -> None:
    """Write a run's verdict.json."""
    write_json(run.path / VERDICT_FILE, verdict.to_json())


def _interval(data: Mapping[str, Any]) -> Interval:
    low, high = data["interval"]
    return low, high
