"""sighup-dead: its signs on what was recorded, its patch, and one short pair of trials."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from cases import ROOT, main_of_patch
from lab import shown_in_pair
from reprolab.processes.snapshot import Process, Signals, Snapshot, Syscall, Thread
from reprolab.scenario import loader

NAME = "sighup-dead"
DIRECTORY = ROOT / "scenarios" / NAME


@pytest.fixture(scope="module")
def reload() -> ModuleType:
    """The experiment's module."""
    return sys.modules[loader.load(ROOT, NAME).experiments["reload"].drive.__module__]


def look(workers: list[int], waits_in: str = "epoll_wait", argument: int = 10, **more: Any) -> dict[str, Any]:
    """One look at the master."""
    base = {"master": 7, "daemons": [], "caught": True, "pending": False}
    return base | {"workers": workers, "waits_in": waits_in, "argument": argument} | more


# What was recorded of 2.0.27, of 2.0.28, and of 2.0.27 without a signal.
DEAD: dict[str, Any] = {
    **{"way": "signal", "asked": {"code": 0, "text": ""}, "noticed": True, "starts": [1, 2], "by": 9},
    **{"before": look([8, 9]), "after": look([8, 9], "wait4", 8)},
    **{"one_killed": look([8], "wait4", 8), "all_killed": look([103, 104])},
}
RELOADS = {
    **{**DEAD, "starts": [2, 2], "by": 40, "after": look([39, 40])},
    **{"one_killed": look([39, 51]), "all_killed": look([51, 60])},
}
LEFT_ALONE = {
    **{**DEAD, "way": "none", "starts": [1, 1], "after": look([8, 9])},
    **{"one_killed": look([8, 20]), "all_killed": look([20, 30])},
}
DAEMON = {**DEAD, "before": look([8, 9], daemons=[10])}
KEPT = {**RELOADS, "before": look([8, 9], daemons=[10]), "after": look([39, 40], daemons=[41])}
ALL = [DEAD, RELOADS, LEFT_ALONE, DAEMON, KEPT]


@pytest.mark.parametrize(
    ("sign", "shows"),
    [
        ("same_workers", [DEAD, LEFT_ALONE, DAEMON]),
        ("new_workers", [RELOADS, KEPT]),
        ("master_waits_for_worker", [DEAD, DAEMON]),
        ("daemon_is_gone", [DAEMON]),
        ("not_replaced", [DEAD, DAEMON]),
        ("reloads_late", [DEAD, DAEMON]),
        ("asked", [DEAD, RELOADS, DAEMON, KEPT]),
    ],
)
def test_every_sign_tells_the_outcomes_apart(reload: ModuleType, sign: str, shows: list[dict[str, Any]]) -> None:
    """Each sign is true of some of them and false of the others."""
    assert [o for o in ALL if getattr(reload, sign)(o)] == shows


@pytest.mark.parametrize(
    ("sign", "changes"),
    [
        ("same_workers", {"after": look([8, 20], "wait4", 8)}),
        ("same_workers", {"by": 40}),
        ("master_waits_for_worker", {"after": look([8, 9], "wait4", 10)}),
        ("master_waits_for_worker", {"after": look([8, 9], "epoll_wait", 8)}),
        ("reloads_late", {"starts": [2, 2]}),
        ("reloads_late", {"all_killed": look([103])}),
        ("asked", {"after": look([8, 9], pending=True)}),
        ("asked", {"before": look([8, 9], caught=False)}),
        ("asked", {"asked": {"code": 1, "text": "no such process"}}),
    ],
)
def test_each_part_of_a_sign_counts(reload: ModuleType, sign: str, changes: dict[str, Any]) -> None:
    """One fact changed, and the sign or the trigger is gone."""
    assert getattr(reload, sign)(DEAD) and not getattr(reload, sign)({**DEAD, **changes})


def test_where_nobody_was_killed_nothing_is_said_of_it(reload: ModuleType) -> None:
    """The other ways to ask for a reload end before that step."""
    short = {key: value for key, value in DEAD.items() if not key.endswith("_killed")}
    assert reload.same_workers(short) and not reload.not_replaced(short) and not reload.reloads_late(short)


def test_a_file_that_uwsgi_did_not_notice_asked_for_nothing(reload: ModuleType) -> None:
    """It counts once uWSGI has printed that it saw the change."""
    assert reload.asked({**DEAD, "way": "touch"})
    assert not reload.asked({**DEAD, "way": "touch", "noticed": False})


def process(pid: int, parent: int, title: str, state: str = "S", call: Syscall | None = None) -> Process:
    """A small process with one thread."""
    thread = Thread(pid, title.split()[0], state, "", call, 0, 0)
    return Process(pid, parent, state, tuple(title.split()), pid, Signals(caught=("SIGHUP",)), (thread,))


def test_a_daemon_is_no_worker_and_a_zombie_is_neither(reload: ModuleType) -> None:
    """The command line of the workers has the name of the daemon's program too."""
    uwsgi = "uwsgi --master --attach-daemon sleep"
    processes = [
        process(1, 0, "docker-init"),
        process(7, 1, uwsgi, call=Syscall("wait4", (8, 0, 0, 0, 0, 0))),
        process(8, 7, uwsgi),
        process(9, 7, uwsgi, state="Z"),
        process(10, 7, "sleep 1000000"),
    ]
    snapshot = Snapshot(0, {row.pid: row for row in processes})
    seen = reload.look(SimpleNamespace(processes=lambda: snapshot))
    assert seen == look([8], "wait4", 8, daemons=[10])


def test_the_log_tells_the_starts_before_and_after_the_kills(reload: ModuleType) -> None:
    """And whether uWSGI saw that a file has changed; lines are bytes."""
    start = b"*** Starting uWSGI 2.0.27 (64bit) on [Fri Nov 27 08:47:40 2026] ***"
    lines = [start, b"- *** /tmp/reload has been touched... grace them all !!! ***", start]
    evidence = SimpleNamespace(lines=lambda _: lines)
    o = reload.observe(evidence, {"way": "touch", "lines": 2})
    assert (o["starts"], o["noticed"]) == ([1, 2], True)
    assert not reload.observe(evidence, {"way": "autoreload", "lines": 2})["noticed"]
    assert reload.observe(evidence, {"way": "signal", "lines": 3})["starts"] == [2, 2]


def test_each_patch_undoes_the_other(tmp_path: Path) -> None:
    """One that does not fit, or has no such name, fails the build; "none" reads nothing."""
    patch = main_of_patch(NAME)
    file = tmp_path / "master_utils.c"
    text = "void uwsgi_destroy_processes() {\n        uwsgi_detach_daemons();\n\n"
    text += "        for (i = 0; i < ushared->gateways_cnt; i++) {\n        }\n}\n"
    file.write_text(text)
    patch("none", tmp_path / "nothing")
    with pytest.raises(SystemExit, match="does not fit"):
        patch("no-wait", file)
    patch("wait", file)
    assert "waitpid(uwsgi.workers[i].pid, &waitpid_status, 0);" in file.read_text()
    patch("no-wait", file)
    assert file.read_text() == text
    with pytest.raises(SystemExit, match="unknown patch"):
        patch("other", file)


@pytest.mark.docker
@pytest.mark.timeout(1200)
def test_a_short_pair_on_real_containers(tmp_path: Path) -> None:
    """One trial of 2.0.27 and one of 2.0.28: the signs are as recorded."""
    shown = shown_in_pair(tmp_path / "results", NAME, ("documented", "uwsgi-2.0.28"))
    assert shown == {f"SD-{n}": [0, 1] if n == 7 else [0, 0] if n == 3 else [1, 0] for n in range(1, 8)}
