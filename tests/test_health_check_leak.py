"""health-check-leak: the signs and the trigger on small observations and on recorded ones, and real trials."""

from __future__ import annotations

import json
import sys
from types import ModuleType
from typing import Any

import pytest
from cases import ROOT, trials_of
from lab import shown_in_pair
from reprolab.scenario import loader

NAME = "health-check-leak"


@pytest.fixture(scope="module")
def claims() -> ModuleType:
    """The experiment's module."""
    return sys.modules[loader.load(ROOT, NAME).experiments["claims"].drive.__module__]


def seen(after: int = 16, close_wait: int = 0, **more: Any) -> dict[str, Any]:
    """A small observation: the descriptors and the sockets in CLOSE_WAIT some seconds after 500 checks."""
    base = {"checks": {"opened": 500, "arrived": 500}, "descriptors": [16, after], "answers": ["200"] * 3}
    return base | {"sockets": {"tcp listen": 1, "tcp close-wait": close_wait}} | more


@pytest.mark.parametrize(
    ("after", "close_wait", "shows"),
    [(511, 495, True), (266, 250, True), (265, 250, False), (511, 0, False), (16, 0, False)],
)
def test_half_of_the_connections_must_be_open_in_close_wait(
    claims: ModuleType, after: int, close_wait: int, shows: bool
) -> None:
    """Descriptors of another kind are no sign."""
    assert claims.left_open(seen(after, close_wait)) is shows


def test_one_answer_is_enough(claims: ModuleType) -> None:
    """A server that answers some requests has descriptors."""
    assert claims.out_of_descriptors(seen(answers=["closed without answer", "timeout", "reset"]))
    assert not claims.out_of_descriptors(seen(answers=["closed without answer", "200", "200"]))


def test_all_checks_must_have_arrived(claims: ModuleType) -> None:
    """The client's count and the kernel's."""
    assert claims.checked(seen())
    assert not claims.checked(seen(checks={"opened": 499, "arrived": 500}))
    assert not claims.checked(seen(checks={"opened": 500, "arrived": 480}))


def test_the_signs_on_the_recorded_trials(claims: ModuleType) -> None:
    """Each sign shows where the record has it, and nowhere else."""
    observations = {row["variant"]: row["observation"] for row in map(json.loads, trials_of(NAME).splitlines())}
    assert set(observations) == set(claims.VARIANTS)
    assert all(map(claims.checked, observations.values()))
    shown = {variant for variant, o in observations.items() if claims.left_open(o)}
    assert shown == {*claims.BAD, "h11"}
    assert {name for name, o in observations.items() if claims.out_of_descriptors(o)} == {"few-descriptors"}


@pytest.mark.docker
@pytest.mark.timeout(900)
def test_health_checks_on_real_containers(tmp_path: Any) -> None:
    """With uvloop the connections stay open, with asyncio they do not."""
    shown = shown_in_pair(tmp_path / "results", NAME, ("documented", "asyncio"), ["HL-5"])
    assert shown == {"HL-5": [1, 0]}
