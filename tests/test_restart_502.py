"""restart-502: its signs on observations, its patches, and one short pair of trials."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from cases import ROOT, main_of_patch
from lab import shown_in_pair
from reprolab.scenario import loader

NAME = "restart-502"
DIRECTORY = ROOT / "scenarios" / NAME


def experiment(name: str) -> ModuleType:
    """The module of an experiment."""
    return sys.modules[loader.load(ROOT, NAME).experiments[name].drive.__module__]


# What was recorded of 21.2.0, 24.1.0 and of 21.2.0 with max_requests 30, with the document's load.
LOSES: dict[str, Any] = {
    "sent": 100,
    "statuses": [200],
    "lost": [10, 21, 32, 43, 54, 65, 76, 87, 98],
    "how": ["ConnectionResetError", "closed"],
    "waits": False,
    "ran_lost": 0,
    "restarts": 9,
    "longest_gap_ms": 72.0,
}
KEEPS = {**LOSES, "lost": [], "how": [], "restarts": 10}
SELDOM = {**LOSES, "lost": [30, 61, 92], "restarts": 3}


@pytest.mark.parametrize(
    ("sign", "shows", "absent"),
    [
        ("loses", [LOSES, SELDOM], [KEEPS]),
        (
            "one_each",
            [LOSES, SELDOM, {**LOSES, "restarts": 10}],
            [KEEPS, {**LOSES, "ran_lost": 1}, {**LOSES, "restarts": 8}],
        ),
        ("waits", [{**LOSES, "waits": True}], [LOSES, KEEPS]),
        ("one_restarted", [LOSES], [{**LOSES, "restarts": 0}]),
        ("seldom", [SELDOM, KEEPS], [LOSES]),
        ("restarted", [LOSES, KEEPS], [{**LOSES, "restarts": 1}, {**LOSES, "longest_gap_ms": 1200.0}]),
        ("restarted", [SELDOM], [{**LOSES, "statuses": [200, 500]}]),
    ],
)
def test_the_signs_of_the_direct_load(sign: str, shows: list[dict[str, Any]], absent: list[dict[str, Any]]) -> None:
    """Each is true of some observations and false of others."""
    function = getattr(experiment("direct"), sign)
    assert all(function(o) for o in shows) and not any(function(o) for o in absent)


def behind(ok: int, bad: int, failed: int, restarts: int = 30) -> dict[str, Any]:
    """What was observed behind a proxy."""
    return {"statuses": {"200": ok, "502": bad}, "failed": {"reset": failed}, "restarts": restarts, "losing": 1}


@pytest.mark.parametrize(
    ("sign", "shows", "absent"),
    [
        ("lost", [behind(900, 1, 1)], [behind(900, 0, 0), behind(900, 0, 4)]),
        ("hidden", [behind(900, 0, 4)], [behind(900, 0, 0), behind(900, 1, 4)]),
        ("mostly_hidden", [behind(900, 0, 40), behind(900, 4, 40)], [behind(900, 5, 40), behind(900, 0, 9)]),
        ("restarted", [behind(900, 1, 1)], [behind(900, 1, 1, restarts=29), behind(3, 900, 1)]),
    ],
)
def test_the_signs_behind_a_proxy(sign: str, shows: list[dict[str, Any]], absent: list[dict[str, Any]]) -> None:
    """A failed try that nginx hides is no loss, and a loss is not hidden."""
    function = getattr(experiment("proxied"), sign)
    assert all(function(o) for o in shows) and not any(function(o) for o in absent)


def test_a_lost_answer_belongs_to_the_nearest_restart() -> None:
    """Workers restart in turn; without a restart it belongs to none."""
    nearest = experiment("proxied").nearest
    assert nearest({7: 1000, 8: 2000}, 1400) == 7
    assert nearest({7: 1000, 8: 2000}, 1600) == 8
    assert nearest({}, 1600) is None


def test_the_log_says_which_requests_were_run() -> None:
    """Request 1 had no answer and was not run; one worker began to end."""
    lines = [b"ran 0", b"[2026-11-27 09:00:00 +0000] [8] [INFO] Autorestarting worker after current request.", b"ran 2"]
    rows = [{"how": how, "gap_ms": 6.0} for how in (200, "closed", 200, "TimeoutError")]
    seen = experiment("direct").observe(SimpleNamespace(lines=lambda _: lines), {"requests": rows})
    assert (seen["lost"], seen["ran_lost"], seen["restarts"], seen["waits"]) == ([1], 0, 1, True)


def test_a_patch_fits_one_place_or_fails_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way of 20.1.0 and of 21.2.0 each become the other's; what does not fit is an error; "none" reads nothing."""
    patches = runpy.run_path(str(DIRECTORY / "patch.py"))["PATCHES"]
    file = tmp_path / "gthread.py"
    monkeypatch.setitem(
        sys.modules, "gunicorn", SimpleNamespace(workers=SimpleNamespace(gthread=SimpleNamespace(__file__=str(file))))
    )
    for name in ("gunicorn.workers", "gunicorn.workers.gthread"):
        monkeypatch.setitem(sys.modules, name, SimpleNamespace())
    patch = main_of_patch(NAME)
    patch("none")
    for name, (old, new) in patches.items():
        file.write_text(f"class Worker:\n    def accept(self, listener, conn):\n        if True:\n{old}")
        patch(name)
        compile(file.read_text(), str(file), "exec")
        assert new in file.read_text()
    file.write_text("pass\n")
    with pytest.raises(SystemExit, match="does not fit"):
        patch("guarded")
    with pytest.raises(SystemExit, match="unknown patch"):
        patch("other")


@pytest.mark.docker
@pytest.mark.timeout(600)
def test_a_short_pair_on_real_containers(tmp_path: Path) -> None:
    """One trial of the document's load on its release and on the first good one: the sign of RS-1 as recorded."""
    shown = shown_in_pair(tmp_path / "results", NAME, ("documented", "gunicorn-24.1.0"), ["RS-1"], experiment="direct")
    assert shown == {"RS-1": [1, 0]}
