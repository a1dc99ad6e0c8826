"""two-clients without Docker: its signs on the recorded trials and on changed ones, its clock, its timeline."""

from __future__ import annotations

import copy
import importlib.util
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from cases import ROOT
from reprolab import InvalidTrial
from reprolab.scenario import loader
from reprolab.scenario.model import Claim, Scenario

RECORDED = Path(__file__).parent / "data" / "enable-threads" / "trials.jsonl"
ROWS = [json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()]
TRIALS = [row for row in ROWS if row["experiment"] == "two-clients"]
ASKED = 1_795_252_193.6
PAGE = "process 8 computed from 1795252193.654009 to 1795252196.654061"
Observation = dict[str, Any]


@pytest.fixture(scope="module")
def found() -> Scenario:
    """The scenario."""
    return loader.load(ROOT, "enable-threads")


@pytest.fixture(scope="module")
def experiment(found: Scenario) -> ModuleType:
    """The experiment's module."""
    return sys.modules[found.experiments["two-clients"].drive.__module__]


@pytest.fixture(scope="module")
def clients(experiment: ModuleType) -> ModuleType:
    """What the clients do."""
    return sys.modules[experiment.measured.__module__]


def observed(variant: str) -> Observation:
    """What the recorded run saw in a variant."""
    for trial in TRIALS:
        if trial["variant"] == variant and not trial.get("invalid"):
            return copy.deepcopy(trial["observation"])
    raise AssertionError(f"{RECORDED} has no valid trial of {variant}: record it anew")


def changed(variant: str, **changes: dict[str, Any]) -> Observation:
    """A recorded observation with some of A's or B's moments changed."""
    observation = observed(variant)
    for name, moments in changes.items():
        observation[name] |= moments
    return observation


def claims(found: Scenario) -> dict[str, Claim]:
    """By id."""
    return {claim.id: claim for claim in found.experiments["two-clients"].claims}


# -- signs -----------------------------------------------------------------------------------------


def test_the_recorded_trials_decide_each_claim(found: Scenario) -> None:
    """As the claims have it, but for ET-12: no client's answer was held back."""
    for claim in claims(found).values():
        for variant, expected in claim.expectations.items():
            shown = claim.sign(observed(variant.rpartition("/")[2]))
            assert shown == (expected and claim.id != "ET-12"), (claim.id, variant)


def test_an_answer_was_held_back_in_no_variant(experiment: ModuleType, found: Scenario) -> None:
    """Browsers, sockets, libraries, routers, keep-alive: A's answer is complete when the server is done with A."""
    variants = {trial["variant"] for trial in TRIALS}
    assert variants == set(found.experiments["two-clients"].variants)
    assert not [name for name in variants if experiment.answer_held_back(observed(name))]


@pytest.mark.parametrize("variant", ["documented", "raw"])
def test_an_answer_that_is_held_back_shows(experiment: ModuleType, variant: str) -> None:
    """As the document describes it: 6 s, with B's."""
    end = observed(variant)["B"]["complete"]
    assert experiment.answer_held_back(changed(variant, A={"complete": end}))
    assert not experiment.answer_held_back(changed(variant, A={"complete": 4.5})), "late, but before B is done"
    both = {"complete": 6.5, "ended": 5.9}
    assert not experiment.answer_held_back(changed(variant, A=both, B={"ended": 6.0})), "side by side, not held back"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"B": {"pid": -1}}, id="two-processes"),
        pytest.param({"B": {"began": 1.0}}, id="side-by-side"),
        pytest.param({"B": {"sent": 3.5}}, id="B-sent-too-late"),
    ],
)
def test_not_in_turn(experiment: ModuleType, changes: dict[str, Any]) -> None:
    """Another process, a beginning before A's end, or a B that never had to wait."""
    assert experiment.one_process_in_turn(observed("raw"))
    assert not experiment.one_process_in_turn(changed("raw", **changes))
    assert not experiment.in_turn_and_prompt(changed("raw", **changes))


def test_a_late_answer_is_not_prompt(experiment: ModuleType) -> None:
    """ET-14 fails for an answer that comes with B's."""
    assert experiment.in_turn_and_prompt(observed("raw-gunicorn"))
    assert not experiment.in_turn_and_prompt(changed("raw-gunicorn", A={"complete": 6.0}))


def test_shown_together_is_about_the_screen_alone(experiment: ModuleType) -> None:
    """Not shown where A appears at once, nor where A's answer itself was late."""
    assert experiment.shown_together(observed("styled"))
    assert not experiment.shown_together(changed("styled", A={"shown": 3.2}))
    assert not experiment.shown_together(changed("styled", A={"complete": 6.0}))
    assert experiment.shown_at_once(changed("styled", A={"shown": 3.2}))


@pytest.mark.parametrize("sign", ["shown_together", "shown_at_once"])
def test_a_client_without_a_screen_cannot_say(experiment: ModuleType, sign: str) -> None:
    """It raises, so that its trial counts neither for nor against."""
    with pytest.raises(ValueError, match="no screen"):
        getattr(experiment, sign)(observed("raw"))


def test_a_browser_that_sends_at_once_does_not_wait(experiment: ModuleType) -> None:
    """When B was asked for is not when it was sent."""
    assert experiment.browser_waits(observed("one-browser"))
    assert not experiment.browser_waits(changed("one-browser", B={"sent": 0.51}))
    assert not experiment.browser_waits(changed("one-browser", B={"asked": 3.0}))


def test_two_processes_may_serve_side_by_side(experiment: ModuleType) -> None:
    """With two browsers; with one browser they are still seen one after the other."""
    assert not experiment.one_after_the_other(observed("processes-2"))
    assert experiment.one_after_the_other(observed("processes-2-one-browser"))
    assert not experiment.one_after_the_other(changed("processes-2-one-browser", B={"began": 0.6}))


def test_a_trial_in_which_b_came_first_is_invalid(experiment: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may send A late; then nothing can be said of what B waits for."""
    swapped = changed("raw", A={"began": 3.0})
    swapped["B"]["began"] = 0.5
    monkeypatch.setattr(experiment, "ask_both", lambda stack: {})
    monkeypatch.setattr(experiment, "measured", lambda both: swapped)
    with pytest.raises(InvalidTrial, match="B was served before A"):
        experiment.drive(SimpleNamespace(factors={"BEFORE": "none"}))


# -- the clock --------------------------------------------------------------------------------------


def test_the_page_says_who_served_it_and_when(clients: ModuleType) -> None:
    """In seconds since the epoch, as the clients' own moments are."""
    assert clients.served(PAGE) == {"pid": 8, "began": 1795252193.654009, "ended": 1795252196.654061}


def test_another_page_is_no_answer(clients: ModuleType) -> None:
    """An error page does not count as an answer."""
    with pytest.raises(InvalidTrial, match="another page: 'Bad Gateway'"):
        clients.served("Bad Gateway")


def test_an_answer_without_an_end_is_invalid(clients: ModuleType) -> None:
    """Nothing can be said about a client that gave up."""
    whole = {"asked": ASKED, "complete": ASKED + 3, "text": PAGE}
    with pytest.raises(InvalidTrial, match="B has no complete answer"):
        clients.measured({"version": "x", "A": whole, "B": {"asked": ASKED, "complete": None}})


# -- the clients -------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[Callable[[list[tuple[float, bytes]]], str]]:
    """Starts a server that sends to one client what it is given, each part after a pause."""
    threads = []

    def start(parts: list[tuple[float, bytes]]) -> str:
        listener = socket.create_server(("127.0.0.1", 0))

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, listener:
                connection.recv(65536)
                for pause, part in parts:
                    time.sleep(pause)
                    connection.sendall(part)

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/document/cpu"

    yield start
    for thread in threads:
        thread.join(5)


def test_a_raw_client_tells_the_last_byte_from_the_end(clients: ModuleType, server: Any) -> None:
    """A server that keeps the connection for a while after its answer does not make the answer late."""
    url = server([(0.0, b"HTTP/1.1 200 OK\r\n\r\n"), (0.2, b"body"), (0.2, b"")])
    told = clients.raw(url)
    assert told["text"] == "body"
    assert told["asked"] <= told["sent"] <= told["first"] < told["complete"]
    assert told["first"] + 0.1 < told["complete"]


def test_a_connection_without_an_answer_is_invalid(clients: ModuleType, server: Any) -> None:
    """It is not an answer of zero bytes."""
    with pytest.raises(InvalidTrial, match="without an answer"):
        clients.raw(server([]))


def test_requests_tells_headers_from_body(clients: ModuleType, server: Any) -> None:
    """The first byte of the body may come long after the headers."""
    url = server([(0.0, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"), (0.2, b"body")])
    told = clients.with_requests(url)
    assert told["text"] == "body" and told["complete"] - told["first"] > 0.1


def stack(client: str, code: int = 0, printed: str = "") -> SimpleNamespace:
    """As much of a stack as a client needs."""
    return SimpleNamespace(
        factors={"CLIENT": client}, execute=lambda role, command, limit: (code, printed), url=lambda path, role: path
    )


def test_an_unknown_client_is_named(clients: ModuleType) -> None:
    """A misspelt factor is not silently another variant."""
    with pytest.raises(InvalidTrial, match="CLIENT is 'lynx', not one of two-browsers"):
        clients.ask_both(stack("lynx"))


@pytest.mark.parametrize("client", ["two-browsers", "curl"])
def test_a_client_that_fails_is_invalid(clients: ModuleType, client: str) -> None:
    """With its last words."""
    with pytest.raises(InvalidTrial, match="failed with 1: chromium ended"):
        clients.ask_both(stack(client, 1, "chromium ended"))


# -- for a reader ------------------------------------------------------------------------------------


def test_the_timeline_can_be_read(clients: ModuleType) -> None:
    """A held back in the browser, an answer that waits for its style sheet, and a plain one."""
    a = {"asked": 0.0, "sent": 0.0, "complete": 1.0, "shown": 2.0, "began": 0.0, "ended": 1.0}
    b = {"asked": 0.5, "sent": 1.0, "complete": 2.0, "shown": None, "began": 1.0, "ended": 2.0}
    assert clients.timeline({"A": a, "B": b}) == [
        "          0s      1s      2s      ",
        "A server  ████████",
        "A client  ────────▒▒▒▒▒▒▒▒●",
        "B server          ████████",
        "B client      ···─────────●",
    ]


def test_the_browsers_script_knows_every_way(clients: ModuleType) -> None:
    """What the experiment asks for, the script in the image can do."""
    spec = importlib.util.spec_from_file_location("tabs", ROOT / "images" / "chromium" / "tabs.py")
    assert spec and spec.loader
    tabs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tabs)
    assert {how for how, *_ in clients.BROWSERS.values()} == set(tabs.HOW)
