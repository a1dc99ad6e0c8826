"""Decides verdicts from recorded observations. It reads only files, never a running container."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from reprolab.core.errors import Exit
from reprolab.scenario.model import Claim, Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.counting import Count, count, measured, rounded_interval
from reprolab.verdict.decide import Decision, decide
from reprolab.verdict.document import (
    ClaimVariant,
    ClaimVerdict,
    SignCount,
    VariantResult,
    Verdict,
    VerdictDocument,
)


def judge(
    scenario: Scenario,
    run: str,
    trials: Iterable[TrialRecord],
    recorded: VerdictDocument | None = None,
    doubted: Mapping[tuple[str, str], str] = MappingProxyType({}),
) -> VerdictDocument:
    """The verdict on one run's trials. ``run`` is its name (its UTC stamp), ``recorded`` the recorded verdict.

    ``doubted`` is (experiment, variant) -> why its trials are not all there: claims on it are inconclusive.
    """
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
            doubts = [
                doubted[experiment.name, name] for name in claim.expectations if (experiment.name, name) in doubted
            ]
            decision = Decision(Verdict.INCONCLUSIVE, doubts[0]) if doubts else _decision(claim, counts)
            claims.append(_claim_verdict(scenario, claim, decision, before.get(claim.id), rows))
    results = {scenario.variant_key(where, name): variant_result(rows) for (where, name), rows in by_variant.items()}
    # A variant that ran and has lost all its trials was asked all the same.
    results |= {scenario.variant_key(*key): VariantResult({}, 0, 0) for key in doubted if key not in by_variant}
    return VerdictDocument(scenario.name, run, tuple(claims), results, signs)


def _decision(claim: Claim, counts: Mapping[str, Count]) -> Decision:
    """The decision on a claim; a claim that the run did not ask is not decided by some of its variants."""
    decision = decide(claim, counts)
    if left_out := [name for name in claim.expectations if name not in counts]:
        why = "; ".join(f"{name} was not run" for name in left_out)
        return replace(decision, verdict=Verdict.INCONCLUSIVE, why=why, thin="")
    return decision


def _claim_verdict(
    scenario: Scenario,
    claim: Claim,
    decision: Decision,
    recorded: Verdict | None,
    rows: Mapping[str, ClaimVariant],
) -> ClaimVerdict:
    why = decision.why + (f" · but see {', '.join(claim.but)}" if claim.but else "")
    return ClaimVerdict(
        claim.id,
        claim.text,
        scenario.document.citation,
        decision.verdict,
        recorded,
        why,
        rows,
        None if decision.p is None else float(f"{float(decision.p):.4g}"),
        decision.thin,
    )


def _claim_variant(claim: Claim, name: str, total: Count, trials: list[TrialRecord]) -> ClaimVariant:
    texts = tuple(measured(claim, trials)) if claim.measured else None
    interval = rounded_interval(total.shown, total.trials)
    return ClaimVariant(claim.expectations[name], total.to_sign(), interval, texts)


def variant_result(trials: Sequence[TrialRecord]) -> VariantResult:
    """Summarize the trials of one variant; there must be at least one."""
    invalid = tuple(trial.invalid for trial in trials if trial.invalid)
    busy = sum(bool(trial.busy) for trial in trials)
    return VariantResult(dict(trials[0].factors), len(trials), len(trials) - len(invalid), invalid, busy)


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
        return "no claim was judged"
    new = sum(claim.recorded is None for claim in asked)
    if new == len(asked):
        return "everything decided, nothing on record yet"
    return status.words + (f", but for {new} not on record yet" if new else "")
