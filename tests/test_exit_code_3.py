"""exit-code-3: its signs on what was recorded, its patch, and one short pair of trials."""

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

NAME = "exit-code-3"
DIRECTORY = ROOT / "scenarios" / NAME
SIGNS = ("halted", "stop_failed", "not_reaped")


@pytest.fixture(scope="module")
def halt() -> ModuleType:
    """The experiment's module."""
    return sys.modules[loader.load(ROOT, NAME).experiments["halt"].drive.__module__]


def observation(**changes: Any) -> dict[str, Any]:
    """A server that goes on and stops well, as status-5 was recorded, with changes."""
    child = {"parent": 7, "status": 5}
    fine = {"before": "200", "running": True, "zombie": False, "exit_status": 0, "status": 5, "master": 7}
    return {**fine, "child": child, "reason": None, "traceback": False, "called_worker": False, **changes}


THREE = {"status": 3, "child": {"parent": 7, "status": 3}}
DOCUMENTED = observation(**THREE, running=False, zombie=None, exit_status=3, reason="Worker failed to boot.")
ON_EXIT = observation(**THREE, zombie=None, exit_status=1, traceback=True)
ZOMBIE = observation(**THREE, zombie=True, exit_status=1, traceback=True)
FIXED = observation(**THREE)


@pytest.mark.parametrize(
    ("recorded", "shown"),
    [
        (DOCUMENTED, ["halted"]),
        (ON_EXIT, ["stop_failed"]),
        (ZOMBIE, ["stop_failed", "not_reaped"]),
        (FIXED, []),
        (observation(), []),
        # It was stopped, and only then ended with the child's status.
        ({**DOCUMENTED, "running": True}, []),
        # It ended for another reason; it failed to stop for another reason.
        ({**DOCUMENTED, "exit_status": 1}, []),
        ({**ON_EXIT, "traceback": False}, []),
        ({**ZOMBIE, "zombie": False}, ["stop_failed"]),
    ],
)
def test_each_sign_shows_where_it_was_recorded(halt: ModuleType, recorded: dict[str, Any], shown: list[str]) -> None:
    """And in no other of these observations."""
    assert [sign for sign in SIGNS if getattr(halt, sign)(recorded)] == shown


@pytest.mark.parametrize(
    "change", [{"before": "500"}, {"child": None}, {"child": {"parent": 1, "status": 3}}, {"status": 4}]
)
def test_only_a_child_of_a_server_that_answered_counts(halt: ModuleType, change: dict[str, Any]) -> None:
    """With the status of the variant, and not a child of the init."""
    assert halt.child_ended(DOCUMENTED)
    assert not halt.child_ended({**DOCUMENTED, **change})


LOG = [
    b"[2026-11-26 20:10:01 +0000] [7] [INFO] Listening at: http://0.0.0.0:18080 (7)",
    b"child 8 of 7 ends with 3",
    b"[2026-11-26 20:10:02 +0000] [7] [ERROR] Worker (pid:8) exited with code 3",
    b"[2026-11-26 20:10:02 +0000] [7] [ERROR] Reason: Worker failed to boot.",
]


def test_the_log_tells_whose_child_it_was(halt: ModuleType) -> None:
    """And what the server took it for; a log without a child has none."""
    told = halt.observe(SimpleNamespace(lines=lambda _: LOG), {})
    assert told == {
        "master": 7,
        "child": {"parent": 7, "status": 3},
        "reason": "Worker failed to boot.",
        "traceback": False,
        "called_worker": True,
    }
    told = halt.observe(SimpleNamespace(lines=lambda _: [LOG[0], b"Traceback", b"HaltServer"]), {})
    assert told["child"] is None and told["traceback"] and not told["called_worker"]


def test_the_patch_passes_over_what_is_no_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fits 20.1.0 to 23.0.0; where it does not fit, the build fails."""
    package = tmp_path / "gunicorn"
    package.mkdir()
    (package / "__init__.py").write_text("")
    arbiter = package / "arbiter.py"
    text = f"def reap_workers(self, status, wpid):\n    while True:\n{' ' * 20}exitcode = status >> 8\n"
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.split(".")[0] == "gunicorn"]:
        monkeypatch.delitem(sys.modules, name)
    for patch, before, fits in [("none", text, True), ("workers-only", text, True), ("workers-only", "", False)]:
        arbiter.write_text(before)
        monkeypatch.setattr(sys, "argv", ["patch.py", patch])
        if fits:
            runpy.run_path(str(DIRECTORY / "patch.py"))
        else:
            with pytest.raises(SystemExit, match="does not fit"):
                runpy.run_path(str(DIRECTORY / "patch.py"))
        assert ("if wpid not in self.WORKERS:" in arbiter.read_text()) is (patch == "workers-only" and fits)
    for name in [name for name in sys.modules if name.split(".")[0] == "gunicorn"]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.docker
@pytest.mark.timeout(600)
def test_a_short_pair_on_real_containers(tmp_path: Path) -> None:
    """One trial of the documented stack and of another exit status."""
    shown = shown_in_pair(tmp_path / "results", NAME, ("documented", "status-5"), ["EC3-1"])
    assert shown == {"EC3-1": [1, 0]}
