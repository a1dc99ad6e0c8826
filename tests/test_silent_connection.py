"""silent-connection: its signs on what was recorded, its patch, and one short pair of trials."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from cases import ROOT, main_of_patch
from lab import shown_in_pair
from reprolab.scenario import loader

NAME = "silent-connection"
DIRECTORY = ROOT / "scenarios" / NAME


@pytest.fixture(scope="module")
def silent() -> ModuleType:
    """The experiment's module."""
    return sys.modules[loader.load(ROOT, NAME).experiments["silent"].drive.__module__]


# What was recorded of a sync worker, of one with two threads, and of a server to which nobody was silent.
HELD: dict[str, Any] = {
    **{"silent": 1, "sends": "nothing", "accepted": 1, "killed_first": 1, "took_s": 6.0},
    **{"ending": "answered", "by": 20, "started": [7, 20], "timeout": [7]},
}
BESIDE = {**HELD, "killed_first": 0, "took_s": 0.0, "by": 7, "started": [7], "timeout": []}
NOBODY = {**BESIDE, "silent": 0, "accepted": 0}


def test_held_up_is_an_answer_from_a_new_worker_after_a_kill(silent: ModuleType) -> None:
    """An answer from a worker that was there is something else, and so is none."""
    assert silent.held_up(HELD) and not silent.answered_meanwhile(HELD)
    assert silent.answered_meanwhile(BESIDE) and not silent.held_up(BESIDE)


@pytest.mark.parametrize(
    "changes", [{"killed_first": 0}, {"by": 7}, {"by": None, "ending": "timeout"}, {"started": [7]}, {"timeout": [20]}]
)
def test_each_part_of_held_up_counts(silent: ModuleType, changes: dict[str, Any]) -> None:
    """One fact changed, and the sign is gone."""
    assert not silent.held_up({**HELD, **changes})


def test_of_two_workers_both_must_be_killed_before_a_new_one_answers(silent: ModuleType) -> None:
    """The first two of three workers were killed; the second of two is no new one after the first two."""
    two = {**HELD, "silent": 2, "accepted": 2, "killed_first": 2, "started": [7, 8, 30], "timeout": [7, 8], "by": 30}
    assert silent.held_up(two)
    assert not silent.held_up({**two, "by": 8})


def test_no_answer_is_no_help(silent: ModuleType) -> None:
    """Nobody was killed, and nobody answered."""
    assert not silent.answered_meanwhile({**BESIDE, "by": None, "ending": "timeout"})


def test_a_connection_that_nobody_accepted_proves_nothing(silent: ModuleType) -> None:
    """The kernel alone had it; or there was none."""
    assert silent.silent(HELD)
    assert not silent.silent({**HELD, "accepted": 0})
    assert not silent.silent(NOBODY)
    assert not silent.silent({**HELD, "silent": 2})


HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
ROW = "   1: 0100007F:{} 0100007F:C350 {} 00000000:00000000 00:00000000 00000000  1000        0 {} 1 0\n"


@pytest.mark.parametrize(
    ("row", "number"),
    [
        (("46A0", "01", 4711), 1),
        (("46A0", "01", 0), 0),
        (("46A0", "0A", 4711), 0),
        (("1F90", "01", 4711), 0),
    ],
)
def test_an_accepted_connection_has_an_inode(
    silent: ModuleType, monkeypatch: pytest.MonkeyPatch, row: tuple[str, str, int], number: int
) -> None:
    """A connection in the queue has none; listening sockets and other ports do not count."""
    monkeypatch.setattr(silent, "ACCEPTS", 0)
    stack = SimpleNamespace(execute=lambda *_: (0, HEAD + ROW.format(*row)))
    assert silent.accepted(stack, "app", 1) == number


def test_the_log_names_the_workers(silent: ModuleType) -> None:
    """In the order of their start; lines are bytes."""
    stamp = b"[2026-11-27 08:59:46 +0000] "
    lines = [
        stamp + b"[7] [INFO] Booting worker with pid: 7",
        stamp + b"[6] [CRITICAL] WORKER TIMEOUT (pid:7)",
        stamp + b"[20] [INFO] Booting worker with pid: 20",
    ]
    o = silent.observe(SimpleNamespace(lines=lambda _: lines), {})
    assert o == {"started": [7, 20], "timeout": [7]}
    stack = SimpleNamespace(printed=lambda _: [line.decode() for line in lines])
    assert silent.timeouts(stack) == 1


def test_the_patch_fits_one_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Applied twice it does not fit, and the build fails; "none" reads nothing."""
    file = tmp_path / "sync.py"
    text = "def handle(client, parser):\n    if True:\n        try:\n            req = next(parser)\n        finally:\n"
    text += "            client.close()\n    return req\n"
    file.write_text(text)
    sync = SimpleNamespace(__file__=str(file))
    workers = SimpleNamespace(sync=sync)
    modules = {"gunicorn": SimpleNamespace(workers=workers), "gunicorn.workers": workers, "gunicorn.workers.sync": sync}
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)  # type: ignore[arg-type]
    patch = main_of_patch(NAME)
    patch("none")
    assert file.read_text() == text
    patch("two-seconds")
    compile(file.read_text(), str(file), "exec")
    assert "client.settimeout(2)" in file.read_text()
    file.write_text("nothing like it\n")
    with pytest.raises(SystemExit, match="does not fit"):
        patch("two-seconds")
    with pytest.raises(SystemExit, match="unknown patch"):
        patch("other")


@pytest.mark.docker
@pytest.mark.timeout(600)
def test_a_short_pair_on_real_containers(tmp_path: Path) -> None:
    """One trial with one thread and one with two: the signs are as recorded."""
    shown = shown_in_pair(tmp_path / "results", NAME, ("documented", "two-threads"), ["SC-1", "SC-5"])
    assert shown == {"SC-1": [1, 0], "SC-5": [0, 1]}
