"""redos: its signs on what was recorded, its patches, and one short pair of trials."""

from __future__ import annotations

import re
import sys
from copy import deepcopy
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from cases import ROOT, main_of_patch
from lab import shown_in_pair
from reprolab.scenario import loader

NAME = "redos"
DIRECTORY = ROOT / "scenarios" / NAME


@pytest.fixture(scope="module")
def redos() -> ModuleType:
    """The experiment's module."""
    return sys.modules[loader.load(ROOT, NAME).experiments["redos"].drive.__module__]


def observation(used: dict[int, float], waited: float, status: int = 400) -> dict[str, Any]:
    """A trial: the CPU time by the number of x, and how long the other client waited beside each."""
    other = {"status": 200, "took_s": waited, "body": "8"}
    rows = {str(n): {"status": status, "cpu_s": cpu_s, "other": other} for n, cpu_s in used.items()}
    return {"idle": {"status": 200, "took_s": 0.02, "body": "8"}, "headers": rows}


# What was recorded of 1.4.2, of 1.4.3, and of 1.3.1, which takes the header.
BAD = observation({15: 0.001, 20: 0.008, 24: 0.066, 26: 0.2, 28: 0.6, 30: 1.8}, 9.0)
GOOD = observation(dict.fromkeys((15, 20, 24, 26, 28, 30), 0.001), 0.02)
OLD = observation(dict.fromkeys((15, 20, 24, 26, 28, 30), 0.002), 0.02, 200)
SIGNS = ("costs_a_second", "others_wait", "doubles", "harmless_in_the_advisory")


@pytest.mark.parametrize("sign", SIGNS)
def test_every_sign_shows_in_the_bad_release_alone(redos: ModuleType, sign: str) -> None:
    """A release that refuses the header, and one that takes it, have none; each trial counts."""
    assert [getattr(redos, sign)(o) for o in (BAD, GOOD, OLD)] == [True, False, False]
    assert all(redos.answered(o) for o in (BAD, GOOD, OLD))


def changed(number: int, key: str, value: Any) -> dict[str, Any]:
    """The bad trial with one value of one header changed."""
    o = deepcopy(BAD)
    o["headers"][str(number)][key] = value
    return o


def test_each_part_of_a_sign_counts(redos: ModuleType) -> None:
    """The CPU time of the longest, the other's wait, each step, and the shortest."""
    waited = {"status": 200, "took_s": 0.5, "body": "8"}
    assert not redos.costs_a_second(changed(30, "cpu_s", 0.9))
    assert not redos.others_wait(changed(30, "other", waited)) and redos.others_wait(changed(28, "other", waited))
    assert not redos.doubles(changed(26, "cpu_s", 0.1)) and redos.doubles(changed(20, "cpu_s", 0.1))
    tiny = observation(
        {n: row["cpu_s"] / 1000 for n, row in zip(redos.LENGTHS, BAD["headers"].values(), strict=True)}, 0.02
    )
    assert not redos.doubles(tiny)
    assert not redos.harmless_in_the_advisory(changed(15, "cpu_s", 0.1))


def test_a_long_wait_on_a_busy_machine_is_no_sign(redos: ModuleType) -> None:
    """The server did nothing meanwhile."""
    o = observation(dict.fromkeys((15, 20, 24, 26, 28, 30), 0.001), 30.0)
    assert not any(getattr(redos, sign)(o) for sign in SIGNS)


def test_a_trial_counts_only_if_everybody_was_answered(redos: ModuleType) -> None:
    """The header, and the other client with 200."""
    assert not redos.answered(changed(20, "status", None))
    assert not redos.answered(changed(20, "other", {"status": None, "took_s": 180.0, "body": ""}))


def test_the_advisorys_number_is_the_first_and_the_steps_are_of_two(redos: ModuleType) -> None:
    """RD-5 compares neighbours from 24 on; RD-6 reads the first."""
    assert redos.LENGTHS[0] == 15 and redos.LONGEST == 30
    assert [n for n in redos.LENGTHS if n >= 24] == [24, 26, 28, 30]


def test_the_cpu_time_is_read_from_the_kernel(redos: ModuleType) -> None:
    """Nanoseconds that the thread ran come first; then those in which it waited for a processor."""
    asked = []

    def execute(role: str, command: list[str]) -> tuple[int, str]:
        asked.append((role, command))
        return 0, "1500000000 9000000000 12\n"

    assert redos.cpu_s(SimpleNamespace(execute=execute), "8") == 1.5
    assert asked == [("app", ["cat", "/proc/8/schedstat"])]


CHARACTERS = 'FIELD_VCHAR = "[" + VCHAR + OBS_TEXT + "]"\n'
OF_1_4_2 = (
    'FIELD_CONTENT = FIELD_VCHAR + "([ \\t" + VCHAR + OBS_TEXT + "]+" + FIELD_VCHAR + "){,1}"\n'
    'FIELD_VALUE = "(" + FIELD_CONTENT + "){0,}"\n'
)
OF_1_4_3 = (
    'FIELD_CONTENT = FIELD_VCHAR + "+(?:[ \\t]+" + FIELD_VCHAR + "+)*"\nFIELD_VALUE = "(?:" + FIELD_CONTENT + ")?"\n'
)
VALUES = ("", "a", "ab", "a b", "abc def", "a ", "a\x10", "\x10")


def accepted(text: str) -> list[bool]:
    """Which of some values the expressions of a file accept."""
    names: dict[str, Any] = {"VCHAR": r"\x21-\x7e", "OBS_TEXT": r"\x80-\xff"}
    exec(text, names)
    return [bool(re.fullmatch(names["FIELD_VALUE"], value)) for value in VALUES]


def test_a_patch_changes_how_often_a_piece_comes_and_not_what_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that does not fit, or has no such name, fails the build."""
    file = tmp_path / "rfc7230.py"
    rfc7230 = SimpleNamespace(__file__=str(file))
    monkeypatch.setitem(sys.modules, "waitress", SimpleNamespace(rfc7230=rfc7230))  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "waitress.rfc7230", rfc7230)  # type: ignore[arg-type]
    patch = main_of_patch(NAME)
    file.write_text(CHARACTERS + OF_1_4_2)
    with pytest.raises(SystemExit, match="does not fit"):
        patch("repeated")
    patch("once")
    assert accepted(file.read_text()) == accepted(CHARACTERS + OF_1_4_2) == accepted(CHARACTERS + OF_1_4_3)
    assert "){0,}" not in file.read_text()
    with pytest.raises(SystemExit, match="does not fit"):
        patch("once")
    file.write_text(CHARACTERS + OF_1_4_3)
    patch("repeated")
    assert file.read_text() == CHARACTERS + OF_1_4_2
    patch("none")
    with pytest.raises(SystemExit, match="unknown patch"):
        patch("other")


@pytest.mark.docker
@pytest.mark.timeout(900)
def test_a_short_pair_on_real_containers(tmp_path: Path) -> None:
    """One trial of the documented stack and of the first good release: every sign is as recorded."""
    shown = shown_in_pair(tmp_path / "results", NAME, ("documented", "waitress-1.4.3"))
    assert shown == {f"RD-{n}": [1, 0] for n in range(1, 10)}
