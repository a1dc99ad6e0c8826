"""script-name: its signs on what was recorded, its patch, its application, and one short pair of trials."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from cases import ROOT, main_of_patch
from lab import shown_in_pair
from reprolab.scenario import loader

NAME = "script-name"
DIRECTORY = ROOT / "scenarios" / NAME
SIGNS = ("lost", "passed", "passed_once", "user_passed", "refused", "stranger_believed")


@pytest.fixture(scope="module")
def prefix() -> ModuleType:
    """The experiment's module."""
    return sys.modules[loader.load(ROOT, NAME).experiments["prefix"].drive.__module__]


def seen(
    script_name: str, path: str, address: str, header: str | None = None, user: str | None = None
) -> dict[str, Any]:
    """What the application answers."""
    return {
        "SCRIPT_NAME": script_name,
        "PATH_INFO": path,
        "REMOTE_ADDR": address,
        "HTTP_SCRIPT_NAME": header,
        "HTTP_REMOTE_USER": user,
    }


# What was recorded of 22.0.0, 21.2.0 and 27.0.1; the stranger comes from another address.
NOT_TAKEN = seen("", "/shop/item", "172.18.0.2")
TAKEN = seen("/shop", "/item", "172.18.0.2", "/shop")
LOST: dict[str, Any] = {
    "extra": "X-Lab: lab",
    "sent": ["SCRIPT_NAME: /shop", "X-Lab: lab"],
    "status": 200,
    "proxied": seen("", "/shop/item", "127.0.0.1"),
    "stranger": NOT_TAKEN,
    "stranger_got": "200",
}
OPEN = {**LOST, "proxied": seen("/shop", "/item", "127.0.0.1", "/shop"), "stranger": TAKEN}
KEPT = {**OPEN, "stranger": NOT_TAKEN}
REFUSED = {**LOST, "status": 400, "proxied": {}, "stranger": {}, "stranger_got": "400"}


@pytest.mark.parametrize(
    ("observation", "shown"),
    [
        (LOST, ["lost"]),
        (OPEN, ["passed", "stranger_believed"]),
        (KEPT, ["passed"]),
        (REFUSED, ["refused"]),
        ({**KEPT, "proxied": seen("/shop", "/item", "127.0.0.1")}, ["passed", "passed_once"]),
        ({**KEPT, "proxied": seen("/shop", "/item", "127.0.0.1", "/shop", "alice")}, ["passed", "user_passed"]),
        # One fact of the sign is missing.
        ({**LOST, "proxied": seen("", "/item", "127.0.0.1")}, []),
        ({**LOST, "proxied": seen("/shop", "/shop/item", "127.0.0.1")}, []),
        # The stranger was no stranger.
        ({**KEPT, "stranger": seen("/shop", "/item", "127.0.0.1")}, ["passed"]),
        ({**KEPT, "stranger": seen("/shop", "/item", "")}, ["passed"]),
    ],
)
def test_each_sign_shows_where_it_was_recorded(
    prefix: ModuleType, observation: dict[str, Any], shown: list[str]
) -> None:
    """And in no other of these observations."""
    assert [sign for sign in SIGNS if getattr(prefix, sign)(observation)] == shown


def test_a_trial_counts_only_if_nginx_sent_both_headers(prefix: ModuleType) -> None:
    """SCRIPT_NAME, and the other one that the variant names."""
    assert prefix.sent(LOST)
    assert not prefix.sent({**LOST, "sent": ["X-Lab: lab"]})
    assert not prefix.sent({**LOST, "extra": "REMOTE_USER: alice"})


def test_the_log_of_nginx_names_what_it_sent(prefix: ModuleType) -> None:
    """A line of the request that it makes, not what the configuration or a client says."""
    stamp = b"2026-11-27T09:03:44.911836483Z "
    lines = [
        stamp + b'"GET /shop/item HTTP/1.0',
        stamp + b"SCRIPT_NAME: /shop\r",
        stamp + b"X-Lab: lab\r",
        stamp + b'2026/11/27 09:03:44 [debug] 23#23: *1 http header: "REMOTE_USER: alice"',
        stamp + b"SCRIPT_NAME: /shop\r",
    ]
    assert prefix.observe(SimpleNamespace(streams=lambda _: lines), {}) == {"sent": LOST["sent"]}


def test_the_application_answers_with_its_environment() -> None:
    """None where a key is missing, an empty text where it is empty."""
    app = runpy.run_path(str(DIRECTORY / "app.py"))["app"]
    started: list[str] = []
    body = app({"SCRIPT_NAME": "", "PATH_INFO": "/x"}, lambda status, _: started.append(status))
    expected = {"SCRIPT_NAME": "", "PATH_INFO": "/x"}
    assert json.loads(b"".join(body)) == dict.fromkeys(NOT_TAKEN) | expected and started == ["200 OK"]


CHECK = """\
def keep(name, forwarder_headers=()):
    if "_" in name:
        return False
    return True
"""
EXCEPTION = """\
def keep(name, forwarder_headers=()):
    if "_" in name:
        if name in forwarder_headers or "*" in forwarder_headers:
            return True
        return False
    return True
"""


def test_each_patch_changes_the_check_for_underscores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not fit, or has no such name, fails the build; "none" reads nothing."""
    file = tmp_path / "http" / "message.py"
    file.parent.mkdir()
    main = main_of_patch(NAME)
    monkeypatch.setitem(main.__globals__, "find_spec", lambda _: SimpleNamespace(origin=str(tmp_path / "__init__.py")))

    def patched(text: str, name: str) -> Any:
        file.write_text(text)
        main(name)
        namespace: dict[str, Any] = {}
        exec(compile(file.read_text(), str(file), "exec"), namespace)
        return namespace["keep"]

    main("none")
    keep = patched(CHECK, "excepted")
    assert keep("SCRIPT_NAME") and keep("X-LAB") and not keep("REMOTE_USER")
    keep = patched(EXCEPTION, "unexcepted")
    assert not keep("SCRIPT_NAME", ["SCRIPT_NAME"]) and keep("X-LAB")
    for text, name in ((EXCEPTION, "excepted"), (CHECK, "unexcepted")):
        with pytest.raises(SystemExit, match="does not fit"):
            patched(text, name)
    with pytest.raises(SystemExit, match="unknown patch"):
        main("other")


@pytest.mark.docker
@pytest.mark.timeout(600)
def test_a_short_pair_on_real_containers(tmp_path: Path) -> None:
    """One trial of the documented stack and of the release before."""
    shown = shown_in_pair(tmp_path / "results", NAME, ("documented", "gunicorn-21.2.0"))
    assert shown["SN-1"] == [1, 0] and shown["SN-4"] == [0, 1]
