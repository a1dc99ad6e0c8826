"""Wilson intervals, compared with published values and with the properties of an interval."""

from __future__ import annotations

import pytest
from reprolab.core.stats import range_text, rate_text, wilson


@pytest.mark.parametrize(
    ("shown", "trials", "low", "high"),
    [
        (0, 1, 0.0, 0.7935),
        (0, 3, 0.0, 0.5615),
        (3, 3, 0.4385, 1.0),
        (1, 3, 0.0615, 0.7923),
        (0, 20, 0.0, 0.1611),
        # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_known_figures(shown: int, trials: int, low: float, high: float) -> None:
    """The interval has the published bounds to four digits."""
    assert wilson(shown, trials) == pytest.approx((low, high), abs=5e-5)


def test_no_trials_allow_anything() -> None:
    """The interval of 0 of 0 is the whole range."""
    assert wilson(0, 0) == (0.0, 1.0)


def test_the_ends_are_exact() -> None:
    """The interval of 0 of n starts at exactly 0, that of n of n ends at exactly 1, and the share is inside."""
    for n in range(1, 60):
        assert wilson(0, n)[0] == 0.0
        assert wilson(n, n)[1] == 1.0
        for k in range(n + 1):
            low, high = wilson(k, n)
            assert 0 <= low <= k / n <= high <= 1


def test_the_interval_is_symmetric() -> None:
    """The interval of k of n mirrors that of n - k of n."""
    for k in range(8):
        low, high = wilson(k, 7)
        assert wilson(7 - k, 7) == pytest.approx((1 - high, 1 - low))


def test_more_trials_or_less_confidence_narrow_it() -> None:
    """0 of 20 has a narrower interval than 0 of 3, and 50 % confidence a narrower one than 95 %."""
    assert wilson(0, 20)[1] < wilson(0, 3)[1]
    assert wilson(0, 3, confidence=0.5)[1] < wilson(0, 3)[1]


@pytest.mark.parametrize(("shown", "trials"), [(-1, 3), (4, 3), (1, 0), (0, -1)])
def test_impossible_counts_are_refused(shown: int, trials: int) -> None:
    """Counts outside 0 to trials raise ValueError."""
    with pytest.raises(ValueError, match=f"{shown} of {trials}"):
        wilson(shown, trials)


def test_a_rate_in_words() -> None:
    """k of n with its interval in percent."""
    assert rate_text(10, 10) == "10/10 (72–100 %)"
    assert rate_text(0, 60) == "0/60 (0–6 %)"
    assert rate_text(0, 0) == "0/0"


@pytest.mark.parametrize(
    ("shown", "trials", "text"),
    [
        (31, 19388, "0.11–0.23 %"),
        (0, 19388, "0–0.020 %"),
        (19388, 19388, "99.980–100 %"),
        (1, 100, "0.2–5.4 %"),
        (99, 100, "94.6–99.8 %"),
        (500, 1000, "47–53 %"),
        (1, 3, "6–79 %"),
        (0, 1, "0–79 %"),
    ],
)
def test_an_interval_has_the_digits_that_it_needs(shown: int, trials: int, text: str) -> None:
    """Its ends differ, and neither is printed as 0 or 100 % if it is not. There are no more digits than that takes."""
    assert range_text(*wilson(shown, trials)) == text
