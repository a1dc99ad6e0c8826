"""What stands behind the = of a factor: ranges of releases, lists of values, and both together."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from cases import ROOT, in_memory
from reprolab.core.errors import UsageError
from reprolab.measure.axis import Axis, Value
from reprolab.measure.axis_text import read_axis
from reprolab.pins.index_releases import NoAnswer, Release, ReleaseList
from reprolab.scenario import loader
from reprolab.scenario.model import Scenario
from reprolab.scenario.ranges import ValueRange

BOTH = ("sdist", "wheel")
LISTED = ReleaseList(
    "blinker",
    "2026-11-26",
    (
        Release("0.9.0", "2013-01-01", files=BOTH),
        Release("1.0.0b1", "2013-12-01", files=BOTH),
        Release("1.0.0", "2014-06-12", files=BOTH),
        Release("1.9.0", "2015-01-01", files=BOTH),
        Release("1.10.0", "2016-01-01", files=BOTH),
        Release("1.11.0", "2016-02-01", files=BOTH, yanked=True),
        Release("1.12.0", "2016-03-01"),
        Release("2.0.0", "2017-01-01", files=BOTH),
        Release("2.1.0rc1", "2017-06-01", files=BOTH),
    ),
)
SPEEDS = ("slow", "steady", "fast")
FACTORS = {"RELEASE": "1.0", "PYTHON": "3.9.18", "SPEED": "slow", "PATCH": "none", "WORKERS": "2"}


def blink(package: str = "blinker") -> Scenario:
    """A scenario with two ranges of a list, one of a package, and two factors without."""
    ranges = {
        "RELEASE": ValueRange(package),
        "PYTHON": ValueRange(values=("3.6.15", "3.9.18", "3.10.13", "3.13.0")),
        "SPEED": ValueRange(values=SPEEDS),
    }
    return replace(in_memory(), factors=FACTORS, values={"PATCH": ("none", "fork")}, ranges=ranges)


def releases(root: Path, package: str) -> ReleaseList:
    """The list of one package; the index has no other."""
    if package != "blinker":
        raise UsageError(f"the package index has no package {package}")
    return LISTED


def silent(root: Path, package: str) -> ReleaseList:
    """An index that does not answer."""
    raise NoAnswer("the releases of blinker are not known, for the package index did not answer: no network")


def read(factor: str, text: str) -> Axis:
    """The axis of the small scenario."""
    return read_axis(ROOT, blink(), factor, text, releases=releases)


def texts(axis: Axis) -> list[str]:
    """The values of an axis."""
    return [value.text for value in axis.values]


# -- releases -------------------------------------------------------------------------------------


def test_a_range_has_every_release_between_its_ends() -> None:
    """Sorted as versions, with the days of the releases and the package."""
    axis = read("RELEASE", "0.9.0..1.10.0")
    assert texts(axis) == ["0.9.0", "1.0", "1.9.0", "1.10.0"]
    assert axis.values[3] == Value("1.10.0", "2016-01-01")
    assert axis.ordered and axis.package == "blinker" and axis.factor == "RELEASE"


def test_a_range_without_a_last_value_goes_to_the_newest() -> None:
    """The newest that is no pre-release."""
    assert texts(read("RELEASE", "1.10.0..")) == ["1.10.0", "2.0.0"]
    assert texts(read("RELEASE", "2.0.0..")) == ["2.0.0"]


def test_a_range_says_what_it_leaves_out() -> None:
    """How many for which reason, and only those between its ends."""
    assert read("RELEASE", "0.9.0..").notes == (
        "left out: 2 pre-release (1.0.0b1, 2.1.0rc1), 1 yanked (1.11.0), 1 without a file that pip installs (1.12.0)",
    )
    assert read("RELEASE", "1.0.0..1.10.0").notes == ()


def test_many_releases_that_are_left_out_are_only_counted() -> None:
    """The first five are named."""
    betas = tuple(Release(f"3.0.0b{n}", files=BOTH) for n in range(1, 8))
    listed = replace(LISTED, releases=(*LISTED.releases[:3], *betas))
    axis = read_axis(ROOT, blink(), "RELEASE", "1.0..", releases=lambda root, package: listed)
    assert axis.notes == ("left out: 7 pre-release (3.0.0b1, 3.0.0b2, 3.0.0b3, 3.0.0b4, 3.0.0b5, …)",)


def test_a_release_that_the_text_names_is_there_whatever_it_is() -> None:
    """As an end of a range, or as a value."""
    assert texts(read("RELEASE", "1.11.0..2.1.0rc1")) == ["1.11.0", "2.0.0", "2.1.0rc1"]
    axis = read("RELEASE", "1.11.0,1.9.0..2.0.0")
    assert texts(axis) == ["1.9.0", "1.10.0", "1.11.0", "2.0.0"]
    assert axis.notes == ("left out: 1 without a file that pip installs (1.12.0)",)


def test_ranges_and_values_mix() -> None:
    """Each release once, in the order of the versions."""
    axis = read("RELEASE", "2.0.0, 0.9.0 , 1.0.0..1.9.0, 1.9.0..1.10.0")
    assert texts(axis) == ["0.9.0", "1.0", "1.9.0", "1.10.0", "2.0.0"] and axis.ordered


def test_releases_get_the_spelling_of_the_scenario() -> None:
    """Else the documented value would count as a change, and its image would be built twice."""
    assert texts(read("RELEASE", "1.0.0")) == ["1.0"]
    assert texts(read("RELEASE", "1,1.0,1.0.0,1.9")) == ["1.0", "1.9.0"]
    scenario = loader.load(ROOT, "socket-vanish")
    listed = ReleaseList("gunicorn", "2026-11-26", (Release("19.0.0", files=BOTH), Release("19.1.0", files=BOTH)))
    axis = read_axis(ROOT, scenario, "GUNICORN", "19.0.0..", releases=lambda root, package: listed)
    assert texts(axis) == ["19.0", "19.1.0"]


def test_values_keep_their_order() -> None:
    """They are ordered if it is the order of the versions or its reverse."""
    assert texts(read("RELEASE", "2.0.0,0.9.0")) == ["2.0.0", "0.9.0"]
    assert read("RELEASE", "2.0.0,0.9.0").ordered and read("RELEASE", "1.9.0,1.10.0").ordered
    assert not read("RELEASE", "1.9.0,0.9.0,1.10.0").ordered
    assert read("RELEASE", "0.9.0,1.9.0").values[0].date == "2013-01-01"


@pytest.mark.parametrize(
    ("text", "message", "expected"),
    [
        ("1.9.5..2.0.0", "1.9.5 is no release of blinker", "for example 1.9.0, 1.10.0"),
        ("1.0..1.11.5", "1.11.5 is no release of blinker", "for example 1.10.0, 2.0.0"),
        ("1.0,3", "3 is no release of blinker", "for example 2.0.0"),
        ("latest..", "latest is no release of blinker", "for example 0.9.0, 1.0, 1.9.0, 1.10.0, 2.0.0"),
        ("latest", "latest is no release of blinker", "for example 0.9.0, 1.0"),
        ("2.0.0..1.0", "2.0.0..1.0 is reversed", "1.0..2.0.0"),
        ("..2.0.0", "has a range without a beginning", "FIRST..LAST"),
        ("..", "has a range without a beginning", "FIRST..LAST"),
        ("", "has an empty value", "FIRST..LAST"),
        ("1.0,,2.0.0", "has an empty value", "FIRST..LAST"),
        ("1.0..1.9.0..2.0.0", "1.9.0..2.0.0 is no release of blinker", "for example"),
    ],
)
def test_a_range_that_cannot_be_is_one_clear_error(text: str, message: str, expected: str) -> None:
    """Before anything is built, with what would do."""
    with pytest.raises(UsageError) as raised:
        read("RELEASE", text)
    assert f"RELEASE={text}" in str(raised.value) and message in str(raised.value)
    assert expected in raised.value.expected


def test_an_unknown_package_is_an_error() -> None:
    """The scenario names it; whether it exists only the index knows."""
    with pytest.raises(UsageError, match="the package index has no package blinkr"):
        read_axis(ROOT, blink("blinkr"), "RELEASE", "1.0", releases=releases)


def test_a_range_needs_an_answer_of_the_index() -> None:
    """Values do not, and the axis says that nobody checked them."""
    with pytest.raises(UsageError, match="the package index did not answer"):
        read_axis(ROOT, blink(), "RELEASE", "1.0..", releases=silent)
    axis = read_axis(ROOT, blink(), "RELEASE", "1.9.0,1.10.0", releases=silent)
    assert axis.values == (Value("1.9.0"), Value("1.10.0")) and axis.ordered and axis.package == "blinker"
    assert axis.notes[0].startswith("RELEASE was not checked: the releases of blinker are not known")


def test_a_list_from_a_bundle_is_told() -> None:
    """It may lack the newest releases."""
    kept = replace(LISTED, kept="the releases of blinker as of 2026-11-26, from an offline bundle")
    axis = read_axis(ROOT, blink(), "RELEASE", "1.0..1.9.0", releases=lambda root, package: kept)
    assert axis.notes == ("the releases of blinker as of 2026-11-26, from an offline bundle",)


# -- lists ----------------------------------------------------------------------------------------


def test_a_range_of_a_list_goes_along_the_list() -> None:
    """No index is asked."""
    axis = read_axis(ROOT, blink(), "PYTHON", "3.9.18..", releases=silent)
    assert texts(axis) == ["3.9.18", "3.10.13", "3.13.0"]
    assert axis.ordered and axis.package == "" and axis.notes == () and axis.values[0].date == ""
    assert texts(read("SPEED", "steady..fast")) == ["steady", "fast"]
    assert texts(read("PYTHON", "3.13.0,3.6.15..3.9.18")) == ["3.6.15", "3.9.18", "3.13.0"]


def test_values_outside_of_a_list_may_be_named_one_by_one() -> None:
    """This machine may have another Python; in a range each value has its place in the list."""
    assert texts(read("PYTHON", "3.12.3,3.13.0")) == ["3.12.3", "3.13.0"]
    with pytest.raises(UsageError, match=r"3.12.3 is no value in the range of PYTHON") as raised:
        read("PYTHON", "3.9.18..3.12.3")
    assert raised.value.expected == "one of 3.6.15, 3.9.18, 3.10.13, 3.13.0"


@pytest.mark.parametrize(
    ("factor", "text", "ordered"),
    [
        ("SPEED", "slow,fast", True),
        ("SPEED", "fast,slow", True),
        ("SPEED", "slow,fast,steady", False),
        ("SPEED", "slow,quick", False),
        ("PYTHON", "3.9.18,3.10.13,3.12.3", True),
        ("PYTHON", "3.9.18,3.12.3,3.10.13", False),
        ("WORKERS", "1,2,16", True),
        ("PATCH", "none,fork", False),
    ],
)
def test_values_are_ordered_if_neighbours_can_be_compared(factor: str, text: str, ordered: bool) -> None:
    """By the list of the scenario, else as version numbers."""
    axis = read(factor, text)
    assert axis.ordered is ordered and texts(axis) == text.split(",")


# -- other factors --------------------------------------------------------------------------------


def test_a_value_that_comes_twice_counts_once() -> None:
    """Whatever the factor is."""
    assert texts(read("WORKERS", "2, 1,2")) == ["2", "1"]
    assert texts(read("SPEED", "slow,slow")) == ["slow"]


def test_values_are_checked_as_on_the_command_line_of_a_run() -> None:
    """The scenario lists what they may be."""
    with pytest.raises(UsageError, match=r"PATCH=none,frok: PATCH cannot be 'frok' .did you mean fork"):
        read("PATCH", "none,frok")


def test_a_factor_that_does_not_exist_suggests_another() -> None:
    """Also for a range."""
    for text in ("1.0", "1.0..2.0.0", ""):
        with pytest.raises(UsageError, match=r"has no factor RELEAS .did you mean RELEASE"):
            read("RELEAS", text)


def test_a_factor_without_a_range_takes_none() -> None:
    """The message names the factors that have one. A documented value that is empty leaves only the dots."""
    for text in ("1..4", ".."):
        with pytest.raises(UsageError, match=rf"WORKERS={re.escape(text)}: WORKERS of blink has no range") as raised:
            read("WORKERS", text)
        assert "ranges have RELEASE, PYTHON, SPEED" in raised.value.expected
