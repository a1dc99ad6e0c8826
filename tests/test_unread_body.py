"""unread-body: its requests, its signs on what was recorded, its patches, and one short pair of trials."""

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

NAME = "unread-body"
DIRECTORY = ROOT / "scenarios" / NAME
ANSWER = "HTTP/1.1 200 OK"
HELD = {"answer": "read 0 bytes", "held": ANSWER, "after": ANSWER}
CLOSED = {"answer": "read 0 bytes", "held": "", "after": ANSWER}
NEVER = {"answer": "read 0 bytes", "held": "", "after": ""}


@pytest.fixture(scope="module")
def body() -> ModuleType:
    """The experiment's module."""
    return sys.modules[loader.load(ROOT, NAME).experiments["body"].drive.__module__]


@pytest.fixture
def fine(body: ModuleType) -> dict[str, Any]:
    """What was recorded of 26.0.0: the other client was answered while each connection was held."""
    posts = {name: dict(HELD) for name in body.POSTS}
    posts["read"]["answer"] = "read 9000 bytes"
    return {"posts": posts}


def blocking(fine: dict[str, Any], *names: str) -> dict[str, Any]:
    """The same, but behind these requests the other client was answered when the connection was closed."""
    return {"posts": {**deepcopy(fine["posts"]), **{name: dict(CLOSED) for name in names}}}


def test_the_requests_have_the_sizes_that_they_say(body: ModuleType) -> None:
    """In bytes with their headers; the body is as long as it is announced, or comes later, or never."""
    whole = {name: len(first) for name, (first, _) in body.POSTS.items()}
    assert (whole["8192 in all"], whole["8193 in all"]) == (8192, 8193)
    for name, (first, later) in body.POSTS.items():
        lines, _, content = first.partition(b"\r\n\r\n")
        announced = int(lines.partition(b"Content-Length: ")[2])
        assert len(content + later) == (0 if name == "10 bytes never" else announced), name


OF_23 = ("9000 bytes", "8193 in all", "10 bytes later")
OF_24 = ("10 bytes never",)


@pytest.mark.parametrize(
    ("sign", "old", "new"),
    [
        ("blocked", True, False),
        ("only_unread_and_large", True, False),
        ("from_8193_on", True, False),
        ("behind_a_late_body", True, False),
        ("behind_a_missing_body", False, True),
    ],
)
def test_every_sign_tells_the_releases_apart(
    body: ModuleType, fine: dict[str, Any], sign: str, old: bool, new: bool
) -> None:
    """What was recorded of 23.0.0 and of 24.0.0; in 26.0.0 no sign shows. All were exercised."""
    seen = [blocking(fine, *OF_23), blocking(fine, *OF_24), fine]
    assert [getattr(body, sign)(o) for o in seen] == [old, new, False]
    assert all(body.all_answered(o) for o in seen)


@pytest.mark.parametrize(
    ("sign", "name"),
    [("only_unread_and_large", "4000 bytes"), ("only_unread_and_large", "read"), ("from_8193_on", "8192 in all")],
)
def test_a_sign_needs_its_harmless_request_too(body: ModuleType, fine: dict[str, Any], sign: str, name: str) -> None:
    """If all requests block, the size or the reading is not what decides."""
    assert not getattr(body, sign)(blocking(fine, *OF_23, name))


@pytest.mark.parametrize("changed", [NEVER, {**CLOSED, "answer": "reset"}, {**CLOSED, "after": "HTTP/1.1 500 No"}])
def test_a_server_that_is_gone_is_not_blocked(body: ModuleType, fine: dict[str, Any], changed: dict[str, str]) -> None:
    """The POST must be answered, and the other client when the connection has been closed."""
    o = blocking(fine, *OF_23)
    o["posts"]["9000 bytes"] = changed
    assert not body.all_answered(o)
    assert body.blocked(o) is (changed["answer"] == "reset")


def test_the_body_must_be_read_where_it_is_asked_for(body: ModuleType, fine: dict[str, Any]) -> None:
    """Else the control says nothing."""
    fine["posts"]["read"]["answer"] = "read 0 bytes"
    assert not body.all_answered(fine)


TEXTS = {
    "drained": "def handle(req, conn, keepalive):\n    try:\n        if True:\n            if keepalive:\n"
    "                return (keepalive, conn)\n    finally:\n        pass\n",
    "undrained": "def handle(conn, keepalive):\n    try:\n        if True:\n            if keepalive:\n"
    "                conn.parser.finish_body()\n                return True\n    finally:\n        pass\n",
}


def test_a_patch_that_does_not_fit_fails_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fits the text of its own release once; "none" reads nothing."""
    file = tmp_path / "gthread.py"
    gthread = SimpleNamespace(__file__=str(file))
    gunicorn = SimpleNamespace(workers=SimpleNamespace(gthread=gthread))
    names = {"gunicorn": gunicorn, "gunicorn.workers": gunicorn.workers, "gunicorn.workers.gthread": gthread}
    for name, module in names.items():
        monkeypatch.setitem(sys.modules, name, module)  # type: ignore[arg-type]
    patch = main_of_patch(NAME)
    patch("none")
    for name, other in (("drained", "undrained"), ("undrained", "drained")):
        file.write_text(TEXTS[name])
        with pytest.raises(SystemExit, match="does not fit"):
            patch(other)
        patch(name)
        compile(file.read_text(), str(file), "exec")
        assert ("req.body.read(8192)" in file.read_text()) is (name == "drained")
        assert "finish_body" not in file.read_text()
    with pytest.raises(SystemExit, match="unknown patch"):
        patch("other")


@pytest.mark.docker
@pytest.mark.timeout(600)
def test_a_short_pair_on_real_containers(tmp_path: Path) -> None:
    """One trial of the documented stack and of the first release with the correction: every sign is as recorded."""
    shown = shown_in_pair(tmp_path / "results", NAME, ("documented", "gunicorn-24.0.0"))
    assert shown == {f"UB-{n}": [0, 1] if n == 8 else [1, 0] for n in range(1, 9)}
