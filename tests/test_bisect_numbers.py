"""The numbers of docs/questions.md: what a bisect takes, over truths of which all is known."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from statistics import median

import pytest
from cases import ROOT
from reprolab.bisect.findings import cost, read
from reprolab.bisect.search import Rules
from simulated_bisect import bisected

PAGE = ROOT / "docs" / "questions.md"
# A letter is a release (see RATES of simulated_bisect.py). Of 46 releases: as many as gunicorn has from 19.0 to 27.0.1.
TRUTHS = {
    "no change": "g" * 46,
    "one change": "g" * 17 + "B" * 29,
    "a window of 12": "g" * 17 + "B" * 12 + "g" * 17,
    "fixed, back again, fixed": "B" * 22 + "g" * 6 + "B" * 7 + "g" * 11,
    "a window of 12, with 4 holes at its begin": "g" * 15 + "x" * 4 + "B" * 10 + "g" * 17,
    "a window of 12, in half of the trials": "g" * 17 + "F" * 12 + "g" * 17,
    "a window of 12, in 9 of 10 trials": "g" * 17 + "f" * 12 + "g" * 17,
}
RUNS = 200


def row(name: str, truth: str) -> str:
    """A row of the table: medians over bisects with different seeds, and how many of them stated all changes."""
    letters = [(number, letter) for number, letter in enumerate(truth, 1) if letter != "x"]
    right = [(str(a), str(b)) for (a, left), (b, other) in pairwise(letters) if left != other]
    costs, all_stated = [], 0
    for seed in range(RUNS if set(truth) & set("Ff") else 1):
        bisect = bisected(truth, Rules(), first=(0, 45, 22), seed=seed)
        costs.append(cost(bisect.points, bisect.rules))
        changes = read(bisect.points, bisect.rules).changes
        all_stated += [(change.before.value, change.after.value) for change in changes] == right
    numbers = [
        f"{median(getattr(item, name) for item in costs):g}" for name in ("tried", "used", "all_alike", "all_sure")
    ]
    return f"| {name} | {' | '.join(numbers)} | {all_stated} of {len(costs)} |"


def rows() -> Iterator[str]:
    """The table of the page."""
    for name, truth in TRUTHS.items():
        yield row(name, truth)


@pytest.mark.slow
@pytest.mark.parametrize("name", TRUTHS)
def test_the_table_of_the_page_is_what_bisects_take(name: str) -> None:
    """A changed rule changes the page."""
    line = row(name, TRUTHS[name])
    assert line in PAGE.read_text(encoding="utf-8"), f"docs/questions.md: the table should have {line}"


if __name__ == "__main__":
    print("\n".join(rows()))
