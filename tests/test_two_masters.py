"""two-masters: its signs on observations, its patches, and one short pair of trials."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cases import ROOT
from lab import shown_in_pair
from reprolab.scenario import loader

DIRECTORY = ROOT / "scenarios" / "two-masters"


@pytest.fixture(scope="module")
def takeover() -> ModuleType:
    """The experiment's module."""
    found = loader.load(ROOT, "two-masters")
    return sys.modules[found.experiments["takeover"].drive.__module__]


def observation(**changes: Any) -> dict[str, Any]:
    """What a trial of the documented stack sees, with changes."""
    return {
        "file": "/run/lab/gunicorn.sock",
        "before": ["first"] * 20,
        "between": ["second"] * 20,
        "first_runs": True,
        "second_runs": True,
        "second_booted": True,
        "complaints": {"first": 0, "second": 0},
        "stopped": {"which": "first", "exit_status": 0},
        "stays": "second",
        "stays_runs": True,
        "inode_before": "7",
        "inode_after": "",
        "after": ["502"] * 20,
        "last": {"exit_status": 1, "no_file": True},
    } | changes


NOT_STARTED = {
    "between": ["first"] * 20,
    "second_runs": False,
    "complaints": {"first": 0, "second": 6},
    "stopped": None,
}
LEFT_ALONE = {"inode_after": "7", "after": ["second"] * 20, "last": {"exit_status": 0, "no_file": False}}


def test_the_signs_show(takeover: ModuleType) -> None:
    """In the documented stack all but "both serve"."""
    o = observation()
    assert takeover.tried(o) and takeover.one_stopped(o)
    assert takeover.removed(o) and takeover.nobody_served(o) and takeover.taken(o) and takeover.failed_to_stop(o)
    assert not takeover.both_serve(o)


def test_the_signs_can_be_absent(takeover: ModuleType) -> None:
    """A file that stays, an instance that stops with its own file, a second that does not start, two that share."""
    assert not takeover.removed(observation(**LEFT_ALONE)) and not takeover.nobody_served(observation(**LEFT_ALONE))
    assert not takeover.failed_to_stop(observation(**LEFT_ALONE))
    assert not takeover.removed(observation(stays="first"))
    assert not takeover.removed(observation(file="", inode_before=""))
    assert not takeover.taken(observation(**NOT_STARTED))
    assert not takeover.taken(observation(complaints={"first": 0, "second": 1}))
    shared = observation(between=["first"] * 9 + ["second"] * 11)
    assert takeover.both_serve(shared) and not takeover.taken(shared)
    assert not takeover.nobody_served(observation(after=["502"] * 19 + ["second"]))


def test_the_triggers_can_be_absent(takeover: ModuleType) -> None:
    """Nothing was tried if the second said nothing; nothing was stopped if it did not start, or if both ended."""
    assert takeover.tried(observation(**NOT_STARTED)) and not takeover.one_stopped(observation(**NOT_STARTED))
    assert not takeover.tried(observation(**NOT_STARTED | {"complaints": {"first": 0, "second": 0}}))
    assert not takeover.tried(observation(second_booted=False))
    assert not takeover.tried(observation(before=["502"] * 20))
    assert not takeover.one_stopped(observation(stays_runs=False))


def test_complaints_are_lines_above_information(takeover: ModuleType) -> None:
    """A line of information is none."""
    lines = [
        "[2026-11-26 20:00:00 +0000] [7] [INFO] Listening",
        "[..] [7] [ERROR] Connection in use",
        "[7] [WARNING] x",
    ]
    assert takeover.complaints(lines) == 2


def test_a_patch_must_fit_the_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sock.py without the lines is refused; one with them is changed once."""
    spec = importlib.util.spec_from_file_location("two_masters_patch", DIRECTORY / "patch.py")
    assert spec and spec.loader
    patch = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(patch)
    package = tmp_path / "gunicorn"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "sock.py").write_text("import os\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("gunicorn", "gunicorn.sock"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    patch.main("none")
    with pytest.raises(SystemExit, match="does not fit"):
        patch.main("ask-first")
    (package / "sock.py").write_text("def f(addr):\n                    os.remove(addr)\n")
    patch.main("ask-first")
    assert "_remove_unused(addr)\n" in (package / "sock.py").read_text()
    for name in ("gunicorn", "gunicorn.sock"):
        sys.modules.pop(name, None)


@pytest.mark.docker
@pytest.mark.timeout(600)
def test_a_short_pair_on_real_containers(tmp_path: Path) -> None:
    """One trial of the documented stack and of a control."""
    shown = shown_in_pair(tmp_path / "results", "two-masters", ("documented", "first-killed"), ["TM-1"])
    assert shown == {"TM-1": [1, 0]}
