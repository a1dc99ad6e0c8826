"""pid-1: its signs on observations, what the start script makes of each START, and one short pair of trials."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cases import ROOT
from lab import shown_in_pair
from reprolab.scenario import loader

DIRECTORY = ROOT / "scenarios" / "pid-1"


@pytest.fixture(scope="module")
def stopping() -> ModuleType:
    """The experiment's module."""
    found = loader.load(ROOT, "pid-1")
    return sys.modules[found.experiments["stopping"].drive.__module__]


def observation(**changes: Any) -> dict[str, Any]:
    """What a trial of the documented stack sees, with changes."""
    return {
        "stopped": {"exit_status": 137, "took_s": 14.2, "oom_killed": False},
        "early": "200",
        "late": "closed without answer",
        "heard": False,
        "late_began": True,
    } | changes


def ended(status: int) -> dict[str, Any]:
    """How the container stopped, soon."""
    return {"exit_status": status, "took_s": 3.3, "oom_killed": False}


DOCUMENTED = observation()
EXEC = observation(stopped=ended(0), heard=True, late="refused", late_began=False)
INIT = observation(stopped=ended(143), early="closed without answer", late="refused", late_began=False)
UWSGI = observation(heard=True, early="closed without answer")
DIE_ON_TERM = INIT | {"heard": True, "stopped": ended(0)}


def test_each_sign_shows_and_can_be_absent(stopping: ModuleType) -> None:
    """On the documented stack and its remedies."""
    seen = (DOCUMENTED, EXEC, INIT, UWSGI, DIE_ON_TERM)
    shown = {
        sign: [getattr(stopping, sign)(o) for o in seen]
        for sign in ("deaf", "late_lost", "graceful", "early_lost", "reloaded")
    }
    assert shown == {
        "deaf": [True, False, False, False, False],
        "late_lost": [True, False, False, True, False],
        "graceful": [False, True, False, False, False],
        "early_lost": [False, False, True, True, True],
        "reloaded": [False, False, False, True, False],
    }


def test_a_request_that_never_came_is_not_lost(stopping: ModuleType) -> None:
    """Of the late one, the application must have begun it."""
    assert not stopping.late_lost(observation(late_began=False))


def test_the_trigger_can_be_absent(stopping: ModuleType) -> None:
    """Memory ran out, or the early request was never in the server."""
    assert stopping.was_stopped(DOCUMENTED)
    assert not stopping.was_stopped(observation(stopped={"exit_status": 137, "took_s": 1, "oom_killed": True}))
    assert not stopping.was_stopped(observation(early="refused"))


@pytest.mark.parametrize(
    ("start", "process_1"),
    [("child", False), ("exec", True), ("trap", False), ("shell-form", None)],
)
def test_only_exec_makes_the_server_the_first_process(tmp_path: Path, start: str, process_1: bool | None) -> None:
    """The script's own process becomes the server with exec, and not otherwise; with a shell the shell decides."""
    server = tmp_path / "gunicorn"
    server.write_text("#!/bin/sh\necho $$ $*\n")
    server.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SERVER": "gunicorn", "START": start}
    environment["OPTIONS"] = "--timeout 9"
    script = subprocess.Popen([DIRECTORY / "start.sh"], env=environment, stdout=subprocess.PIPE, text=True)
    pid, _, options = script.communicate(timeout=30)[0].partition(" ")
    assert options == "--bind 0.0.0.0:18080 --workers 2 --threads 4 --timeout 9 web:app\n"
    if process_1 is not None:
        assert (int(pid) == script.pid) == process_1


# The reproducer's drive: the container's status, its end and when the new requests were sent (seconds after the order).
@pytest.mark.parametrize(
    ("status", "took", "quick", "late", "expected"),
    [
        (137, 12, "200", "closed without answer", 10),
        (137, 14, "200", "closed without answer", 10),
        (0, 3, "refused", "refused", 11),
        (143, 1, "refused", "refused", 11),
        (137, 12, "refused", "refused", 11),
        # Killed for another reason, or the new requests were sent before SIGTERM.
        (137, 4, "200", "closed without answer", 12),
        (137, 18, "200", "closed without answer", 12),
    ],
)
def test_the_reproducer_decides(status: int, took: int, quick: str, late: str, expected: int) -> None:
    """The sign is the kill after the grace time, and a request that it cuts."""
    drive = runpy.run_path(str(DIRECTORY / "reproducer" / "drive.py"))
    assert drive["decide"](status, took, 6.0, quick, late) == expected


@pytest.mark.docker
@pytest.mark.timeout(600)
def test_a_short_pair_on_real_containers(tmp_path: Path) -> None:
    """One trial of the documented stack and of a control."""
    shown = shown_in_pair(tmp_path / "results", "pid-1", ("documented", "exec"), ["P1-1"])
    assert shown == {"P1-1": [1, 0]}
