"""What a factor can go through, and what it needs: two keys of x-reprolab, and those of the project's own scenarios."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest
from cases import COMPOSE, EXPERIMENT, ROOT, having, lay_out
from packaging.utils import canonicalize_name
from reprolab.core.errors import UsageError
from reprolab.pins.asking import pins_of
from reprolab.pins.pin import PIP
from reprolab.scenario import loader
from reprolab.scenario.digest import case_digest
from reprolab.scenario.model import Scenario
from reprolab.scenario.ranges import Need, ValueRange

KEYS = """\
  ranges:
    RELEASE: blinker
    WORKERS: ["1", "2", "4"]
  needs:
    - {when: {RELEASE: ">=2, <3"}, use: {WORKERS: "4"}}
    - {when: {RELEASE: "0.9 1.0", WORKERS: "2"}, use: {RELEASE: "1.1"}}
  values:
    WORKERS: 1 2 4
"""
PYTHONS = ["3.6.15", "3.7.16", "3.8.18", "3.9.18", "3.10.13", "3.11.7", "3.12.1", "3.13.0"]
# A scenario that is begun need not have ranges yet.
SCENARIOS = having("recorded.json")


def scenario(root: Path, keys: str = KEYS) -> Scenario:
    """The small scenario with these keys in x-reprolab."""
    lay_out(root, compose=COMPOSE.replace("services:\n", f"{keys}services:\n"), lamp=EXPERIMENT)
    return loader.load(root, "blink")


def test_both_keys_are_read(tmp_path: Path) -> None:
    """A package or a list of values; the needs in their order."""
    blink = scenario(tmp_path)
    assert blink.ranges == {"RELEASE": ValueRange("blinker"), "WORKERS": ValueRange(values=("1", "2", "4"))}
    assert blink.companions == (
        Need({"RELEASE": ">=2, <3"}, {"WORKERS": "4"}),
        Need({"RELEASE": "0.9 1.0", "WORKERS": "2"}, {"RELEASE": "1.1"}),
    )


def test_a_scenario_may_have_neither_key(tmp_path: Path) -> None:
    """Then no factor has a range, and nothing is needed."""
    blink = scenario(tmp_path, "")
    assert blink.ranges == {} and blink.companions == ()


@pytest.mark.parametrize(
    ("settings", "concerned"),
    [
        ({"RELEASE": "2.0"}, True),
        ({"RELEASE": "2.5.dev1"}, True),
        ({"RELEASE": "3"}, False),
        ({"RELEASE": "2.x"}, False),
        ({"RELEASE": "none"}, False),
    ],
)
def test_a_need_compares_versions(settings: dict[str, str], concerned: bool) -> None:
    """As numbers, and a text that is none is in no range."""
    assert Need({"RELEASE": ">=2, <3"}, {"WORKERS": "4"}).concerns(settings) is concerned
    assert Need({"RELEASE": ">=9"}, {}).concerns({"RELEASE": "10"})


def test_all_lines_of_a_need_must_hold() -> None:
    """One factor with several values is an alternative; two factors are not."""
    need = Need({"RELEASE": "0.9 1.0", "WORKERS": "2"}, {})
    assert need.concerns({"RELEASE": "1.0", "WORKERS": "2"})
    assert not need.concerns({"RELEASE": "1.0", "WORKERS": "4"})
    assert not need.concerns({"RELEASE": "1", "WORKERS": "2"})


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("ranges: []", r"x-reprolab.ranges is \[\]"),
        ("ranges: {RELEAS: blinker}", "ranges.RELEAS names RELEAS, which is no factor .did you mean RELEASE"),
        ("ranges: {RELEAS: ['1.0']}", "ranges.RELEAS names RELEAS, which is no factor"),
        ("ranges: {RELEASE: [1.0, 3.10]}", r"ranges.RELEASE has the value 1.0"),
        ("ranges: {RELEASE: ['1.0', 3.10]}", r"ranges.RELEASE has the value 3.1\n  expected: a text, in quotation"),
        ("ranges: {RELEASE: 2}", "ranges.RELEASE is 2"),
        ("ranges: {RELEASE: two words}", "ranges.RELEASE is 'two words'"),
        ("ranges: {RELEASE: []}", r"ranges.RELEASE is \[\]"),
        ("ranges: {RELEASE: ['0.9']}", "ranges.RELEASE lacks the documented value '1.0'"),
        ("ranges: {RELEASE: ['1.0', '1.0']}", "ranges.RELEASE names a value twice"),
        ("needs: {}", "x-reprolab.needs is {}"),
        ("needs: [{when: {RELEASE: '1'}}]", r"needs\[1\].use is None"),
        ("needs: [{use: {RELEASE: '1'}}]", r"needs\[1\].when is None"),
        ("needs: [{when: {RELEASE: '1'}, use: {WORKERS: '1'}, why: x}]", r"needs\[1\]: unknown key why"),
        ("needs: [{when: {RELEASE: '>=x'}, use: {WORKERS: '1'}}]", r"needs\[1\].when.RELEASE is '>=x', which is no"),
        ("needs: [{when: {RELEASE: 3.10}, use: {WORKERS: '1'}}]", r"needs\[1\].when.RELEASE has the value 3.1"),
        ("needs: [{when: {RELEASE: '1'}, use: {WORKERS: 1}}]", r"needs\[1\].use.WORKERS has the value 1"),
        ("needs: [{when: {RELEASE: '1'}, use: {WORKER: '1'}}]", r"needs\[1\].use.WORKER names WORKER, which is no"),
        ("needs: [{when: {experiment: lamp}, use: {WORKERS: '1'}}]", "names experiment, which is no factor"),
        ("values: {WORKERS: 1 2}\n  needs: [{when: {WORKERS: '1'}, use: {WORKERS: '3'}}]", "WORKERS cannot be '3'"),
        ("values: {WORKERS: 1 2}\n  ranges: {WORKERS: ['2', '3']}", "ranges.WORKERS: WORKERS cannot be '3'"),
    ],
)
def test_a_malformed_key_is_named(tmp_path: Path, keys: str, message: str) -> None:
    """With its place, before anything runs."""
    with pytest.raises(UsageError, match=message) as raised:
        scenario(tmp_path, f"  {keys}\n")
    assert "expected:" in str(raised.value)


def test_neither_key_changes_the_digest_of_a_case(tmp_path: Path) -> None:
    """They decide no run of named variants, so a record still fits."""
    digests = set()
    for number, keys in enumerate(("", KEYS.partition("  values:")[0])):
        lay_out(tmp_path / str(number), compose=COMPOSE.replace("services:\n", f"{keys}services:\n"), lamp=EXPERIMENT)
        digests.add(case_digest(tmp_path / str(number) / "scenarios" / "blink"))
    assert len(digests) == 1


# -- the project's own scenarios ------------------------------------------------------------------


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_factor_that_is_a_release_has_a_range(name: str) -> None:
    """A factor that pip installs a package by has a range of that very package."""
    loaded = loader.load(ROOT, name)
    users = pins_of(ROOT, [loaded], platform.machine())
    installed = {
        (factor, canonicalize_name(pin.name))
        for pin, uses in users.items()
        if pin.kind == PIP
        for use in uses
        for factor in use.argument.split()
        if use.scenario and factor in loaded.factors
    }
    packages = {(name, canonicalize_name(entry.package)) for name, entry in loaded.ranges.items() if entry.package}
    assert packages == installed


@pytest.mark.parametrize("name", SCENARIOS)
def test_pythons_are_those_that_the_lab_can_build(name: str) -> None:
    """In their order; some lists of packages have no file for some of them."""
    pythons = loader.load(ROOT, name).ranges["PYTHON"].values
    assert list(pythons) == [text for text in PYTHONS if text in pythons]
