"""Statistics of small samples: rates and their confidence intervals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import comb, fsum, sqrt
from statistics import NormalDist

# An interval is printed with so many digits that it is at least this many units of the last digit wide.
FEWEST_STEPS = 4
MOST_DIGITS = 6


def rate_text(shown: int, trials: int) -> str:
    """Return a rate with its 95 % Wilson interval, "10/10 (72–100 %)"; "0/0" has no interval."""
    interval = range_text(*wilson(shown, trials))
    return f"{shown}/{trials} ({interval})" if trials else f"{shown}/{trials}"


def range_text(low: float, high: float) -> str:
    """Return two shares in percent: "72–100 %", "0.11–0.23 %".

    There are as many digits as it takes to tell the shares from each other, and from 0 and 100 %.
    """
    texts = ("", "")
    for digits in range(MOST_DIGITS + 1):
        texts = (f"{100 * low:.{digits}f}", f"{100 * high:.{digits}f}")
        rounds_to_end = (low > 0 and float(texts[0]) == 0) or (high < 1 and float(texts[1]) == 100)
        if 100 * (high - low) * 10**digits >= FEWEST_STEPS and not rounds_to_end:
            break
    return "–".join("0" if float(text) == 0 else "100" if float(text) == 100 else text for text in texts) + " %"


def wilson(shown: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval for ``shown`` of ``trials``, as two shares between 0 and 1.

    Unlike the normal approximation it is valid at 0 of n and n of n: the interval of 0 of 3 ends at 56 %.
    The interval of no trials is (0, 1). Source: Wilson, JASA 22 (1927), 209-212.

    Raises ValueError unless 0 <= shown <= trials.
    """
    if not 0 <= shown <= trials:
        raise ValueError(f"shown must be between 0 and trials: {shown} of {trials}")
    if trials == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = shown / trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)) / (1 + z * z / trials)
    low = 0.0 if shown == 0 else max(0.0, centre - half)
    high = 1.0 if shown == trials else min(1.0, centre + half)
    return low, high


def fisher(cases: tuple[int, int], controls: tuple[int, int]) -> Fraction:
    """Return the one-sided exact probability that the cases show it so much more often than the controls by chance.

    Both are (k, n): k of n showed it. The probability is exact: 3 of 3 against 0 of 3 gives 1/20. Source: Fisher,
    The Design of Experiments (1935), chapter 2.

    Raises ValueError unless 0 <= k <= n for both.
    """
    (k, n), (other, others) = cases, controls
    if not (0 <= k <= n and 0 <= other <= others):
        raise ValueError(f"k must be between 0 and n: {k} of {n} and {other} of {others}")
    shown, total = k + other, n + others
    ways = sum(comb(n, i) * comb(others, shown - i) for i in range(k, min(n, shown) + 1))
    return Fraction(ways, comb(total, shown))


def p_words(p: Fraction | float) -> str:
    """Return a probability for a text: "= 0.05", "= 0.0022", "< 0.0001"."""
    value = float(p)
    if value < 0.0001:
        return "< 0.0001"
    # Below 0.1 there are four digits, so that 0.0499 and 0.0501 are not printed as 0.05.
    return f"= {round(value, 2 if value >= 0.1 else 4):g}"


Table = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Association:
    """An exact test over several tables: the probabilities that it is so by chance.

    ``more``: the first sides show it so often or more often. ``less``: so seldom or less often. ``smallest`` is the
    smallest of both that any outcome could have given, with as many trials and as many that showed it in each table.
    """

    more: float
    less: float
    smallest: float

    @property
    def two_sided(self) -> float:
        """The probability of such a difference in either direction, at most 1."""
        return min(1.0, 2 * min(self.more, self.less))

    @property
    def smallest_two_sided(self) -> float:
        return min(1.0, 2 * self.smallest)


def association(tables: Iterable[Table]) -> Association:
    """Compare two sides in several tables at once, each table a cell ((k, n), (k, n)) as in `fisher`.

    Only sides in one table are compared with each other, so that a cell that shows it often is not taken for a side.
    With one table ``more`` is what `fisher` gives. Source: Birch, JRSS B 26 (1964), 313-324.

    Raises ValueError as `fisher` does.
    """
    shown, chances = 0, [1.0]  # chances[i]: that the first sides together show it i times more than they must
    lowest = 0
    for (k, n), (other, others) in tables:
        if not (0 <= k <= n and 0 <= other <= others):
            raise ValueError(f"k must be between 0 and n: {k} of {n} and {other} of {others}")
        every, total = k + other, n + others
        low, high = max(0, every - others), min(n, every)
        ways = comb(total, every)
        part = [comb(n, i) * comb(others, every - i) / ways for i in range(low, high + 1)]
        chances = _convolved(chances, part)
        shown, lowest = shown + k, lowest + low
    at = shown - lowest
    return Association(min(1.0, fsum(chances[at:])), min(1.0, fsum(chances[: at + 1])), min(chances[0], chances[-1]))


def _convolved(left: list[float], right: list[float]) -> list[float]:
    """The chances of sums of two independent numbers."""
    if len(right) == 1:
        return left
    result = [0.0] * (len(left) + len(right) - 1)
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            result[i + j] += a * b
    return result
