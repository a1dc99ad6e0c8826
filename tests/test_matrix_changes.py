"""What a map says of changes: only what its counts show."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reprolab.matrix import grid
from reprolab.matrix.changes import has_thin, line_changes, stories
from reprolab.matrix.document import MatrixCell, MatrixClaim, MatrixDocument
from reprolab.matrix.doubt import doubtful
from reprolab.matrix.state import State, state_of
from reprolab.measure.axis import Axis
from reprolab.verdict.document import SignCount
from simulated import releases, words

CLAIM = "B-1"
# A cell by a character, as the tests write it; the others are k of n.
HOLES = {"x": "invalid", ".": "not run", "e": "not exercised", "b": "busy", "!": "unreadable"}


def cell(coordinates: tuple[str, ...], text: str, **more: object) -> MatrixCell:
    """A cell of a map: "2/3", or a character of HOLES."""
    if text == ".":
        return MatrixCell(coordinates, **more)
    if text == "x":
        return MatrixCell(coordinates, trials=1, invalid=1, reason="not healthy", **more)
    uncounted = {"e": SignCount(0, 0, not_exercised=1), "b": SignCount(0, 0, busy=1), "!": SignCount(0, 0)}
    errors = {CLAIM: "trial 1: KeyError: 'x'"} if text == "!" else {}
    count = uncounted.get(text) or SignCount(*map(int, text.split("/")))
    return MatrixCell(coordinates, counts={CLAIM: count}, errors=errors, trials=max(count.trials, 1), **more)


def document(texts: Sequence[str], *axes: Axis, **companions: dict[str, str]) -> MatrixDocument:
    """A map with these cells, in order. ``companions`` is the number of a cell -> its companions."""
    axes = axes or (releases(len(texts)),)
    cells = [
        cell(point, text, companions=companions.get(f"cell_{number}", {}))
        for number, (point, text) in enumerate(zip(grid.points(axes), texts, strict=True))
    ]
    claims = (MatrixClaim(CLAIM, "It blinks.", asked=True),)
    documented = {"RELEASE": "1.0", "PYTHON": "3.6.15"}
    return MatrixDocument("blink", "a lamp", "now", "lamp", claims, axes, tuple(cells), documented, trials=3)


def said(texts: str, **companions: dict[str, str]) -> list[str]:
    """The lines that a map with one axis prints."""
    (story,) = stories(document(texts.split(), **companions), CLAIM)
    return [story.heading, *story.changes]


@pytest.mark.parametrize(
    ("texts", "lines"),
    [
        ("0/3 3/3", ["RELEASE, from 0.0: without the sign", "0.1: first with the sign (0/3, then 3/3)"]),
        ("3/3 0/3", ["RELEASE, from 0.0: with the sign", "0.1: first without the sign (3/3, then 0/3)"]),
        ("0/1 0/3 0/1", ["RELEASE, no change: without the sign (0.0 to 0.2, 3 cells)"]),
        ("x 0/1 .", ["RELEASE, nothing to compare: without the sign (0.1; 2 more without a trial that counts)"]),
        ("x . e b !", ["RELEASE, no cell has a trial that counts"]),
        (
            "0/3 x e 3/3",
            [
                "RELEASE, from 0.0: without the sign",
                "0.3: first with the sign (0/3, then 3/3); it may be so from 0.1 on, as no trial of 0.1, 0.2 counts",
            ],
        ),
        (
            "0/3 3/3 0/3 3/3",
            [
                "RELEASE, from 0.0: without the sign",
                "0.1: first with the sign (0/3, then 3/3)",
                "0.2: without the sign again (3/3, then 0/3)",
                "0.3: with the sign again (0/3, then 3/3)",
            ],
        ),
        (
            "0/3 1/3",
            ["RELEASE, from 0.0: without the sign", "0.1: first with the sign in some trials (0/3, then 1/3, thin)"],
        ),
        ("0/1 1/1", ["RELEASE, from 0.0: without the sign", "0.1: first with the sign (0/1, then 1/1, thin)"]),
    ],
)
def test_changes_in_words(texts: str, lines: list[str]) -> None:
    """First and again; holes where the change may be hidden; what could be chance is thin."""
    assert said(texts) == lines


def test_a_companion_that_changes_with_the_sign_is_said() -> None:
    """The change may be that of the other factor."""
    lines = said("0/3 3/3", cell_1={"PYTHON": "3.12.1"})
    assert lines[1].endswith("(0/3, then 3/3); PYTHON changes there too, from 3.6.15 to 3.12.1")
    same = said("0/3 3/3", cell_0={"PYTHON": "3.12.1"}, cell_1={"PYTHON": "3.12.1"})
    assert same[1].endswith("(0/3, then 3/3)")


def test_lines_of_which_the_same_is_true_are_told_together() -> None:
    """Lines with a change come first."""
    modes = words("MODE", "plain", "loud", "soft")
    shown = document(["0/1", "0/3", "0/3", "0/1", "3/3", "3/3"], releases(2), modes)
    assert [(story.heading, story.changes) for story in stories(shown, CLAIM)] == [
        ("RELEASE with MODE=loud, soft, from 0.0: without the sign", ("0.1: first with the sign (0/3, then 3/3)",)),
        ("RELEASE with MODE=plain, no change: without the sign (0.0 to 0.1, 2 cells)", ()),
    ]
    alike = document(["0/1"] * 6, releases(2), modes)
    assert [story.lines for story in stories(alike, CLAIM)] == ["RELEASE with every MODE"]


def test_each_ordered_axis_is_compared() -> None:
    """Two ordered axes: along both, and not across."""
    square = document(["0/3", "0/3", "0/3", "3/3"], releases(2), releases(2, "PYTHON"))
    told = {story.lines: story.changes for story in stories(square, CLAIM)}
    assert set(told) == {
        *("RELEASE with PYTHON=0.0", "RELEASE with PYTHON=0.1"),
        *("PYTHON with RELEASE=0.0", "PYTHON with RELEASE=0.1"),
    }
    assert told["RELEASE with PYTHON=0.1"] == told["PYTHON with RELEASE=0.1"]


def test_without_an_ordered_axis_nothing_is_compared() -> None:
    """Worker classes have no first and no last."""
    assert stories(document(["0/3", "3/3"], words("MODE", "plain", "loud")), CLAIM) == []


COUNTS = st.integers(1, 6).flatmap(lambda n: st.integers(0, n).map(lambda k: f"{k}/{n}"))
TEXTS = st.lists(st.one_of(COUNTS, st.sampled_from(list(HOLES))), min_size=1, max_size=12)


@given(TEXTS)
def test_no_change_is_stated_that_the_counts_do_not_show(texts: list[str]) -> None:
    """Two cells in different states with nothing that counts between them; and no such pair is left out."""
    shown = document(texts)
    (line,) = line_changes(shown, CLAIM)
    names = [cell.coordinates[0] for cell in shown.cells]
    counted = [cell for cell in shown.cells if state_of(cell, CLAIM).counted]
    for change in line.changes:
        before, after = names.index(change.before), names.index(change.after)
        counts = [shown.cells[place].count(CLAIM) for place in (before, after)]
        assert all(count.trials for count in counts)
        shares = [count.shown / count.trials for count in counts]
        assert [share in (0, 1) for share in shares] != [True, True] or shares[0] != shares[1]
        assert not any(cell.count(CLAIM).trials for cell in shown.cells[before + 1 : after])
        assert list(change.holes) == names[before + 1 : after]
        assert change.known == any(state_of(cell, CLAIM) is change.state for cell in shown.cells[:before])
    unlike = [pair for pair in pairwise(counted) if state_of(pair[0], CLAIM) != state_of(pair[1], CLAIM)]
    assert [(change.before, change.after) for change in line.changes] == [
        (before.coordinates[0], after.coordinates[0]) for before, after in unlike
    ]
    assert has_thin(shown, CLAIM) == any(change.thin for change in line.changes)


@given(TEXTS)
def test_both_sides_of_every_change_are_in_doubt(texts: list[str]) -> None:
    """So each stated change rests on as many trials as a cell may have, if these can be had."""
    shown = document(texts)
    points = doubtful(shown.axes, {cell.coordinates: cell for cell in shown.cells}, [CLAIM])
    (line,) = line_changes(shown, CLAIM)
    assert {name for change in line.changes for name in (change.before, change.after)} <= {point[0] for point in points}
    assert all(state_of(cell, CLAIM).counted for cell in shown.cells if cell.coordinates in points)
    mixed = {cell.coordinates for cell in shown.cells if state_of(cell, CLAIM) is State.MIXED}
    assert mixed <= points


# -- names of areas -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("area", "text"),
    [
        ([("0.1", "plain")], "RELEASE=0.1 MODE=plain"),
        ([("0.1", "plain"), ("0.1", "loud")], "RELEASE=0.1"),
        ([("0.1", "loud"), ("0.2", "loud"), ("0.3", "loud")], "RELEASE=0.1..0.3 MODE=loud"),
        ([("0.0", "loud"), ("0.1", "loud"), ("0.3", "loud")], "RELEASE=0.0, 0.1, 0.3 MODE=loud"),
        ([("0.0", "plain"), ("0.1", "loud")], "RELEASE=0.0 MODE=plain, RELEASE=0.1 MODE=loud"),
    ],
)
def test_areas_have_short_names(area: list[tuple[str, ...]], text: str) -> None:
    """A product of values is named by them, other sets by their cells."""
    assert grid.area_words((releases(4), words("MODE", "plain", "loud")), area) == text


def test_many_scattered_cells_are_not_all_named() -> None:
    """The first ones, and the number of the others."""
    scattered = [("0.0", "plain"), *((f"0.{number}", "loud") for number in range(1, 6))]
    text = grid.area_words((releases(6), words("MODE", "plain", "loud")), scattered)
    assert text.endswith("RELEASE=0.2 MODE=loud and 3 more")
    axes = (releases(2), words("MODE", "plain", "loud"))
    assert grid.area_words(axes, grid.points(axes)) == "all cells"
