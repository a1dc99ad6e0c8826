"""chunk-spin: its signs on what was recorded, its patches, and one short pair of trials."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from cases import ROOT, changed, main_of_patch
from lab import shown_in_pair
from reprolab.scenario import loader

NAME = "chunk-spin"
DIRECTORY = ROOT / "scenarios" / NAME


@pytest.fixture(scope="module")
def spin() -> ModuleType:
    """The experiment's module."""
    return sys.modules[loader.load(ROOT, NAME).experiments["spin"].drive.__module__]


def looks(state: str, ran_ns: int) -> list[dict[str, Any]]:
    """Five looks, one second apart; in each the thread ran so long, and was ready for half of that."""
    steps = range(5)
    return [{"state": state, "ran_ns": n * ran_ns, "ready_ns": n * ran_ns // 2, "at_ns": n * 10**9} for n in steps]


ELSEWHERE = {"data": "NoMoreData", "next": "NoMoreData", "reset": "ConnectionResetError"}
# What was recorded of 22.0.0 with gthread, with two threads and with sync, and of 23.0.0.
SPINS: dict[str, Any] = {
    "worker": 8,
    "ended": {**ELSEWHERE, "crlf": None},
    "looks": looks("R", 600_000_000),
    "in_chunk": True,
    "other": {"ending": "timeout", "by": None},
    "looped_on": True,
    "timed_out": [],
}
BESIDE = {**SPINS, "other": {"ending": "answered", "by": 8}}
KILLED = {**SPINS, "other": {"ending": "answered", "by": 20}, "looped_on": False, "timed_out": [8]}
FINE = {
    **BESIDE,
    "ended": {**ELSEWHERE, "crlf": "ChunkMissingTerminator"},
    "looks": looks("S", 0),
    "in_chunk": False,
    "looped_on": False,
}


@pytest.mark.parametrize(
    ("sign", "shows", "absent"),
    [
        ("spins", [SPINS, BESIDE, KILLED], [FINE]),
        ("spins_there_only", [SPINS], [FINE]),
        ("nobody_answered", [SPINS], [BESIDE, KILLED, FINE]),
        ("killed_at_timeout", [KILLED], [SPINS, BESIDE, FINE]),
        ("answered_beside_it", [BESIDE], [SPINS, KILLED, FINE]),
    ],
)
def test_every_sign_tells_the_four_outcomes_apart(
    spin: ModuleType, sign: str, shows: list[dict[str, Any]], absent: list[dict[str, Any]]
) -> None:
    """Each was exercised, and each sign is true of some and false of others."""
    assert all(getattr(spin, sign)(o) for o in shows) and not any(getattr(spin, sign)(o) for o in absent)
    assert all(spin.read_to_the_end(o) for o in (*shows, *absent))


@pytest.mark.parametrize(
    ("sign", "o", "path", "value"),
    [
        ("spins", SPINS, "looks.3.state", "S"),
        ("spins", SPINS, "in_chunk", False),
        ("spins", SPINS, "ended.crlf", "5 bytes"),
        ("spins_there_only", SPINS, "ended.data", "3 bytes"),
        ("nobody_answered", SPINS, "other.ending", "closed without answer"),
        ("nobody_answered", SPINS, "timed_out", [8]),
        ("nobody_answered", SPINS, "looped_on", False),
        ("killed_at_timeout", KILLED, "timed_out", [9]),
        ("killed_at_timeout", KILLED, "other.by", None),
        ("answered_beside_it", BESIDE, "other.by", 20),
        ("read_to_the_end", SPINS, "ended.next", None),
    ],
)
def test_each_part_of_a_sign_counts(spin: ModuleType, sign: str, o: dict[str, Any], path: str, value: Any) -> None:
    """One fact changed, and the sign or the trigger is gone."""
    assert getattr(spin, sign)(o) and not getattr(spin, sign)(changed(o, path, value))


def test_waiting_for_a_busy_processor_is_wanting_it(spin: ModuleType) -> None:
    """0.6 s that the thread ran and 0.3 s in which it was ready, of each second; nothing is told of an ended thread."""
    assert spin.wanted(SPINS) == 90
    assert spin.wanted(FINE) == 0
    assert spin.wanted(changed(SPINS, "looks.4.state", "")) is None


def test_a_look_reads_the_kernels_files(spin: ModuleType) -> None:
    """The name of a thread may have spaces and brackets; a thread that has ended has no state."""
    text = "1200 300 7\n8 (gth) 1) R 7 7 7 0 -1 0 0\n"
    seen = spin.look(SimpleNamespace(execute=lambda *_: (0, text)), "8", "9")
    assert (seen["state"], seen["ran_ns"], seen["ready_ns"]) == ("R", 1200, 300)
    gone = spin.look(SimpleNamespace(execute=lambda *_: (1, "No such file or directory")), "8", "9")
    assert (gone["state"], gone["ran_ns"], gone["ready_ns"]) == ("", 0, 0)


def test_the_log_names_the_killed_worker(spin: ModuleType) -> None:
    """Lines are bytes."""
    lines = [b"[2026-11-26 01:19:01 +0000] [7] [CRITICAL] WORKER TIMEOUT (pid:8)", b"reading crlf 8 12"]
    assert spin.observe(SimpleNamespace(lines=lambda _: lines), {})["timed_out"] == [8]


def test_each_patch_undoes_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not fit, or has no such name, fails the build; "none" reads nothing."""
    package = tmp_path / "gunicorn" / "http"
    package.mkdir(parents=True)
    file = package / "body.py"
    unchecked = "if True:\n    def read(rest, unreader):\n        if True:\n            while len(rest) < 2:\n"
    unchecked += "                rest += unreader.read()\n"
    file.write_text(unchecked)
    body = SimpleNamespace(__file__=str(file))
    gunicorn = SimpleNamespace(http=SimpleNamespace(body=body))
    for name, module in (("gunicorn", gunicorn), ("gunicorn.http", gunicorn.http), ("gunicorn.http.body", body)):
        monkeypatch.setitem(sys.modules, name, module)  # type: ignore[arg-type]
    patch = main_of_patch(NAME)
    patch("none")
    with pytest.raises(SystemExit, match="does not fit"):
        patch("unchecked")
    patch("checked")
    compile(file.read_text(), str(file), "exec")
    assert "if not new_data:" in file.read_text()
    patch("unchecked")
    assert file.read_text() == unchecked
    with pytest.raises(SystemExit, match="unknown patch"):
        patch("other")


@pytest.mark.docker
@pytest.mark.timeout(600)
def test_a_short_pair_on_real_containers(tmp_path: Path) -> None:
    """One trial of the documented stack and of the first good release: every sign is as recorded."""
    shown = shown_in_pair(tmp_path / "results", NAME, ("documented", "gunicorn-23.0.0"))
    assert shown == {f"CS-{n}": [0, 0] if n in (4, 5) else [1, 0] for n in range(1, 7)}
