"""How sure a side is: the probabilities, and how often they hold in simulated bisects."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
from cases import ROOT
from reprolab.bisect.chance import any_looks_good, least_rate, looks_good, trials_needed
from reprolab.bisect.findings import read
from reprolab.bisect.search import Rules
from simulated_bisect import bisected


@pytest.mark.parametrize(
    ("rate", "trials", "releases", "chance"),
    [
        (0.5, 1, 1, Fraction(1, 2)),
        (0.5, 7, 1, Fraction(1, 128)),
        (0.25, 2, 1, Fraction(9, 16)),
        # Not all of three releases show the sign in one of two trials: 1 - (3/4)^3.
        (0.5, 2, 3, Fraction(37, 64)),
        (1.0, 1, 60, Fraction(0)),
        (0.5, 0, 4, Fraction(1)),
    ],
)
def test_the_chance_is_exact(rate: float, trials: int, releases: int, chance: Fraction) -> None:
    """The values are counted by hand."""
    assert any_looks_good(rate, trials, releases) == pytest.approx(float(chance), rel=1e-12)


def test_it_is_the_sum_over_all_that_can_happen() -> None:
    """At least one of five releases looks good: the sum over one to five of them."""
    single = looks_good(0.3, 4)
    total = sum(comb(5, k) * single**k * (1 - single) ** (5 - k) for k in range(1, 6))
    assert any_looks_good(0.3, 4, 5) == pytest.approx(total)


@pytest.mark.parametrize(
    ("confidence", "rate", "releases", "trials"),
    [(99, 0.5, 1, 7), (99, 0.9, 1, 2), (95, 0.5, 1, 5), (99, 0.5, 60, 13), (99, 0.9, 60, 4), (99, 1.0, 60, 1)],
)
def test_so_many_trials_are_needed(confidence: float, rate: float, releases: int, trials: int) -> None:
    """With one trial less the chance is above what was asked."""
    assert trials_needed(confidence, rate, releases) == trials
    assert any_looks_good(rate, trials, releases) <= 1 - confidence / 100
    assert trials == 1 or any_looks_good(rate, trials - 1, releases) > 1 - confidence / 100


@pytest.mark.parametrize(("confidence", "rate", "releases"), [(100, 0.5, 1), (0, 0.5, 1), (99, 0, 1), (99, 0.5, 0)])
def test_what_no_number_of_trials_gives_is_an_error(confidence: float, rate: float, releases: int) -> None:
    """Certainty, and a sign that never shows."""
    with pytest.raises(ValueError, match="no number of trials"):
        trials_needed(confidence, rate, releases)


@pytest.mark.parametrize(
    ("counts", "rate"),
    [
        ([], 0.5),
        ([(3, 3), (0, 13)], 0.5),
        # 1 of 3 is no evidence for a smaller rate, 1 of 13 is.
        ([(1, 3)], 0.5),
        ([(1, 13)], 1 / 13),
        ([(1, 13), (2, 20)], 1 / 13),
        ([(12, 13)], 0.5),
    ],
)
def test_a_smaller_rate_that_was_measured_counts(counts: list[tuple[int, int]], rate: float) -> None:
    """The assumed least rate cannot stand beside a release that shows the sign more rarely."""
    assert least_rate(0.5, counts) == rate


@pytest.mark.parametrize(("confidence", "rate"), [(99.0, 1e-30), (99.0, 1e-11), (100 - 1e-13, 0.5), (1e-30, 0.5)])
def test_any_number_of_trials_is_found_at_once(confidence: float, rate: float) -> None:
    """A tiny least rate needs more trials than anybody could count up to."""
    trials = trials_needed(confidence, rate, 46)
    if trials > 1:
        assert any_looks_good(rate, trials // 2, 46) > 1 - confidence / 100
    assert any_looks_good(rate, trials * 2, 46) <= 1 - confidence / 100


@pytest.mark.parametrize("confidence", [50.0, 80.0, 95.0, 99.0, 99.9])
@pytest.mark.parametrize("rate", [0.05, 1 / 13, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("releases", [1, 2, 46, 500])
def test_no_smaller_number_of_trials_would_do(confidence: float, rate: float, releases: int) -> None:
    """It is exact, to one trial."""
    trials, allowed = trials_needed(confidence, rate, releases), 1 - confidence / 100
    assert any_looks_good(rate, trials, releases) <= allowed
    assert trials == 1 or any_looks_good(rate, trials - 1, releases) > allowed


MOST_WRONG = 7
TRUTHS = [
    "g" * 8 + "F" * 8 + "g" * 8,  # a window at the least rate
    "g" * 8 + "f" * 8 + "g" * 8,  # a window above it
    "F" * 12,  # no release is good
    "gF" * 8,  # many changes
]


def wrong_sides(truth: str, runs: int, rules: Rules | None = None) -> int:
    """The number of bisects, each with another seed, that state a good end which can show the sign."""
    wrong = 0
    for seed in range(runs):
        bisect = bisected(truth, rules, seed=seed)
        changes = read(bisect.points, bisect.rules).changes
        wrong += any(truth[int(change.good.value) - 1] != "g" for change in changes)
    return wrong


@pytest.mark.slow
@pytest.mark.parametrize("truth", TRUTHS)
def test_a_wrong_side_is_stated_as_rarely_as_was_asked(truth: str) -> None:
    """In 2000 bisects at 99 %: 20 may be wrong. The number is that of docs/questions.md."""
    assert wrong_sides(truth, 2000) <= MOST_WRONG <= 20
    assert f"at most {MOST_WRONG} stated a wrong side" in (ROOT / "docs" / "questions.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("truth", TRUTHS)
def test_few_bisects_show_it_too(truth: str) -> None:
    """In 100 bisects at 99 %: 1 may be wrong; two standard deviations are 2 more."""
    assert wrong_sides(truth, 100) <= 3


def test_with_fewer_trials_wrong_sides_are_stated_and_said_to_be_unsure() -> None:
    """With one trial of each release every other stated good end is wrong; no bisect claims to be sure."""
    rules = Rules(most_trials=1)
    assert wrong_sides("ggggFFFFgggg", 100, rules) > 20
    for seed in range(20):
        bisect = bisected("ggggFFFFgggg", rules, seed=seed)
        assert not any(change.sure for change in read(bisect.points, rules).changes)
