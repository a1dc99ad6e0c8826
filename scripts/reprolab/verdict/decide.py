"""Decides the verdict on one claim from the counts of its sign."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from reprolab.core.number_words import plural
from reprolab.core.stats import fisher, p_words, rate_text
from reprolab.scenario.model import Claim
from reprolab.verdict.counting import Count
from reprolab.verdict.document import Verdict

# A verdict whose p is above this could be chance.
CHANCE = Fraction(1, 20)
# A claim without controls has no p. A verdict from fewer trials is thin.
FEWEST_TRIALS = 3
# Of several verdicts that hold, the first one is given.
ORDER = (Verdict.REFUTED, Verdict.INTERMITTENT, Verdict.INCONCLUSIVE)


@dataclass(frozen=True)
class Decision:
    """The verdict on a claim with its reason.

    ``p`` is the probability that the cases show the sign so much more often than the controls by chance; None if the
    claim has variants on one side only, or if one side has no trial that counts. ``thin`` says why a verdict rests on
    too few trials; it is empty for others.
    """

    verdict: Verdict
    why: str
    p: Fraction | None = None
    thin: str = ""


def decide(claim: Claim, counts: Mapping[str, Count]) -> Decision:
    """The verdict on one claim from the counts of the variants that it needs.

    Refuted if a variant that must show the sign showed it in no trial, or one that must not showed it in all.
    Otherwise intermittent if a variant showed it in some trials only. Otherwise inconclusive if a variant has no trial
    that counts, or if the sign or the trigger raised. Otherwise confirmed.
    """
    reasons: dict[Verdict, list[str]] = {verdict: [] for verdict in ORDER}
    for name, expected in claim.expectations.items():
        for verdict, reason in _doubts(claim, name, expected, counts.get(name)):
            reasons[verdict].append(reason)
    verdict = next((verdict for verdict in ORDER if reasons[verdict]), Verdict.CONFIRMED)
    p = _p(claim, counts)
    why = "; ".join(reasons[verdict]) if verdict in reasons else _agreement(claim, counts)
    if verdict == Verdict.INTERMITTENT and p is not None:
        why += f"; {_difference(claim, counts, p)}"
    return Decision(verdict, why, p, _thin(claim, counts, verdict, p))


def _doubts(claim: Claim, name: str, expected: bool, total: Count | None) -> Iterable[tuple[Verdict, str]]:
    """The verdicts other than confirmed that one variant asks for, each with the reason."""
    if total is None:
        yield Verdict.INCONCLUSIVE, f"{name} was not run"
        return
    if total.trials and (verdict := _contradiction(claim, expected, total)):
        wanted = ("in some trial" if claim.sometimes else "in every trial") if expected else "in none"
        yield verdict, f"{name} showed it in {_with_interval(total)}, expected {wanted}"
    if total.errors:
        yield Verdict.INCONCLUSIVE, f"{name}: the sign could not be read ({total.errors[0]})"
    elif not total.trials:
        yield Verdict.INCONCLUSIVE, f"{name} {_gap(total)}"


def _contradiction(claim: Claim, expected: bool, total: Count) -> Verdict | None:
    """What the trials of one variant say against the claim; there must be a trial that counts."""
    as_expected = total.shown if expected else total.trials - total.shown
    if as_expected == total.trials or (expected and claim.sometimes and (total.shown or total.errors)):
        # A trial whose sign raised may be the one that showed it.
        return None
    return Verdict.INTERMITTENT if as_expected else Verdict.REFUTED


def _with_interval(total: Count) -> str:
    """The count; with the interval of the rate where the sign showed in some trials only."""
    mixed = 0 < total.shown < total.trials
    return total.words if total.tries or not mixed else rate_text(total.shown, total.trials)


def _gap(total: Count) -> str:
    if total.not_exercised and total.busy:
        return (
            f"has no trial that counts: {plural(total.not_exercised, 'valid trial')} did not exercise the claim, and "
            f"{total.disturbance}"
        )
    if total.not_exercised:
        trials = plural(total.not_exercised, "valid trial")
        return f"was not exercised: what the claim is about did not happen in {trials}"
    if total.busy:
        return f"{'was disturbed' if total.busy > total.unwatched else 'decides nothing'}: {total.disturbance}"
    return "has no valid trial"


def _pooled(counts: Mapping[str, Count], names: Iterable[str]) -> tuple[int, int]:
    tallies = [counts[name].tally for name in names if name in counts]
    return sum(k for k, _ in tallies), sum(n for _, n in tallies)


def _p(claim: Claim, counts: Mapping[str, Count]) -> Fraction | None:
    cases, controls = _pooled(counts, claim.shows), _pooled(counts, claim.absent)
    return fisher(cases, controls) if cases[1] and controls[1] else None


def _difference(claim: Claim, counts: Mapping[str, Count], p: Fraction) -> str:
    """Whether cases and controls differ although the sign comes and goes."""
    word = "cases and controls still differ" if p <= CHANCE else "cases and controls may differ by chance"
    return f"{word}: {_against(claim, counts)}, p {p_words(p)}"


def _against(claim: Claim, counts: Mapping[str, Count]) -> str:
    (k, n), (other, others) = _pooled(counts, claim.shows), _pooled(counts, claim.absent)
    return f"{k} of {n} against {other} of {others}"


def _thin(claim: Claim, counts: Mapping[str, Count], verdict: Verdict, p: Fraction | None) -> str:
    """Why the verdict rests on too few trials; empty if it does not."""
    if verdict == Verdict.REFUTED:
        against = sum(
            counts[name].trials
            for name, expected in claim.expectations.items()
            if name in counts
            and counts[name].trials
            and _contradiction(claim, expected, counts[name]) == Verdict.REFUTED
        )
        return "refuted by a single trial" if against == 1 else ""
    if verdict != Verdict.CONFIRMED:
        return ""
    if p is not None:
        return _chance(claim, counts, p)
    trials = sum(counts[name].trials for name in claim.expectations)
    return f"only {plural(trials, 'trial')}" if trials < FEWEST_TRIALS else ""


def _chance(claim: Claim, counts: Mapping[str, Count], p: Fraction) -> str:
    """Whether the tries or the trials are too few.

    The tries of one trial share a stack. If something decides at its start how they all come out, they are worth one.
    """
    if p > CHANCE:
        return f"could be chance: {_against(claim, counts)}, p {p_words(p)}"
    trials = {name: replace(total, tries=None) for name, total in counts.items()}
    of_trials = _p(claim, trials)
    if of_trials is not None and of_trials > CHANCE:
        return f"the tries are of few trials: {_against(claim, trials)}, p {p_words(of_trials)}"
    return ""


def _agreement(claim: Claim, counts: Mapping[str, Count]) -> str:
    parts = [f"{name} {counts[name].words}" for name in claim.shows]
    absent = [counts[name] for name in claim.absent]
    if len({(total.trials, total.tries) for total in absent}) == 1 and len(absent) > 1:
        parts.append(f"{len(absent)} controls {absent[0].words} each")
    else:
        parts += [f"{name} {counts[name].words}" for name in claim.absent]
    return " · ".join(parts)
