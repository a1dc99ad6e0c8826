"""How sure it is that a release does not show a sign: exact probabilities, and the trials that they ask for.

A release shows the sign in all of its trials, in none, or in some. One trial with the sign is enough to know that it
can show: the release is bad, and no further trial changes that. Trials without the sign never prove that it cannot
show. A release that shows it with the rate r looks good in n trials with the probability (1 - r)^n.

So a least rate is assumed. A release is taken for good after so many trials without the sign that the following is
improbable enough: if *all* releases of the range showed the sign at the least rate, any of them would look like this.
That covers every release that a search can choose, so the confidence is that of the whole answer, however the search
went. A rate below the least one is not covered; the reports say so.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, exp, expm1, log, log1p

from reprolab.core.stats import wilson

TINY = 1e-6


def looks_good(rate: float, trials: int) -> float:
    """The probability that a release with this rate of the sign shows it in none of the trials."""
    # Of a tiny rate 1 - rate has lost the digits.
    return (1 - rate) ** trials if rate > TINY else exp(trials * log1p(-rate))


def any_looks_good(rate: float, trials: int, releases: int) -> float:
    """The probability that at least one of so many releases with this rate shows the sign in none of its trials."""
    single = looks_good(rate, trials)
    return 1.0 if single >= 1 else -expm1(releases * log1p(-single))


def trials_needed(confidence: float, rate: float, releases: int) -> int:
    """The least number of trials with which `any_looks_good` is at most 100 - ``confidence`` percent.

    Raises ValueError unless confidence is between 0 and 100, and rate above 0 and at most 1.
    """
    if not (0 < confidence < 100 and 0 < rate <= 1 and releases > 0):
        raise ValueError(f"no number of trials gives {confidence} % for {releases} releases with the rate {rate}")
    allowed = 1 - confidence / 100
    if rate == 1 or allowed == 1:
        return 1
    # The chance of one release that leaves just the allowed chance to all of them; logarithms err in their last digits.
    single = -expm1(log1p(-allowed) / releases)
    about = ceil(log(single) / log1p(-rate))
    near = range(max(1, about - 1), about + 2)
    return next((trials for trials in near if any_looks_good(rate, trials, releases) <= allowed), about)


def least_rate(assumed: float, counts: Iterable[tuple[int, int]]) -> float:
    """The least rate to reckon with: the assumed one, or a smaller one that was measured.

    ``counts`` are (k, n) of the releases. A release that showed the sign in some trials has a smaller rate if its 95 %
    interval ends below the assumed one; its rate is then k / n.
    """
    smaller = [k / n for k, n in counts if 0 < k < n and wilson(k, n)[1] < assumed]
    return min([assumed, *smaller])
