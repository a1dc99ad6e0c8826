"""What pytest says of a claim: from the lab's verdict to passed, failed, or one of the words for undecided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from reprolab.core.files import display_path
from reprolab.report.layers import Comparison
from reprolab.run.watch import drift_line
from reprolab.scenario.model import CUSTOM, Scenario
from reprolab.verdict.document import ClaimVerdict, Verdict, VerdictDocument


class Kind(StrEnum):
    """The outcome of a claim, as pytest counts it."""

    PASSED = "passed"
    FAILED = "failed"
    INTERMITTENT = "intermittent"
    INCONCLUSIVE = "inconclusive"
    NOT_JUDGED = "not judged"

    @property
    def letter(self) -> str:
        return {"passed": ".", "failed": "F", "intermittent": "~", "inconclusive": "?", "not judged": "-"}[self]

    @property
    def undecided(self) -> bool:
        """Whether it is neither a pass nor a failure."""
        return self not in (Kind.PASSED, Kind.FAILED)


@dataclass(frozen=True)
class Outcome:
    """The outcome of one claim. ``word`` is for one line, ``text`` has the reason and the evidence.

    ``ends_well`` says whether pytest takes it for no failure: a claim that passed, or one whose undecided verdict is on
    record. ``drift``: it was decided differently from the record. ``thin``: it rests on too few trials.
    """

    kind: Kind
    word: str
    text: str
    ends_well: bool
    drift: bool = False
    thin: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain values: pytest-xdist sends them from a worker to its controller."""
        return {**asdict(self), "kind": str(self.kind)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Outcome:
        return cls(**{**data, "kind": Kind(data["kind"])})

    @property
    def open(self) -> bool:
        """Whether the claim is undecided, which is neither on record nor a drift from the record."""
        return self.kind.undecided and not (self.ends_well or self.drift)


@dataclass(frozen=True)
class JudgedRun:
    """A run of a scenario with its verdict.

    ``comparison`` is None without a record. ``failure`` says what failed in the lab although the run went to its end.
    """

    scenario: Scenario
    path: Path
    verdict: VerdictDocument
    comparison: Comparison | None = None
    failure: str = ""

    def outcome(self, identifier: str) -> Outcome:
        """The outcome of a claim. The run has a verdict on every claim of its scenario."""
        claim = self.verdict.claim(identifier)
        assert claim is not None
        kind, word, reason = self._decided(claim)
        as_recorded = claim.verdict == claim.recorded and self.verdict.asked(claim)
        drift = claim.id in self.verdict.drifted
        text = "\n".join([reason, f"  claim:    {claim.text}", *self._evidence(claim)])
        return Outcome(
            kind, word, text, kind is Kind.PASSED or (kind.undecided and as_recorded), drift, bool(claim.thin)
        )

    def _decided(self, claim: ClaimVerdict) -> tuple[Kind, str, str]:
        """The kind of the outcome, the word for it, and the reason, in which the verdict is named."""
        reason = f"{claim.verdict}: {claim.reason}"
        if not self.verdict.asked(claim):
            return Kind.NOT_JUDGED, "NOT JUDGED", f"not judged: {self._not_asked(claim)}"
        if claim.id in self.verdict.drifted:
            kind = Kind.INTERMITTENT if claim.verdict == Verdict.INTERMITTENT else Kind.FAILED
            return kind, f"{kind.upper()} (drift)", drift_line(claim, self.comparison)
        if claim.verdict == Verdict.INCONCLUSIVE and self.failure:
            return Kind.FAILED, "FAILED", f"{self.failure}: {claim.why}"
        on_record = ", as on record" if claim.recorded == claim.verdict else ""
        if claim.verdict in (Verdict.INCONCLUSIVE, Verdict.INTERMITTENT):
            kind = Kind(str(claim.verdict))
            return kind, kind.upper() + on_record, reason
        if claim.verdict == Verdict.REFUTED and not on_record:
            return Kind.FAILED, "FAILED (refuted)", reason
        refuted = f" (refuted{on_record})" if claim.verdict == Verdict.REFUTED else ""
        return Kind.PASSED, f"PASSED{refuted}{' (thin)' if claim.thin else ''}", reason

    def _not_asked(self, claim: ClaimVerdict) -> str:
        """Why the claim is not judged, and how often its sign showed in what ran."""
        signs = self.verdict.signs.get(claim.id, {})
        counts = ", ".join(f"{name} {count.text}" for name, count in signs.items())
        customs = all(name.rpartition("/")[2] == CUSTOM for name in self.verdict.variants)
        why = "by factors of your own no claim is judged" if customs else claim.why
        return f"{why}; the sign showed in {counts or 'no variant that ran'}"

    def _evidence(self, claim: ClaimVerdict) -> Iterator[str]:
        """The run's directory, and for each variant of the claim what was expected, what was seen, and where."""
        yield f"  evidence: {display_path(self.path)}/"
        experiment = next(e.name for e in self.scenario.experiments.values() if claim.id in {c.id for c in e.claims})
        for key, row in claim.variants.items():
            if key in self.verdict.variants:
                expected = "shows" if row.expected else "is absent"
                variant = key.rpartition("/")[2]
                yield f"    {experiment}/{variant}/: the sign showed in {row.count.text}, expected: it {expected}"


def counted(outcomes: Sequence[Outcome]) -> str:
    """How many outcomes there are of each kind: "10 passed, 2 inconclusive; 3 of them thin: too few trials"."""
    kinds = [outcome.kind for outcome in outcomes]
    words = ", ".join(f"{kinds.count(kind)} {kind}" for kind in Kind if kind in kinds)
    thin = sum(outcome.thin for outcome in outcomes)
    return f"{words}; {thin} of them thin: too few trials" if thin else words
