"""From recorded observations to verdicts: a pure function of files, never of a live container."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reprolab.core.errors import Exit
from reprolab.core.stats import rate_text, wilson
from reprolab.scenario.model import Claim, Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.document import (
    ClaimVariant,
    ClaimVerdict,
    Interval,
    Rate,
    SignCount,
    VariantResult,
    Verdict,
    VerdictDocument,
)


@dataclass(frozen=True)
class Count:
    """A sign in one variant: shown in ``shown`` of ``trials`` valid trials; ``errors`` where it raised.

    ``tries`` is the claim's rate over all trials, (k, n), where it has one.
    """

    shown: int
    trials: int
    errors: tuple[str, ...] = ()
    tries: tuple[int, int] | None = None

    def to_sign(self) -> SignCount:
        """What verdict.json keeps of it."""
        rate = Rate(*self.tries, _rounded(*self.tries)) if self.tries else None
        return SignCount(self.shown, self.trials, rate)

    @property
    def words(self) -> str:
        """The rate in brackets where there is one; empty where there is none."""
        return f" [{rate_text(*self.tries)}]" if self.tries else ""


def count(claim: Claim, trials: Iterable[TrialRecord]) -> Count:
    """Look for the claim's sign in each valid trial; a sign that raises is counted apart, never as absent."""
    shown = total = 0
    errors: list[str] = []
    tries: tuple[int, int] | None = None
    for trial in trials:
        if not trial.valid:
            continue
        try:
            answer = claim.sign(trial.observation)
            if not isinstance(answer, bool):
                raise TypeError(f"the sign returned {answer!r}, not a bool")
            if claim.rate:
                tries = _sum(tries or (0, 0), claim.rate(trial.observation))
        except Exception as error:
            errors.append(f"trial {trial.trial}: {type(error).__name__}: {error}")
            continue
        total += 1
        shown += answer
    return Count(shown, total, tuple(errors), tries)


def measured(claim: Claim, trials: Iterable[TrialRecord]) -> list[str]:
    """What the valid trials of a variant found, in the claim's own words, each once; one that it cannot say is "?"."""
    found: list[str] = []
    for trial in trials:
        if trial.valid and claim.measured:
            try:
                found.append(str(claim.measured(trial.observation)))
            except Exception:
                found.append("?")
    return list(dict.fromkeys(found))


def _sum(sum_so_far: tuple[int, int], more: tuple[int, int]) -> tuple[int, int]:
    """Two rates in one; raises ValueError for one that is none."""
    k, n = more
    if not 0 <= k <= n:
        raise ValueError(f"the rate {k} of {n} is none")
    return sum_so_far[0] + k, sum_so_far[1] + n


def decide(claim: Claim, counts: Mapping[str, Count]) -> tuple[Verdict, str]:
    """The verdict on one claim, and why, from the counts of the variants it needs.

    Refuted if any variant contradicts it; else inconclusive if a variant it needs has no valid trial
    or its sign raised; else confirmed.
    """
    contradictions = [
        _contradiction(claim, name, expected, counts[name])
        for name, expected in claim.expectations.items()
        if name in counts
    ]
    if told := [text for text in contradictions if text]:
        return Verdict.REFUTED, "; ".join(told)
    gaps = [_gap(name, counts.get(name)) for name in claim.expectations]
    if told := [text for text in gaps if text]:
        return Verdict.INCONCLUSIVE, "; ".join(told)
    return Verdict.CONFIRMED, _agreement(claim, counts)


def _contradiction(claim: Claim, name: str, expected: bool, seen: Count) -> str:
    if seen.trials == 0 or (expected and claim.sometimes and seen.errors):
        # A trial that could not be read may have been the one that showed it.
        return ""
    wanted = "in some trial" if claim.sometimes else "in every trial"
    if expected and (seen.shown == 0 or (seen.shown < seen.trials and not claim.sometimes)):
        return f"{name} showed it in {seen.shown}/{seen.trials}{seen.words}, expected {wanted}"
    if not expected and seen.shown > 0:
        return f"{name} showed it in {seen.shown}/{seen.trials}{seen.words}, expected in none"
    return ""


def _gap(name: str, seen: Count | None) -> str:
    if seen is None:
        return f"{name} was not run"
    if seen.trials == 0 and not seen.errors:
        return f"{name} has no valid trial"
    if seen.errors:
        return f"{name}: the sign could not be read ({seen.errors[0]})"
    return ""


def _agreement(claim: Claim, counts: Mapping[str, Count]) -> str:
    parts = [f"{name} {counts[name].shown}/{counts[name].trials}{counts[name].words}" for name in claim.shows]
    absent = [counts[name] for name in claim.absent]
    if len({(seen.trials, seen.tries) for seen in absent}) == 1 and len(absent) > 1:
        parts.append(f"{len(absent)} controls 0/{absent[0].trials}{absent[0].words} each")
    else:
        parts += [f"{name} 0/{counts[name].trials}{counts[name].words}" for name in claim.absent]
    return " · ".join(parts)


def judge(
    scenario: Scenario, run: str, trials: Iterable[TrialRecord], recorded: VerdictDocument | None = None
) -> VerdictDocument:
    """The verdict on one run's trials. ``run`` is its name (its UTC stamp), ``recorded`` the verdict on record."""
    by_variant: dict[tuple[str, str], list[TrialRecord]] = {}
    for trial in trials:
        by_variant.setdefault((trial.experiment, trial.variant), []).append(trial)
    before = {claim.id: claim.verdict for claim in recorded.claims} if recorded else {}
    claims: list[ClaimVerdict] = []
    signs: dict[str, dict[str, SignCount]] = {}
    for experiment in scenario.experiments.values():
        own = {name: rows for (where, name), rows in by_variant.items() if where == experiment.name}
        for claim in experiment.claims:
            counts = {name: count(claim, rows) for name, rows in own.items()}
            signs[claim.id] = {scenario.variant_key(experiment.name, n): c.to_sign() for n, c in counts.items()}
            rows = {
                scenario.variant_key(experiment.name, name): _claim_variant(
                    claim, name, counts.get(name, Count(0, 0)), own.get(name, [])
                )
                for name in claim.expectations
            }
            claims.append(_claim_verdict(scenario, claim, counts, before.get(claim.id), rows))
    variants = {scenario.variant_key(where, name): variant_result(rows) for (where, name), rows in by_variant.items()}
    return VerdictDocument(scenario.name, run, tuple(claims), variants, signs)


def _claim_verdict(
    scenario: Scenario,
    claim: Claim,
    counts: Mapping[str, Count],
    recorded: Verdict | None,
    rows: Mapping[str, ClaimVariant],
) -> ClaimVerdict:
    verdict, why = decide(claim, counts)
    if claim.but:
        why += f" · but see {', '.join(claim.but)}"
    return ClaimVerdict(claim.id, claim.text, scenario.document.citation, verdict, recorded, why, rows)


def _claim_variant(claim: Claim, name: str, seen: Count, trials: list[TrialRecord]) -> ClaimVariant:
    words = tuple(measured(claim, trials)) if claim.measured else None
    return ClaimVariant(claim.expectations[name], seen.to_sign(), _rounded(seen.shown, seen.trials), words)


def variant_result(trials: Sequence[TrialRecord]) -> VariantResult:
    """How the trials of one variant, of which there is at least one, ended."""
    invalid = tuple(trial.invalid for trial in trials if trial.invalid)
    return VariantResult(dict(trials[0].factors), len(trials), len(trials) - len(invalid), invalid)


def _rounded(shown: int, trials: int) -> Interval:
    low, high = wilson(shown, trials)
    return round(low, 4), round(high, 4)


def exit_status(verdict: VerdictDocument) -> Exit:
    """0 as recorded (or nothing on record), 1 drift, 3 something that was asked stayed undecided.

    A claim whose variants were not all run was not asked: it stays inconclusive without being a failure.
    """
    if verdict.drifted:
        return Exit.DRIFT
    for claim in verdict.claims:
        undecided = claim.verdict == Verdict.INCONCLUSIVE and claim.recorded != Verdict.INCONCLUSIVE
        if undecided and verdict.asked(claim):
            return Exit.INCONCLUSIVE
    if not any(row.valid for row in verdict.variants.values()):
        return Exit.INCONCLUSIVE
    return Exit.AS_RECORDED


def exit_words(status: Exit, verdict: VerdictDocument) -> str:
    """What a run's exit status says: its name, but 0 only where something on record is as it was."""
    judged = [claim for claim in verdict.claims if verdict.asked(claim)]
    if status != Exit.AS_RECORDED:
        return status.words
    if not judged:
        return "no claim was asked"
    new = sum(claim.recorded is None for claim in judged)
    if new == len(judged):
        return "everything decided, nothing on record yet"
    return status.words + (f", but for {new} not on record yet" if new else "")
