"""How many trials would give a verdict that is not thin."""

from __future__ import annotations

from typing import Any

import pytest
from cases import claim, in_memory, trials
from reprolab.verdict.enough import trials_needed
from reprolab.verdict.judge import judge


@pytest.mark.parametrize(
    ("options", "shown", "number"),
    [
        ({"absent": ["old"]}, {"documented": "+", "old": "-"}, 3),
        ({"absent": ["old"]}, {"documented": "++", "old": "--"}, 3),
        # One case against four controls: 2 of 2 against 0 of 8 gives 1/45, 1 of 1 against 0 of 4 gives 1/5.
        ({"absent": list("abcd")}, {"documented": "+", "a": "-", "b": "-", "c": "-", "d": "-"}, 2),
        ({}, {"documented": "+"}, 3),
        ({"shows": ["documented", "new"]}, {"documented": "+", "new": "+"}, 2),
        ({"absent": ["old"]}, {"documented": "-", "old": "-"}, 2),
        # Tries: 1 of 4 against 0 of 4 in each trial.
        ({"absent": ["old"], "rate": lambda o: (int(o["blinked"]), 4)}, {"documented": "+", "old": "-"}, 5),
        # 4 of 4 tries against 0 of 4 are no chance, but one trial each is too few.
        ({"absent": ["old"], "rate": lambda o: (4 * o["blinked"], 4)}, {"documented": "+", "old": "-"}, 3),
        ({"absent": ["old"], "rate": lambda o: (0, 4)}, {"documented": "+", "old": "-"}, None),
    ],
)
def test_the_number_of_trials_that_is_not_thin(
    options: dict[str, Any], shown: dict[str, str], number: int | None
) -> None:
    """With so many trials of each variant the verdict is not thin, and with one less it is."""
    asked = claim(**options)
    (thin,) = judge(in_memory(asked), "now", trials(**shown)).claims
    assert thin.thin and trials_needed(thin) == number
    for trial_count in (number - 1, number) if number else ():
        rows = trials(**{name: marks[0] * trial_count for name, marks in shown.items()})
        (verdict,) = judge(in_memory(asked), "now", rows).claims
        assert bool(verdict.thin) is (trial_count < (number or 0))
