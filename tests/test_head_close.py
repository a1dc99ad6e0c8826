"""head-close: its signs on what was recorded, its patches, and one short pair of trials."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from cases import ROOT, main_of_patch
from lab import shown_in_pair
from reprolab.scenario import loader

NAME = "head-close"
HEADERS = [["Content-Length", "2"], ["Server", "waitress"]]
FIRST = {"ending": "answered", "status": 200, "headers": HEADERS}
LOST: dict[str, Any] = {
    "method": "HEAD",
    "first": FIRST,
    "second": {"ending": "closed without answer", "status": None},
}
TOLD = LOST | {"first": FIRST | {"headers": [*HEADERS, ["Connection", "close"]]}}
FINE = LOST | {"second": {"ending": "answered", "status": 200}}


@pytest.fixture(scope="module")
def claims() -> ModuleType:
    """The experiment's module."""
    return sys.modules[loader.load(ROOT, NAME).experiments["claims"].drive.__module__]


def test_the_signs_tell_the_outcomes_apart(claims: ModuleType) -> None:
    """A closed connection that was announced is another thing; a timeout is no sign."""
    slow = LOST | {"second": {"ending": "timeout", "status": None}}
    reset = LOST | {"second": {"ending": "reset", "status": None}}
    outcomes = [LOST, TOLD, FINE, slow, reset]
    assert [claims.next_is_lost(o) for o in outcomes] == [True, True, False, False, True]
    assert [claims.unannounced(o) for o in outcomes] == [True, False, False, False, True]


def test_only_head_with_a_length_counts(claims: ModuleType) -> None:
    """GET, an error, and an answer without a length say nothing."""
    assert claims.answered_head(LOST) and claims.answered_head(FINE)
    assert not claims.answered_head(LOST | {"method": "GET"})
    assert not claims.answered_head(LOST | {"first": FIRST | {"status": 500}})
    assert not claims.answered_head(LOST | {"first": FIRST | {"headers": []}})


def test_each_patch_undoes_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not fit fails the build; "none" changes nothing."""
    main = main_of_patch(NAME)
    spec = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setitem(main.__globals__, "find_spec", lambda _: spec)
    file = tmp_path / "task.py"
    old = "def f(self, cl):\n    if self.content_bytes_written != cl:\n        pass\n"
    file.write_text(old)
    main("none")
    with pytest.raises(SystemExit, match="not once"):
        main("head-counts")
    main("head-counts-not")
    compile(file.read_text(), str(file), "exec")
    assert 'command != "HEAD"' in file.read_text()
    main("head-counts")
    assert file.read_text() == old


@pytest.mark.docker
@pytest.mark.timeout(600)
def test_a_short_pair_on_real_containers(tmp_path: Path) -> None:
    """2.1.2 closes the connection, 3.0.2 does not."""
    shown = shown_in_pair(tmp_path / "results", NAME, ("documented", "waitress-3.0.2"), ["HC-1"])
    assert shown == {"HC-1": [1, 0]}
