"""smuggled: its bytes, its signs on what was recorded, its patches, and one short pair of trials."""

from __future__ import annotations

import sys
from copy import deepcopy
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from cases import ROOT, main_of_patch
from lab import shown_in_pair
from reprolab.scenario import loader

NAME = "smuggled"
DIRECTORY = ROOT / "scenarios" / NAME
HIDING = ("stacked", "unknown", "both")


@pytest.fixture(scope="module")
def smuggle() -> ModuleType:
    """The experiment's module."""
    return sys.modules[loader.load(ROOT, NAME).experiments["smuggle"].drive.__module__]


def test_one_reader_sees_one_request_and_the_other_two(smuggle: ModuleType) -> None:
    """Of the plain form both see one: there is no length, and the chunks hold no request."""
    for name in HIDING:
        by, data = smuggle.FORMS[name]
        other = "chunks" if by == "length" else "length"
        assert smuggle.read_as(by, data) == [f"/{name}"]
        assert smuggle.read_as(other, data) == [f"/{name}", f"/hidden/{name}"]
    assert [smuggle.read_as(by, smuggle.FORMS["plain"][1]) for by in ("chunks", "length")] == [["/plain"]] * 2


def test_the_readers_stop_at_what_is_no_request(smuggle: ModuleType) -> None:
    """The rest of a body is none; a request without a body ends with its head."""
    get = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
    assert smuggle.read_as("length", get % 1 + get % 2 + b"\r\n0\r\n\r\n" + get % 3) == ["/1", "/2"]
    assert smuggle.read_as("chunks", b"") == []


def form(smuggle: ModuleType, name: str, first: int, gets: str | None) -> dict[str, Any]:
    """What a trial has of a form: the status of its answer, and the path that the next client's answer is for."""
    by, data = smuggle.FORMS[name]
    return {
        "by": by,
        "readings": {reader: smuggle.read_as(reader, data) for reader in ("length", "chunks")},
        "first": {"status": first, "path": f"/{name}" if first == 200 else None, "ending": "answered"},
        "next": {"status": 200 if gets else None, "path": gets, "ending": "answered" if gets else "reset"},
    }


def observation(smuggle: ModuleType, firsts: dict[str, int], hidden: tuple[str, ...], front: str = "none") -> Any:
    """A trial: the statuses of the forms, and of which ones the application saw the hidden request."""
    served = [name for name, status in firsts.items() if status == 200]
    gets = {name: f"/hidden/{name}" for name in hidden}
    forms = {name: form(smuggle, name, status, gets.get(name)) for name, status in firsts.items()}
    paths = [f"/{name}" for name in served] + list(gets.values())
    return {
        "front": front,
        "forms": {"plain": form(smuggle, "plain", 200, "/next/plain"), **forms},
        "reached": [{"method": "POST", "path": "/plain", "body": 5}]
        + [{"method": "GET", "path": path, "body": 0} for path in paths],
        "proxied": [] if front == "none" else ["/plain", *(f"/{name}" for name in firsts), *gets.values()],
    }


@pytest.fixture
def trials(smuggle: ModuleType) -> dict[str, Any]:
    """What was recorded of 21.2.0, of sync, of 22.0.0, and of both proxies."""
    served, refused = dict.fromkeys(HIDING, 200), {"stacked": 400, "unknown": 500, "both": 400}
    return {
        "bad": observation(smuggle, served, HIDING),
        "sync": observation(smuggle, served, ()),
        "good": observation(smuggle, refused, ()),
        "nginx": observation(smuggle, refused, (), "nginx"),
        "h2o": observation(smuggle, {"stacked": 400, "unknown": 400, "both": 200}, ("both",), "h2o"),
    }


@pytest.mark.parametrize(
    ("sign", "shows"),
    [
        ("stacked", {"bad"}),
        ("unknown", {"bad"}),
        ("both", {"bad"}),
        ("next_client_gets_it", {"bad"}),
        ("refused_in_front", {"nginx"}),
    ],
)
def test_every_sign_tells_the_outcomes_apart(
    smuggle: ModuleType, trials: dict[str, Any], sign: str, shows: set[str]
) -> None:
    """Each trial counts, and each sign is true of some and false of others."""
    assert {name for name, o in trials.items() if getattr(smuggle, sign)(o)} == shows
    assert all(smuggle.arrived(o) for o in trials.values())


def test_a_request_that_the_proxy_saw_too_is_not_hidden(smuggle: ModuleType, trials: dict[str, Any]) -> None:
    """With a proxy its log decides; without one the reader that stands for it."""
    o = deepcopy(trials["h2o"])
    o["proxied"].remove("/hidden/both")
    assert smuggle.both(o) and not smuggle.both(trials["h2o"])
    o = deepcopy(trials["bad"])
    o["forms"]["both"]["by"] = "chunks"
    assert not smuggle.both(o) and smuggle.stacked(o)


def test_a_trial_counts_only_if_the_requests_arrived(smuggle: ModuleType, trials: dict[str, Any]) -> None:
    """The plain one with its body, and an answer for each form."""
    o = deepcopy(trials["bad"])
    o["reached"][0]["body"] = 0
    assert not smuggle.arrived(o)
    o = deepcopy(trials["good"])
    o["forms"]["unknown"]["first"]["status"] = None
    assert not smuggle.arrived(o)


@pytest.mark.parametrize("change", ["answered", "not in the log", "served"])
def test_each_part_of_a_refusal_in_front_counts(smuggle: ModuleType, trials: dict[str, Any], change: str) -> None:
    """An answer with 200, a request that the proxy did not log, one that the application saw."""
    o = deepcopy(trials["nginx"])
    if change == "answered":
        o["forms"]["both"]["first"]["status"] = 200
    elif change == "not in the log":
        o["proxied"].remove("/unknown")
    else:
        o["reached"].append({"method": "POST", "path": "/both", "body": 0})
    assert smuggle.refused_in_front(trials["nginx"]) and not smuggle.refused_in_front(o)


def test_the_next_client_must_have_its_own_answer_after_a_plain_request(
    smuggle: ModuleType, trials: dict[str, Any]
) -> None:
    """Else the connection itself is out of step."""
    o = deepcopy(trials["bad"])
    o["forms"]["plain"]["next"]["path"] = None
    assert not smuggle.next_client_gets_it(o)


def test_the_logs_tell_what_application_and_proxy_saw(smuggle: ModuleType) -> None:
    """Lines of JSON from the one, an access log from the other; without a proxy its log is not asked for."""
    logs = {
        "app": [b'{"request": {"method": "POST", "path": "/both", "body": 0}}', b"[7] [INFO] Booting worker"],
        "h2o": [b'10.0.0.1 - - [27/Nov/2026:08:49:15 +0000] "GET /hidden/both HTTP/1.1" 200 5 "" ""'],
    }
    o = smuggle.observe(SimpleNamespace(lines=logs.__getitem__), {"front": "h2o"})
    assert o["reached"] == [{"method": "POST", "path": "/both", "body": 0}] and o["proxied"] == ["/hidden/both"]
    assert smuggle.observe(SimpleNamespace(lines=logs.__getitem__), {"front": "none"})["proxied"] == []


def test_the_table_names_what_became_of_a_form(smuggle: ModuleType, trials: dict[str, Any]) -> None:
    """Hidden, seen by both, served and closed, or refused."""
    cells = {name: smuggle.cell("both")(o) for name, o in trials.items()}
    assert cells == {"bad": "hidden", "sync": "200, closed", "good": "400", "nginx": "400", "h2o": "two requests"}


LENIENT = """\
class Message:
    def set_body_reader(self):
        for (name, value) in self.headers:
            if name == "CONTENT-LENGTH":
                content_length = value
            elif name == "TRANSFER-ENCODING":
                if value.lower() == "chunked":
                    chunked = True

        if chunked:
            self.body = Body(ChunkedReader(self, self.unreader))
"""


def test_the_patches_change_one_condition_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not fit, or has no such name, fails the build; "unchecked" undoes each of the others."""
    file = tmp_path / "message.py"
    message = SimpleNamespace(__file__=str(file))
    gunicorn = SimpleNamespace(http=SimpleNamespace(message=message))
    for name, module in (("gunicorn", gunicorn), ("gunicorn.http", gunicorn.http), ("gunicorn.http.message", message)):
        monkeypatch.setitem(sys.modules, name, module)  # type: ignore[arg-type]
    patch = main_of_patch(NAME)
    for name in ("known", "last", "alone"):
        file.write_text(LENIENT)
        with pytest.raises(SystemExit, match="does not fit"):
            patch("unchecked")
        patch(name)
        text = file.read_text()
        compile(text, str(file), "exec")
        assert text.count("raise InvalidHeader") == 1
        with pytest.raises(SystemExit, match="does not fit"):
            patch(name)
        patch("unchecked")
        assert file.read_text() == LENIENT
    patch("none")
    with pytest.raises(SystemExit, match="unknown patch"):
        patch("other")


@pytest.mark.docker
@pytest.mark.timeout(600)
def test_a_short_pair_on_real_containers(tmp_path: Path) -> None:
    """One trial of the documented stack and of the first good release: every sign is as recorded."""
    shown = shown_in_pair(tmp_path / "results", NAME, ("documented", "gunicorn-22.0.0"))
    assert shown == {f"SM-{n}": [0, 0] if n == 7 else [1, 0] for n in range(1, 11)}
