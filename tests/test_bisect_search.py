"""Bisects over truths that are known: what is stated, what is measured for it, and what ends one early."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reprolab.bisect.findings import Kind, cost, read, sides, windows
from reprolab.bisect.measuring import AT_ONCE, BUDGET, POINTS, Measuring
from reprolab.bisect.point import Side
from reprolab.bisect.search import GAP, LOOKS, Rules, first_points, wanted
from reprolab.bisect.strip import marks, strip
from reprolab.core.errors import LabError
from reprolab.measure.axis import Axis, Value
from simulated_bisect import bisected, measuring

FIRST, FIXED, BACK = Kind.FIRST_BAD, Kind.FIXED, Kind.BACK


def stated(bisect: Measuring) -> list[tuple[Kind, str, str]]:
    """The changes that are stated, with the values before and after each."""
    changes = read(bisect.points, bisect.rules).changes
    return [(change.kind, change.before.value, change.after.value) for change in changes]


def true_changes(truth: str) -> list[tuple[str, str]]:
    """The neighbours that differ, without holes between them."""
    known = [(number, letter) for number, letter in enumerate(truth, 1) if letter != "x"]
    return [(str(a), str(b)) for (a, left), (b, right) in pairwise(known) if left != right]


# -- what is stated ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("truth", "changes"),
    [
        ("ggggggggBBBBBBBB", [(FIRST, "8", "9")]),
        ("BBBBBggggggggggg", [(FIXED, "5", "6")]),
        ("gggggBBBBBBBggggggg", [(FIRST, "5", "6"), (FIXED, "12", "13")]),
        ("BBBBBBgggggggBBBBBB", [(FIXED, "6", "7"), (BACK, "13", "14")]),
        ("ggggBBBBggggBBBBgggg", [(FIRST, "4", "5"), (FIXED, "8", "9"), (BACK, "12", "13"), (FIXED, "16", "17")]),
        ("gggggggggggg", []),
        ("BBBBBBBBBBBB", []),
        ("gB", [(FIRST, "1", "2")]),
        ("Bg", [(FIXED, "1", "2")]),
        # Holes: at the change, at both ends, everywhere but in one place.
        ("gggggxxBBBBBB", [(FIRST, "5", "8")]),
        ("xxggggggBBBBBxx", [(FIRST, "8", "9")]),
        ("gxgxgxgxBxBxBxB", [(FIRST, "7", "9")]),
        ("xxxxxBxxxx", []),
        ("xxxxx", []),
        ("B", []),
        ("x", []),
    ],
)
def test_every_change_is_stated(truth: str, changes: list[tuple[Kind, str, str]]) -> None:
    """Each with its kind, between two neighbours that can be measured."""
    assert stated(bisected(truth)) == changes


def test_holes_at_a_change_are_named() -> None:
    """With the reason why they could not be measured."""
    bisect = bisected("gggggxxBBBBBB")
    (change,) = read(bisect.points, bisect.rules).changes
    assert [hole.value for hole in change.holes] == ["6", "7"]
    assert {hole.obstacle.splitlines()[0] for hole in change.holes} == {"image build failed: no wheel"}
    assert {hole.reason for hole in change.holes} == {"image build failed: no wheel: … more of the log"}


def test_a_value_of_which_no_trial_counts_is_a_hole() -> None:
    """The measurer gave it up: it is neither good nor bad, and is not asked again."""
    bisect = measuring("gggggggg", most=0)
    assert bisect.run() == ""
    assert {point.side for point in bisect.points} == {Side.HOLE}
    assert {point.reason for point in bisect.points} == {"no trial was run"}
    assert all(len(call) <= AT_ONCE for call in bisect.measurer.calls)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("letter", ["F", "f"])
def test_a_flaky_window_is_bad(letter: str, seed: int) -> None:
    """A sign that shows in half or nine tenths of the trials: the ends of the window are right."""
    truth = "g" * 9 + letter * 9 + "g" * 9
    bisect = bisected(truth, Rules(gap=1), seed=seed)
    assert stated(bisect) == [(FIRST, "9", "10"), (FIXED, "18", "19")]
    ends = [change.bad for change in read(bisect.points, bisect.rules).changes]
    assert all(end.trials >= 3 and end.shown for end in ends)


def test_a_flaky_end_gets_as_many_trials_as_a_good_one() -> None:
    """Its rate is worth knowing; a bad end whose trials all show the sign has three."""
    points = bisected("ggggggFFFFFFBBBBBB", Rules(gap=1), seed=3).points
    enough = Rules().enough(points)
    assert points[5].trials == enough and points[5].shown == 0
    assert points[6].sometimes and points[6].trials == enough
    assert [point.trials for point in bisected("gggggBBBBB").points][4:6] == [enough - 1, 3]


# -- what is measured for it ---------------------------------------------------------------------


def test_many_holes_at_the_ends_are_not_all_tried() -> None:
    """Old releases that run on no Python of today: the oldest that can be measured is found by halves."""
    truth = "x" * 60 + "gggBBBggg" + "x" * 20
    bisect = bisected(truth)
    assert stated(bisect) == [(FIRST, "63", "64"), (FIXED, "66", "67")]
    findings = read(bisect.points, bisect.rules)
    assert findings.measured[0].value == "61" and findings.measured[-1].value == "69"
    assert len(findings.holes) < 40 and len(findings.holes) + len(findings.outside) == 80


def test_most_values_are_not_measured() -> None:
    """A change among 200 releases takes the grid, and the halves of one stretch."""
    bisect = bisected("g" * 90 + "B" * 110, Rules(gap=20))
    assert stated(bisect) == [(FIRST, "90", "91")]
    assert sum(point.asked > 0 for point in bisect.points) < 30


@pytest.mark.parametrize("gap", [1, 2, 3, 5, 8])
def test_every_stretch_is_shorter_than_the_gap(gap: int) -> None:
    """So of GAP neighbours at least one is measured; with 1, all are."""
    bisect = bisected("g" * 23 + "B" * 31, Rules(gap=gap))
    assert all(len(item.points) < gap for item in read(bisect.points, bisect.rules).assumed)
    assert gap > 1 or all(point.measured for point in bisect.points)


@pytest.mark.parametrize(("length", "gap", "points"), [(12, 4, 4), (26, 5, 6), (101, 10, 11), (5, 4, 2)])
def test_a_grid_has_no_more_points_than_it_takes(length: int, gap: int, points: int) -> None:
    """The ends, and as few between them as make every stretch shorter than the gap."""
    bisect = bisected("B" * length, Rules(gap=gap))
    assert sum(point.measured for point in bisect.points) == points


def test_a_good_value_has_two_trials_and_a_bad_one_has_one() -> None:
    """Where nothing changes no value has more."""
    assert {point.trials for point in bisected("gggggggggg").points} == {0, LOOKS}
    assert {point.trials for point in bisected("BBBBBBBBBB").points} == {0, 1}


def test_after_a_flaky_trial_every_good_value_is_looked_at_closely() -> None:
    """Two trials without the sign say little of a sign that shows in half of them."""
    bisect = bisected("ggggggggggggFFFFFFFFgggggggg", seed=2)
    enough = bisect.rules.enough(bisect.points)
    assert any(point.sometimes for point in bisect.points)
    assert all(point.trials >= enough for point in bisect.points if point.side is Side.GOOD)


def test_the_first_points_are_the_ends_the_documented_value_and_each_major_series() -> None:
    """A window around the documented value is found, however short it is."""
    texts = ["19.0", "19.1.1", "19.6.0", "19.7.0", "20.0.0", "20.0.1", "21.0.0", "21.1.0"]
    axis = Axis("GUNICORN", tuple(Value(text) for text in texts), ordered=True, package="gunicorn")
    assert first_points(axis, "19.6.0") == [0, 7, 2, 4, 6]
    assert first_points(axis, "18.0") == [0, 7, 4, 6]
    assert first_points(Axis("X", (Value("a"), Value("b")), ordered=True), "c") == [0, 1]
    truth = "g" * 10 + "B" + "g" * 10
    assert stated(bisected(truth, first=(0, 20, 10))) == [(FIRST, "10", "11"), (FIXED, "11", "12")]


def test_the_longest_stretch_is_measured_first_and_then_that_of_the_most_days() -> None:
    """The assumption is weakest there."""
    bisect = measuring("g" * 15, first=(0, 14, 6, 10))
    points = [replace(p, date=f"20{10 + n:02d}-01-01") for n, p in enumerate(bisect.points)]
    points[14] = replace(points[14], date="2040-01-01")
    for index in (0, 6, 10, 14):
        points[index] = replace(points[index], asked=2, trials=2)
    assert list(wanted(points, Rules(gap=3), (0, 14))) == [3, 12, 8]


# -- what ends it early --------------------------------------------------------------------------


def test_the_budget_ends_it_between_two_batches() -> None:
    """What was measured stays, and a change that is not pinned down is said to lie in a stretch."""
    clock = iter(range(100))
    bisect = measuring("g" * 20 + "B" * 20, deadline=2.0, clock=lambda: float(next(clock)))
    assert bisect.run() == BUDGET
    findings = read(bisect.points, bisect.rules)
    assert len(bisect.measurer.calls) == 2
    assert findings.changes == () and not findings.sure
    assert [item.differs for item in findings.assumed] == [True]


@pytest.mark.parametrize(("limit", "ended"), [(1, POINTS), (6, POINTS), (40, ""), (None, "")])
def test_at_most_so_many_values_are_tried(limit: int | None, ended: str) -> None:
    """Further trials of these are allowed."""
    bisect = measuring("g" * 20 + "B" * 20, Rules(points=limit))
    assert bisect.run() == ended
    assert sum(point.asked > 0 for point in bisect.points) <= (limit or 40)


def test_an_interrupt_keeps_the_batches_before_it() -> None:
    """And so does an error of the lab."""
    for error in (KeyboardInterrupt(), LabError("the engine is gone")):
        calls = iter([None, None, error])

        def fails(calls: Any = calls) -> None:
            if raised := next(calls):
                raise raised

        bisect = measuring("gggggggggBBBBBBBBB", fails=fails)
        with pytest.raises(type(error)):
            bisect.run()
        assert sum(point.measured for point in bisect.points) == len(bisect.measurer.calls[0])


def test_trials_of_earlier_questions_are_not_asked_for_again() -> None:
    """A cell may come back with more trials than were wanted; they count."""
    bisect = measuring("gggg")
    bisect.measurer.measure(dict.fromkeys(bisect.cells, 20), [])
    bisect.measurer.calls.clear()
    assert bisect.run() == ""
    assert [set(call.values()) for call in bisect.measurer.calls] == [{1}]
    assert {point.trials for point in bisect.points if point.asked} == {20}


# -- numbers -------------------------------------------------------------------------------------


def test_the_cost_is_counted_against_trying_all() -> None:
    """By the same rules for every release, and as sure as of the stated sides."""
    bisect = bisected("gggggggggBBBBBBBBBx")
    spent = cost(bisect.points, bisect.rules)
    assert spent.used == bisect.measurer.trials
    assert spent.tried == sum(point.asked > 0 for point in bisect.points)
    unmeasured = [side for point, side in zip(bisect.points, sides(bisect.points), strict=True) if not point.asked]
    assert spent.all_alike == spent.used + 2 * unmeasured.count(Side.GOOD) + unmeasured.count(Side.BAD)
    assert spent.all_sure == 9 * bisect.rules.enough(bisect.points) + 9 * 3
    assert spent.used < spent.all_sure / 2
    flaky = bisected("ggggggggggggFFFFFFFFgggggggg", seed=2)
    spent, enough = cost(flaky.points, flaky.rules), flaky.rules.enough(flaky.points)
    unmeasured = [side for point, side in zip(flaky.points, sides(flaky.points), strict=True) if not point.asked]
    assert spent.all_alike == spent.used + enough * unmeasured.count(Side.GOOD) + unmeasured.count(Side.BAD)


def test_a_batch_is_small() -> None:
    """A budget and an interrupt end a bisect between two batches."""
    calls = bisected("gB" * 20, Rules(gap=1)).measurer.calls
    assert max(len(call) for call in calls) == AT_ONCE


def test_the_strip_has_a_sign_for_each_value() -> None:
    """With the names of the values at the ends of each window."""
    bisect = bisected("gggggggxBBBBBBBB")
    line = strip(bisect.points)
    assert line == "1 ○···○·○ 7  x  9 ●···●··● 16"
    assert len(marks(bisect.points)) == 16
    assert strip(bisected("xBx").points) == "x  2 ●  x"
    assert strip(measuring("gg").points) == "??"


# -- properties ----------------------------------------------------------------------------------


@st.composite
def truths(draw: st.DrawFn) -> tuple[str, int]:
    """Windows of good and bad values, each at least as long as the gap, and the gap; holes inside, or at the ends."""
    gap = draw(st.integers(1, 6))
    lengths = draw(st.lists(st.integers(gap, gap + 9), min_size=1, max_size=6))
    letters = "gB" if draw(st.booleans()) else "Bg"
    truth, inside = "", draw(st.booleans())
    for number, length in enumerate(lengths):
        for _ in range(length):
            truth += "x" * draw(st.integers(0, 2) if truth and inside else st.just(0)) + letters[number % 2]
    before, after = (0, 0) if inside else draw(st.tuples(st.integers(0, 20), st.integers(0, 20)))
    return "x" * before + truth + "x" * after, gap


@given(truths())
@settings(max_examples=150, deadline=None)
def test_all_changes_between_wide_windows_are_stated(case: tuple[str, int]) -> None:
    """If each window has GAP values that can be measured, nothing is missed and nothing is wrong."""
    truth, gap = case
    bisect = bisected(truth, Rules(gap=gap))
    assert [(before, after) for _, before, after in stated(bisect)] == true_changes(truth)
    assert read(bisect.points, bisect.rules).sure


@given(st.text("gBx", min_size=1, max_size=40), st.integers(1, 8), st.one_of(st.none(), st.integers(1, 20)))
@settings(max_examples=150, deadline=None)
def test_no_stated_change_is_wrong(truth: str, gap: int, limit: int | None) -> None:
    """For any truth: each is one of the true changes, however few values were measured."""
    bisect = bisected(truth, Rules(gap=gap, points=limit))
    assert {(before, after) for _, before, after in stated(bisect)} <= set(true_changes(truth))
    for window in windows(bisect.points):
        inside = truth[window.first : window.last + 1].replace("x", "")
        assert inside[0] == inside[-1] == ("B" if window.side is Side.BAD else "g")


@given(st.text("gBxFfr", min_size=1, max_size=25), st.integers(0, 1000), st.integers(1, GAP))
@settings(max_examples=80, deadline=None)
def test_every_bisect_ends(truth: str, seed: int, gap: int) -> None:
    """For flaky truths too, and with nothing left to measure."""
    bisect = bisected(truth, Rules(gap=gap), seed=seed)
    assert wanted(bisect.points, bisect.rules, bisect.first) == {}
    assert all(point.trials <= bisect.rules.most_trials for point in bisect.points)
