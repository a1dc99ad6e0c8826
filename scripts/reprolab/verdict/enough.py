"""How many trials would give a verdict that is not thin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from math import ceil

from reprolab.core.stats import fisher
from reprolab.verdict.decide import CHANCE, FEWEST_TRIALS
from reprolab.verdict.document import ClaimVerdict, SignCount, Verdict

MOST_TRIALS = 100
Pair = tuple[int, int]  # k of n


def trials_needed(claim: ClaimVerdict) -> int | None:
    """The number of trials of each variant with which a thin verdict would not be thin.

    Further trials are taken to show what those of the run showed. None if MOST_TRIALS of each variant are not enough.
    """
    if claim.verdict == Verdict.REFUTED:
        return 2
    cases = [row.count for row in claim.variants.values() if row.expected]
    controls = [row.count for row in claim.variants.values() if not row.expected]
    if not (cases and controls):
        return ceil(FEWEST_TRIALS / len(claim.variants))
    numbers = range(1, MOST_TRIALS + 1)
    return next((n for n in numbers if all(p <= CHANCE for p in _chances(cases, controls, n))), None)


def _chances(cases: Sequence[SignCount], controls: Sequence[SignCount], trials: int) -> Iterator[Fraction]:
    """The p over the tries, where a claim counts them, and over the trials, as if each variant had so many trials."""
    for tally in (_tally, _trials):
        yield fisher(_pooled(cases, trials, tally), _pooled(controls, trials, tally))


def _pooled(counts: Iterable[SignCount], trials: int, tally: Callable[[SignCount], Pair]) -> Pair:
    tallies = [(*tally(count), count.trials) for count in counts if count.trials]
    return sum(round(k * trials / ran) for k, _, ran in tallies), sum(round(n * trials / ran) for _, n, ran in tallies)


def _tally(count: SignCount) -> Pair:
    return (count.rate.shown, count.rate.of) if count.rate else _trials(count)


def _trials(count: SignCount) -> Pair:
    return count.shown, count.trials
