"""Decides verdicts from recorded observations. It reads only files, never a running container."""

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
    """A sign in one variant: ``shown`` of ``trials`` valid trials showed it. ``errors`` tells where it raised.

    ``tries`` is the claim's rate over all trials, (k, n), if it has one.
    """

    shown: int
    trials: int
    errors: tuple[str, ...] = ()
    tries: tuple[int, int] | None = None

    def to_sign(self) -> SignCount:
        """The part that verdict.json stores."""
        rate = Rate(*self.tries, _rounded_interval(*self.tries)) if self.tries else None
        return SignCount(self.shown, self.trials, rate)

    @property
    def words(self) -> str:
        """The rate in brackets; empty without a rate."""
        return f" [{rate_text(*self.tries)}]" if self.tries else ""


def count(claim: Claim, trials: Iterable[TrialRecord]) -> Count:
    """Evaluate the claim's sign in each valid trial. A sign that raises is an error; it does not count as absent."""
    shown = total = 0
    errors: list[str] = []
    tries: tuple[int, int] | None = None
    for trial in trials:
        if not trial.valid:
            continue
        try:
            result = claim.sign(trial.observation)
            if not isinstance(result, bool):
                raise TypeError(f"the sign returned {result!r}, not a bool")
            if claim.rate:
                tries = _add_rate(tries or (0, 0), claim.rate(trial.observation))
        except Exception as error:
            errors.append(f"trial {trial.trial}: {type(error).__name__}: {error}")
            continue
        total += 1
        shown += result
    return Count(shown, total, tuple(errors), tries)


def measured(claim: Claim, trials: Iterable[TrialRecord]) -> list[str]:
    """The distinct texts of the claim's ``measured`` function for the valid trials; "?" where it raises."""
    texts: list[str] = []
    for trial in trials:
        if trial.valid and claim.measured:
            try:
                texts.append(str(claim.measured(trial.observation)))
            except Exception:
                texts.append("?")
    return list(dict.fromkeys(texts))


def _add_rate(total: tuple[int, int], rate: tuple[int, int]) -> tuple[int, int]:
    """The sum of two rates. Raises ValueError for an impossible rate."""
    k, n = rate
    if not 0 <= k <= n:
        raise ValueError(f"the rate {k} of {n} is impossible")
    return total[0] + k, total[1] + n


def decide(claim: Claim, counts: Mapping[str, Count]) -> tuple[Verdict, str]:
    """The verdict on one claim, and its reason, from the counts of the variants that it needs.

    Refuted if any variant contradicts the claim. Otherwise inconclusive if a variant has no valid trial, or if the sign
    raised. Otherwise confirmed.
    """
    contradictions = [
        _contradiction(claim, name, expected, counts[name])
        for name, expected in claim.expectations.items()
        if name in counts
    ]
    if reasons := [reason for reason in contradictions if reason]:
        return Verdict.REFUTED, "; ".join(reasons)
    gaps = [_gap(name, counts.get(name)) for name in claim.expectations]
    if reasons := [reason for reason in gaps if reason]:
        return Verdict.INCONCLUSIVE, "; ".join(reasons)
    return Verdict.CONFIRMED, _agreement(claim, counts)


def _contradiction(claim: Claim, name: str, expected: bool, total: Count) -> str:
    if total.trials == 0 or (expected and claim.sometimes and total.errors):
        # The trial whose sign raised may have shown it.
        return ""
    expectation = "in some trial" if claim.sometimes else "in every trial"
    if expected and (total.shown == 0 or (total.shown < total.trials and not claim.sometimes)):
        return f"{name} showed it in {total.shown}/{total.trials}{total.words}, expected {expectation}"
    if not expected and total.shown > 0:
        return f"{name} showed it in {total.shown}/{total.trials}{total.words}, expected in none"
    return ""


def _gap(name: str, total: Count | None) -> str:
    if total is None:
        return f"{name} was not run"
    if total.trials == 0 and not total.errors:
        return f"{name} has no valid trial"
    if total.errors:
        return f"{name}: the sign could not be read ({total.errors[0]})"
    return ""


def _agreement(claim: Claim, counts: Mapping[str, Count]) -> str:
    parts = [f"{name} {counts[name].shown}/{counts[name].trials}{counts[name].words}" for name in claim.shows]
    absent = [counts[name] for name in claim.absent]
    if len({(total.trials, total.tries) for total in absent}) == 1 and len(absent) > 1:
        parts.append(f"{len(absent)} controls 0/{absent[0].trials}{absent[0].words} each")
    else:
        parts += [f"{name} 0/{counts[name].trials}{counts[name].words}" for name in claim.absent]
    return " · ".join(parts)


def judge(
    scenario: Scenario, run: str, trials: Iterable[TrialRecord], recorded: VerdictDocument | None = None
) -> VerdictDocument:
    """The verdict on one run's trials. ``run`` is its name (its UTC stamp), ``recorded`` the recorded verdict."""
    by_variant: dict[tuple[str, str], list[TrialRecord]] = {}
    for trial in trials:
        by_variant.setdefault((trial.experiment, trial.variant), []).append(trial)
    before = {claim.id: claim.verdict for claim in recorded.claims} if recorded else {}
    claims: list[ClaimVerdict] = []
    signs: dict[str, dict[str, SignCount]] = {}
    for experiment in scenario.experiments.values():
        variants = {name: rows for (where, name), rows in by_variant.items() if where == experiment.name}
        for claim in experiment.claims:
            counts = {name: count(claim, rows) for name, rows in variants.items()}
            signs[claim.id] = {
                scenario.variant_key(experiment.name, name): total.to_sign() for name, total in counts.items()
            }
            rows = {
                scenario.variant_key(experiment.name, name): _claim_variant(
                    claim, name, counts.get(name, Count(0, 0)), variants.get(name, [])
                )
                for name in claim.expectations
            }
            claims.append(_claim_verdict(scenario, claim, counts, before.get(claim.id), rows))
    results = {scenario.variant_key(where, name): variant_result(rows) for (where, name), rows in by_variant.items()}
    return VerdictDocument(scenario.name, run, tuple(claims), results, signs)


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


def _claim_variant(claim: Claim, name: str, total: Count, trials: list[TrialRecord]) -> ClaimVariant:
    texts = tuple(measured(claim, trials)) if claim.measured else None
    interval = _rounded_interval(total.shown, total.trials)
    return ClaimVariant(claim.expectations[name], total.to_sign(), interval, texts)


def variant_result(trials: Sequence[TrialRecord]) -> VariantResult:
    """Summarize the trials of one variant; there must be at least one."""
    invalid = tuple(trial.invalid for trial in trials if trial.invalid)
    return VariantResult(dict(trials[0].factors), len(trials), len(trials) - len(invalid), invalid)


def _rounded_interval(shown: int, trials: int) -> Interval:
    low, high = wilson(shown, trials)
    return round(low, 4), round(high, 4)


def exit_status(verdict: VerdictDocument) -> Exit:
    """0 as recorded (or nothing recorded), 1 drift, 3 inconclusive: a claim that the run asks was not decided.

    A run asks a claim if it has every variant of the claim. Other claims are inconclusive too, but this is no failure.
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
    """The text for a run's exit status; for status 0 it tells how many of the verdicts are recorded."""
    asked = [claim for claim in verdict.claims if verdict.asked(claim)]
    if status != Exit.AS_RECORDED:
        return status.words
    if not asked:
        return "no claim was asked"
    new = sum(claim.recorded is None for claim in asked)
    if new == len(asked):
        return "everything decided, nothing on record yet"
    return status.words + (f", but for {new} not on record yet" if new else "")
