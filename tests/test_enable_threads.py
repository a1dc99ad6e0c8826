"""enable-threads without Docker: signs on a recorded run, and how lines are counted."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cases import ROOT
from reprolab import InvalidTrial
from reprolab.evidence import trials_file
from reprolab.scenario import loader
from reprolab.scenario.model import Claim, Scenario
from reprolab.verdict.judge import judge

DIRECTORY = ROOT / "scenarios" / "enable-threads"
RECORDED = Path(__file__).parent / "data" / "enable-threads" / "trials.jsonl"
TRIALS = trials_file.read(RECORDED).records


@pytest.fixture(scope="module")
def found() -> Scenario:
    """The scenario."""
    return loader.load(ROOT, "enable-threads")


def module(found: Scenario, experiment: str) -> ModuleType:
    """An experiment's module."""
    return sys.modules[found.experiments[experiment].drive.__module__]


def observed(experiment: str, variant: str) -> dict[str, Any]:
    """What the recorded run saw in a variant."""
    for trial in TRIALS:
        if (trial.experiment, trial.variant) == (experiment, variant) and trial.valid:
            return copy.deepcopy(dict(trial.observation))
    raise AssertionError(f"{RECORDED} has no valid trial of {experiment}/{variant}: record it anew")


def sign(found: Scenario, identifier: str) -> Claim:
    """A claim by its id."""
    return next(claim for claim in found.claims if claim.id == identifier)


def test_every_claim_is_decided_as_recorded(found: Scenario) -> None:
    """The recorded trials give the verdicts that are on record."""
    now = {claim.id: claim.verdict for claim in judge(found, "recorded", TRIALS).claims}
    recorded = json.loads((DIRECTORY / "recorded.json").read_text(encoding="utf-8"))
    assert now == {claim["id"]: claim["verdict"] for claim in recorded["claims"]}
    assert "inconclusive" not in now.values()


@pytest.mark.parametrize(
    ("identifier", "variant", "change"),
    [
        ("ET-1", "documented", {"once": {"during": 0, "idle": 0, "later": 0}}),
        ("ET-2", "documented", {"held": {"during": 1, "idle": 0, "later": 0}}),
        ("ET-3", "documented", {"once": {"during": 1, "idle": 1, "later": 0}}),
        ("ET-3", "documented", {"held": {"during": 2, "idle": 2, "later": 0}}),
        ("ET-5", "enable-threads", {"once": {"during": 1, "idle": 1, "later": 4}}),
        ("ET-17", "documented", {"kernel_threads": []}),
        ("ET-17", "documented", {"threads": ["MainThread"]}),
        ("ET-17", "documented", {"once": {"during": 1, "idle": 0, "later": 0}}),
    ],
)
def test_signs_of_the_thread_can_come_out_false(
    found: Scenario, identifier: str, variant: str, change: dict[str, Any]
) -> None:
    """They show in what was recorded, and not once that is changed in one place."""
    claim, seen = sign(found, identifier), observed("background-thread", variant)
    assert claim.sign(seen) is True
    assert claim.sign(seen | change) is False


def test_signs_that_were_refuted_can_come_out_true(found: Scenario) -> None:
    """A thread that is gone, a lock that is not there and a thread that never runs would be seen."""
    seen = observed("background-thread", "documented")
    none = {"during": 0, "idle": 0, "later": 0}
    assert sign(found, "ET-4").sign(seen | {"threads": ["MainThread"]}) is True
    assert sign(found, "ET-8").sign(seen | {"gil_at_load": "False", "once": none, "held": none}) is True
    assert sign(found, "ET-8").sign(seen | {"gil_at_load": "False"}) is False


def change_pid(o: dict[str, Any]) -> None:
    """A child answers instead of the first process, or the other way round."""
    pids = [row["pid"] for row in o["processes"]]
    o["first"] = next(pid for pid in pids if pid != o["first"])


def served_by_router(o: dict[str, Any]) -> None:
    """The child serves as well."""
    o["processes"][1]["served"] = 5


@pytest.mark.parametrize(
    ("identifier", "variant", "change"),
    [
        ("ET-9", "documented", change_pid),
        ("ET-13", "gunicorn", change_pid),
        ("ET-15", "documented", served_by_router),
        ("ET-16", "threads-4", lambda o: o["spans"].clear() or o["spans"].append([1, 0.0, 1.0])),
        ("ET-21", "documented", served_by_router),
        ("ET-21", "documented", lambda o: o["processes"][1].update(needed=False)),
        ("ET-22", "master", change_pid),
    ],
)
def test_signs_of_who_serves_can_come_out_false(found: Scenario, identifier: str, variant: str, change: Any) -> None:
    """As above."""
    claim, seen = sign(found, identifier), observed("who-serves", variant)
    assert claim.sign(seen) is True
    change(seen)
    assert claim.sign(seen) is False


def test_a_child_that_served_would_confirm_the_document(found: Scenario) -> None:
    """ET-10 was refuted because the child served nothing, not because it could not have been seen to."""
    seen = observed("who-serves", "documented")
    assert sign(found, "ET-10").sign(seen) is False
    served_by_router(seen)
    assert sign(found, "ET-10").sign(seen) is True


def test_lines_are_counted_where_they_belong(found: Scenario) -> None:
    """During the own request, idle, or in a later one; a line just before a later request is that request's."""
    thread = module(found, "background-thread")
    spans = {"once": [10.0, 10.0], "held": [20.0, 23.0], "hold": [30.0, 33.0]}
    said = [{"tick": "once", "number": n, "at": at} for n, at in enumerate([10.1, 12.0, 19.9, 22.0, 23.1, 26.0, 31.0])]
    assert thread.counts(said, "once", spans) == {"during": 1, "idle": 2, "later": 4}
    assert thread.counts(said, "held", spans) == {"during": 0, "idle": 0, "later": 0}


def test_a_request_without_its_two_lines_is_no_evidence(found: Scenario) -> None:
    """A log that lost a line cannot be counted."""
    with pytest.raises(InvalidTrial, match="1 of the 2 lines"):
        module(found, "background-thread").span([{"begin": "once", "at": 1.0}], "once")


def test_the_listening_socket_is_found_by_port_and_state(found: Scenario) -> None:
    """In /proc/net/tcp: port 8000 in hexadecimal, state 0A; a connection on the same port is another line."""
    text = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 020012AC:1F40 010012AC:9C42 01 00000000:00000000 00:00000000 00000000  1000        0 111 1 0\n"
        "   1: 00000000:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 222 1 0\n"
        "   2: 00000000:1F41 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 333 1 0\n"
    )
    assert module(found, "who-serves").LISTENING.findall(text) == [("1F40", "222"), ("1F41", "333")]


def test_requests_under_way_at_one_moment(found: Scenario) -> None:
    """The most spans that cover one moment; an end is not part of its span."""
    overlapping = module(found, "who-serves").overlapping
    assert overlapping([(0.0, 1.0), (0.5, 2.0), (0.9, 1.5), (1.0, 3.0)]) == 3
    assert overlapping([]) == 0


# -- throughput ------------------------------------------------------------------------------------


def pairs(*ratios: float) -> dict[str, Any]:
    """An observation in which the first server was so many times as fast as the second one, pair by pair."""
    rows = [{"first": 1000.0 * ratio, "second": 1000.0} for ratio in ratios]
    return {"pairs": rows, "first_threads": False, "second_threads": True, "asked": True}


def test_without_the_option_it_is_faster_only_if_it_is_in_every_pair(found: Scenario) -> None:
    """ET-29: six pairs of six; five could be chance, and equal rates are no gain."""
    claim = sign(found, "ET-29")
    assert claim.sign(pairs(*[1.01] * 6)) is True
    assert claim.sign(pairs(*[1.2] * 5, 0.99)) is False
    assert claim.sign(pairs(*[1.0] * 6)) is False
    assert claim.rate and claim.rate(pairs(1.1, 0.9, 1.1)) == (2, 3)


@pytest.mark.parametrize("change", [{"first_threads": None}, {"second_threads": False}, {"first_threads": True}])
def test_both_servers_must_have_said_whether_threads_are_on(found: Scenario, change: dict[str, Any]) -> None:
    """A pair in which the option was not in force compares nothing."""
    claim = sign(found, "ET-29")
    assert claim.trigger and claim.trigger(pairs(1.0)) is True
    assert claim.trigger(pairs(1.0) | change) is False
    assert claim.trigger(pairs(1.0) | {"asked": False, "second_threads": False}) is True


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("*** Python threads support is disabled. You can enable it with --enable-threads ***", False),
        ("python threads support enabled", True),
        ("spawned uWSGI worker 1 (and the only) (pid: 6, cores: 1)", None),
    ],
)
def test_uwsgi_says_whether_threads_are_on(found: Scenario, line: str, expected: bool | None) -> None:
    """By a line of its start."""
    assert module(found, "throughput").threads_enabled(f"uwsgi\n{line}\n") is expected
