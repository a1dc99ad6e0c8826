"""trailing-byte: its signs on what was recorded, its patches, and one short pair of trials."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from cases import ROOT
from lab import shown_in_pair
from reprolab.scenario import loader

NAME = "trailing-byte"
MISSING = "AttributeError: 'WSStream' object has no attribute 'connection'"
REFUSAL = "h11._util.LocalProtocolError: Can't send data when our state is ERROR"
CONNECT, ACCEPTS = "websocket.connect", "accepts"

# What was recorded of 0.16.0, of 0.18.0 with an application that accepts at once, of asyncio, and of no worker process.
OLD: dict[str, Any] = {
    "sent": 1,
    "client": "closed without answer",
    "alive": False,
    "page": None,
    "exit_status": 0,
    "app": [CONNECT],
    "raised": [MISSING],
}
NEW = OLD | {"client": "400", "app": [CONNECT, ACCEPTS], "raised": [REFUSAL]}
ASYNCIO = OLD | {"alive": True, "page": "200"}
NO_WORKER = OLD | {"exit_status": 1}
ALL = [OLD, NEW, ASYNCIO, NO_WORKER]


@pytest.fixture(scope="module")
def claims() -> ModuleType:
    """The experiment's module."""
    return sys.modules[loader.load(ROOT, NAME).experiments["claims"].drive.__module__]


@pytest.mark.parametrize(
    ("sign", "shows"),
    [
        ("ends", [OLD, NEW, NO_WORKER]),
        ("ends_as_if_well", [OLD, NEW]),
        ("lives", [ASYNCIO]),
        ("no_websocket", [OLD, NO_WORKER]),
        ("in_the_refusal", [NEW]),
    ],
)
def test_every_sign_tells_the_outcomes_apart(claims: ModuleType, sign: str, shows: list[dict[str, Any]]) -> None:
    """Each sign is true of some and false of others."""
    assert [o for o in ALL if getattr(claims, sign)(o)] == shows


@pytest.mark.parametrize(
    ("sign", "o", "change"),
    [
        ("byte_came", OLD, {"sent": 0}),
        ("byte_came", OLD, {"client": "refused"}),
        ("lives", ASYNCIO, {"page": "timeout"}),
        ("no_websocket", OLD, {"raised": []}),
        ("in_the_refusal", NEW, {"app": [CONNECT]}),
        ("in_the_refusal", NEW, {"alive": True}),
    ],
)
def test_each_part_of_a_sign_counts(claims: ModuleType, sign: str, o: dict[str, Any], change: dict[str, Any]) -> None:
    """One fact changed, and the sign or the trigger is gone."""
    assert getattr(claims, sign)(o) and not getattr(claims, sign)(o | change)


def test_the_log_has_the_exceptions_of_groups(claims: ModuleType) -> None:
    """A group draws bars before its lines."""
    lines = [b'{"app": "websocket.connect"}', f"        | {REFUSAL}".encode(), b"        +-----"]
    o = claims.observe(SimpleNamespace(lines=lambda _: lines), {})
    assert o == {"app": [CONNECT], "raised": [REFUSAL]}


OLD_CODE = """\
class WSStream:
    async def handle(self, event):
        if isinstance(event, Request):
            pass
        elif isinstance(event, (Body, Data)):
            self.connection.receive_data(event.data)
"""


def test_each_patch_fits_its_release_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """0.16.0 takes the first one, later releases the others; the result is Python."""
    patch = runpy.run_path(str(ROOT / "scenarios" / NAME / "patch.py"))
    main = patch["main"]
    file = tmp_path / "protocol" / "ws_stream.py"
    file.parent.mkdir()
    spec = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setitem(main.__globals__, "find_spec", lambda _: spec)
    new_code = OLD_CODE.replace(patch["BRANCH"], patch["LOOK"] + patch["BRANCH"])
    fits = {"refused": OLD_CODE, "unlooked": new_code, "closed-first": new_code}
    for name, code in fits.items():
        file.write_text(code)
        main("none")
        assert file.read_text() == code
        main(name)
        compile(file.read_text(), str(file), "exec")
        assert file.read_text() != code
    assert file.read_text().index(patch["CLOSE"]) < file.read_text().index(patch["SEND"])
    for name in ("unlooked", "closed-first"):
        file.write_text(OLD_CODE)
        with pytest.raises(SystemExit, match="not once"):
            main(name)


@pytest.mark.docker
@pytest.mark.timeout(600)
def test_a_short_pair_on_real_containers(tmp_path: Path) -> None:
    """0.18.0 ends, and does not with two lines exchanged."""
    shown = shown_in_pair(tmp_path / "results", NAME, ("at-once-0.18.0", "at-once-0.18.0-closed-first"), ["TB-5"])
    assert shown == {"TB-5": [1, 0]}
