"""import-failure: its signs on what was recorded, its patch, its application, and one short pair of trials."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from cases import ROOT, main_of_patch
from lab import shown_in_pair
from reprolab.scenario import loader

NAME = "import-failure"
DIRECTORY = ROOT / "scenarios" / NAME
SIGNS = ("unnoticed", "unnoticed_at_timeout", "ends_with_3", "ends_with_1", "looks")


@pytest.fixture(scope="module")
def dead() -> ModuleType:
    """The experiment's module."""
    return sys.modules[loader.load(ROOT, NAME).experiments["dead"].drive.__module__]


# What was recorded of 24.0.0 and 24.1.0, with an application that cannot be imported and with a worker that is killed.
AT_START: dict[str, Any] = {
    "start": {"answered": False},
    "status": None,
    "worker": 8,
    "answer": "timeout",
    "kept": True,
    "alive": 0,
    "after": "closed without answer",
    "failed_in": [8],
    "unhandled": ["cld"],
    "timed_out": [],
}
ENDED = {**AT_START, "status": 3, "worker": None, "answer": None, "kept": None, "after": None, "unhandled": []}
KILLED = {**AT_START, "start": {"answered": True}, "after": "200", "failed_in": []}
REPLACED = {**KILLED, "answer": "200", "kept": False, "alive": 1, "unhandled": []}


@pytest.mark.parametrize(
    ("observation", "shown"),
    [
        (AT_START, ["unnoticed", "looks"]),
        ({**AT_START, "timed_out": [8]}, ["unnoticed", "unnoticed_at_timeout", "looks"]),
        ({**AT_START, "after": "timeout"}, ["unnoticed"]),
        (ENDED, ["ends_with_3"]),
        ({**ENDED, "status": 1}, ["ends_with_1"]),
        (KILLED, ["unnoticed", "looks"]),
        ({**KILLED, "timed_out": [7]}, ["unnoticed", "looks"]),
        (REPLACED, []),
        # One fact of the sign is missing.
        ({**KILLED, "answer": "200"}, []),
        ({**KILLED, "kept": False}, []),
        ({**KILLED, "alive": 1}, []),
        ({**KILLED, "unhandled": ["winch"]}, []),
        ({**KILLED, "status": 0}, []),
    ],
)
def test_each_sign_shows_where_it_was_recorded(dead: ModuleType, observation: dict[str, Any], shown: list[str]) -> None:
    """And in no other of these observations."""
    assert [sign for sign in SIGNS if getattr(dead, sign)(observation)] == shown


def test_a_trial_counts_where_its_worker_ended_for_the_reason_meant(dead: ModuleType) -> None:
    """At the start the worker that ended is the one that could not load; later the server has answered before."""
    assert dead.not_loaded(AT_START) and dead.not_loaded(ENDED) and not dead.not_loaded(KILLED)
    assert not dead.not_loaded({**AT_START, "worker": 9})
    assert dead.served(KILLED) and dead.served(REPLACED) and not dead.served(AT_START) and not dead.served(ENDED)
    assert dead.worker_ended(AT_START) and dead.worker_ended(KILLED) and not dead.worker_ended(ENDED)


def test_the_log_names_the_processes(dead: ModuleType) -> None:
    """That of the application and those of the master; lines are bytes."""
    lines = [
        b"cannot be loaded in 8",
        b"[2026-01-23 09:12:41 +0000] [7] [ERROR] Unhandled signal: cld",
        b"[2026-01-23 09:12:44 +0000] [7] [CRITICAL] WORKER TIMEOUT (pid:8)",
    ]
    told = dead.observe(SimpleNamespace(lines=lambda _: lines), {})
    assert told == {"failed_in": [8], "unhandled": ["cld"], "timed_out": [8]}


@pytest.mark.parametrize(("application", "callable_"), [("works", True), ("missing", False)])
def test_the_application_is_there_only_where_it_works(
    application: str, callable_: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where it cannot be loaded, the log says in which process."""
    monkeypatch.setenv("APPLICATION", application)
    assert ("app" in runpy.run_path(str(DIRECTORY / "app.py"))) is callable_
    assert ("cannot be loaded in" in capsys.readouterr().out) is not callable_
    monkeypatch.setenv("APPLICATION", "raises")
    with pytest.raises(RuntimeError, match="cannot be imported"):
        runpy.run_path(str(DIRECTORY / "app.py"))


ARBITER = "class Arbiter:\n    def handle_chld(self):\n        pass\n\n    def handle_hup(self):\n        pass\n"


def patch(monkeypatch: pytest.MonkeyPatch, package: Path) -> Callable[[str], None]:
    """The entry of patch.py, for a gunicorn in a directory."""
    package.mkdir()
    (package / "__init__.py").write_text("")
    main = main_of_patch(NAME)
    monkeypatch.setitem(main.__globals__, "find_spec", lambda _: SimpleNamespace(origin=str(package / "__init__.py")))
    return main  # type: ignore[no-any-return]


def test_each_patch_adds_or_removes_the_second_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not fit, or has no such name, fails the build; "none" reads nothing."""
    main = patch(monkeypatch, tmp_path / "gunicorn")
    main("none")
    file = tmp_path / "gunicorn" / "arbiter.py"
    file.write_text(ARBITER)
    with pytest.raises(SystemExit, match="does not fit"):
        main("unhandled")
    main("handled")
    arbiter: dict[str, Any] = {}
    exec(compile(file.read_text(), str(file), "exec"), arbiter)
    assert arbiter["Arbiter"].handle_cld is arbiter["Arbiter"].handle_chld
    with pytest.raises(SystemExit, match="does not fit"):
        main("handled")
    main("unhandled")
    assert "handle_cld" not in file.read_text()
    with pytest.raises(SystemExit, match="unknown patch"):
        main("other")


@pytest.mark.docker
@pytest.mark.timeout(600)
def test_a_short_pair_on_real_containers(tmp_path: Path) -> None:
    """One trial of the documented stack and of the first good release."""
    shown = shown_in_pair(tmp_path / "results", NAME, ("documented", "gunicorn-24.1.0"))
    assert shown["IF-1"] == shown["IF-3"] == [1, 0] and shown["IF-2"] == [0, 1]
