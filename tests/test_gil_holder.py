"""gil-holder: its signs on what was recorded, its patches, the application's calls, and one short pair of trials."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from cases import ROOT, changed, main_of_patch
from lab import shown_in_pair
from reprolab.core.errors import InvalidTrial
from reprolab.scenario import loader

NAME = "gil-holder"
DIRECTORY = ROOT / "scenarios" / NAME


def experiment(name: str) -> ModuleType:
    """The module of an experiment."""
    return sys.modules[loader.load(ROOT, NAME).experiments[name].drive.__module__]


@pytest.fixture(scope="module")
def holding() -> ModuleType:
    """The experiment with requests."""
    return experiment("holding")


@pytest.fixture(scope="module")
def importing() -> ModuleType:
    """The experiment with the import."""
    return experiment("importing")


def meanwhile(silent_s: float, *new: int, client: str = "200") -> dict[str, Any]:
    """What the lab saw during the call."""
    return {"silent_s": silent_s, "new": list(new), "client": client, "calling": True}


# What was recorded of 0.34.0 with PyDLL and with CDLL, and of both where the other worker was killed.
KILLED: dict[str, Any] = {
    "holder": 9,
    "meanwhile": meanwhile(3.1),
    "endings": {"call": "closed without answer", "neighbour": "reset"},
    "by": {"call": None, "neighbour": None},
    "after": "200",
    "died": [9],
}
LIVES = {
    **KILLED,
    "meanwhile": meanwhile(0.02),
    "endings": {"call": "answered", "neighbour": "answered"},
    "by": {"call": 9, "neighbour": 9},
    "died": [],
}
BLIND = {**KILLED, "meanwhile": meanwhile(3.1, client="timeout"), "died": [9, 10]}
LOOKS = {**LIVES, "meanwhile": meanwhile(0.02, 31), "died": [10]}
SEEN = {"killed": KILLED, "lives": LIVES, "blind": BLIND, "looks": LOOKS}


@pytest.mark.parametrize(
    ("sign", "shows"),
    [
        ("killed", {"killed", "blind"}),
        ("neighbour_lost", {"killed", "blind"}),
        ("not_replaced_meanwhile", {"blind"}),
    ],
)
def test_every_sign_tells_the_outcomes_apart(holding: ModuleType, sign: str, shows: set[str]) -> None:
    """Each sign is true of some of what was recorded and false of the rest."""
    assert {name for name, o in SEEN.items() if getattr(holding, sign)(o)} == shows
    assert all(holding.calling(o) for o in SEEN.values())


@pytest.mark.parametrize(
    ("sign", "o", "path", "value"),
    [
        ("killed", KILLED, "died", [10]),
        ("killed", KILLED, "endings.call", "timeout"),
        ("killed", KILLED, "after", "timeout"),
        ("neighbour_lost", KILLED, "endings.neighbour", "answered"),
        ("neighbour_lost", KILLED, "by.neighbour", 9),
        ("not_replaced_meanwhile", BLIND, "meanwhile.new", [31]),
        ("not_replaced_meanwhile", BLIND, "meanwhile.client", "200"),
        ("calling", KILLED, "meanwhile.calling", False),
    ],
)
def test_each_part_of_a_sign_counts(holding: ModuleType, sign: str, o: dict[str, Any], path: str, value: Any) -> None:
    """One fact changed, and the sign or the trigger is gone."""
    assert getattr(holding, sign)(o) and not getattr(holding, sign)(changed(o, path, value))


def test_a_server_that_never_starts_kills_its_workers(importing: ModuleType) -> None:
    """One that ended, that answers, or that killed nobody is something else."""
    never = {"answered": False, "exit_status": None, "died": 6, "imports": 7}
    assert importing.never_starts(never) and importing.imported(never)
    assert not importing.never_starts({**never, "answered": True})
    assert not importing.never_starts({**never, "exit_status": 3})
    assert not importing.never_starts({**never, "died": 1})
    assert not importing.imported({**never, "imports": 0})


class Client:
    """A connection whose worker answers with its pid."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def send(self, data: bytes) -> None:
        """Nothing to do: the answer is known."""

    def outcome(self) -> SimpleNamespace:
        """The answer of the worker."""
        return SimpleNamespace(body=b"%d" % self.pid)


def test_the_second_request_goes_to_the_worker_of_the_first(holding: ModuleType) -> None:
    """Of three connections to two workers two have the same one; otherwise the trial says nothing."""
    first, second, pid = holding.pair([Client(9), Client(10), Client(9)])
    assert (first.pid, second.pid, pid) == (9, 9, 9) and first is not second
    with pytest.raises(InvalidTrial, match="as many workers"):
        holding.pair([Client(9), Client(10)])


def test_the_log_names_the_workers_that_were_given_up(holding: ModuleType, importing: ModuleType) -> None:
    """Lines are bytes."""
    lines = [b"holds 9", b"INFO:     Child process [9] died", b"holds 12", b"INFO:     Child process [12] died"]
    evidence = SimpleNamespace(lines=lambda _: lines)
    assert holding.observe(evidence, {}) == {"died": [9, 12]}
    assert importing.observe(evidence, {}) == {"imports": 2, "died": 2}


SOURCE = """class Process:
    def is_alive(self, timeout: float = 5) -> bool:
        return self.ping(timeout)


def keep(self, process):
    if process.is_alive({argument}):
        return
"""


@pytest.mark.parametrize(
    ("patch", "argument", "old", "new"),
    [
        ("unasked", "", "return self.ping(timeout)", "return True"),
        ("limit-30", "", "float = 5", "float = 30"),
        (
            "fixed-limit",
            "timeout=self.config.timeout_worker_healthcheck",
            "(timeout=self.config.timeout_worker_healthcheck)",
            "()",
        ),
    ],
)
def test_a_patch_changes_one_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patch: str, argument: str, old: str, new: str
) -> None:
    """One that does not fit, or has no such name, fails the build; "none" reads nothing."""
    file = tmp_path / "uvicorn" / "supervisors" / "multiprocess.py"
    file.parent.mkdir(parents=True)
    spec = SimpleNamespace(origin=str(tmp_path / "uvicorn" / "__init__.py"))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: spec)
    main = main_of_patch(NAME)
    main("none")
    before = SOURCE.replace("{argument}", argument)
    file.write_text(before)
    main(patch)
    compile(file.read_text(), str(file), "exec")
    assert file.read_text() == before.replace(old, new) != before
    with pytest.raises(SystemExit, match="does not fit"):
        main(patch)
    with pytest.raises(SystemExit, match="unknown patch"):
        main("other")


@pytest.mark.parametrize("holder", ["PyDLL", "CDLL", "sleep", "loop"])
def test_the_call_of_the_application_lasts_as_long_as_it_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], holder: str
) -> None:
    """Only the names differ; a line stands before the call and one after it."""
    for name, value in {"HOLDER": holder, "HOLD": "0.01", "AT": "import"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("threading.Thread.start", lambda _: None)  # the thread would write on for ever
    runpy.run_path(str(DIRECTORY / "app.py"))
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("holds ") and second.startswith("lets go ")


@pytest.mark.docker
@pytest.mark.timeout(600)
def test_a_short_pair_on_real_containers(tmp_path: Path) -> None:
    """One trial of the documented stack, and one with the one word changed."""
    shown = shown_in_pair(tmp_path / "results", NAME, ("documented", "cdll"), ["GH-2", "GH-5"], experiment="holding")
    assert shown == {"GH-2": [1, 0], "GH-5": [1, 0]}
