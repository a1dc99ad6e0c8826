"""stale-upstream: its signs and triggers on observations, and one short pair of trials."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cases import ROOT
from lab import shown_in_pair
from reprolab.scenario import loader


@pytest.fixture(scope="module")
def addresses() -> ModuleType:
    """The experiment's module."""
    found = loader.load(ROOT, "stale-upstream")
    return sys.modules[found.experiments["addresses"].drive.__module__]


def observation(**changes: Any) -> dict[str, Any]:
    """What a trial of the documented stack sees, with changes."""
    return {
        "before": ["app"] * 5,
        "addresses": {"before": {"app": "172.18.0.3"}, "after": {"app": "172.18.0.5"}},
        "watched": ["502"] * 30,
        "direct": "app",
        "reloaded": ["app"] * 5,
    } | changes


DOCUMENTED = observation()
RESOLVER = observation(watched=["502"] * 2 + ["app"] * 28)
SWAPPED = observation(
    addresses={
        "before": {"app": "172.18.0.3", "other": "172.18.0.4"},
        "after": {"app": "172.18.0.4", "other": "172.18.0.3"},
    },
    watched=["other"] * 30,
)


def test_each_sign_shows_and_can_be_absent(addresses: ModuleType) -> None:
    """On the documented stack, with a resolver, and with another service at the old address."""
    shown = {
        sign: [getattr(addresses, sign)(o) for o in (DOCUMENTED, RESOLVER, SWAPPED)]
        for sign in ("lost", "found_again", "reload_ends_it", "handed_over")
    }
    assert shown == {
        "lost": [True, False, False],
        "found_again": [False, True, False],
        "reload_ends_it": [True, False, True],
        "handed_over": [False, False, True],
    }


def test_one_answer_is_enough_to_be_not_lost(addresses: ModuleType) -> None:
    """And a reload that mends nothing is no remedy."""
    assert not addresses.lost(observation(watched=["502"] * 29 + ["app"]))
    assert not addresses.found_again(observation(watched=["app"] * 29 + ["502"]))
    assert not addresses.reload_ends_it(observation(reloaded=["502"] * 5))


def test_the_triggers_can_be_absent(addresses: ModuleType) -> None:
    """The same address, a server that does not answer, a name that does not resolve; an old address that nobody has."""
    same = {"before": {"app": "172.18.0.3"}, "after": {"app": "172.18.0.3"}}
    assert addresses.moved(DOCUMENTED) and not addresses.moved(observation(addresses=same))
    assert not addresses.moved(observation(direct=""))
    assert not addresses.moved(observation(addresses={"before": {"app": "172.18.0.3"}, "after": {"app": ""}}))
    assert addresses.swapped(SWAPPED) and not addresses.swapped(DOCUMENTED)


@pytest.mark.docker
@pytest.mark.timeout(600)
def test_a_short_pair_on_real_containers(tmp_path: Path) -> None:
    """One trial of the documented stack and of a control."""
    shown = shown_in_pair(tmp_path / "results", "stale-upstream", ("documented", "resolver"), ["SU-1"])
    assert shown == {"SU-1": [1, 0]}
