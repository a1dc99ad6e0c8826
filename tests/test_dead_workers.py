"""dead-workers: its signs on what was recorded, its patches, and one short pair of trials."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from cases import ROOT, changed, main_of_patch
from lab import shown_in_pair
from reprolab.core.errors import InvalidTrial
from reprolab.scenario import loader

NAME = "dead-workers"
DIRECTORY = ROOT / "scenarios" / NAME


@pytest.fixture(scope="module")
def replaced() -> ModuleType:
    """The experiment's module."""
    return sys.modules[loader.load(ROOT, NAME).experiments["replaced"].drive.__module__]


def ended(lived: list[int], pids: list[int], left: list[int], *answers: str, running: bool = True) -> dict[str, Any]:
    """What the lab saw after workers had ended."""
    return {"lived": lived, "ended": pids, "left": left, "running": running, "answers": list(answers)}


BASE: dict[str, Any] = {
    "workers": 2,
    "before": [9, 10],
    "served": ["200", "200"],
    "finished": 0,
    "running": True,
    "died": [],
}
GOES_ON = {"exit_status": 0}
# What was recorded of 0.29.0, of 0.54.0, of 0.30.1, of 0.29.0 and 0.54.0 with a limit of requests, and of status 3.
DEAD = {
    **BASE,
    **GOES_ON,
    "one": ended([9, 10], [9], [10], "200", "200"),
    "all": ended([10], [10], [], "timeout", "timeout"),
}
FINE = {
    **BASE,
    **GOES_ON,
    "one": ended([9, 10], [9], [10, 24], "200", "200"),
    "all": ended([10, 24], [10, 24], [66, 67], "200", "200"),
    "died": [9, 10, 24],
}
MANY = {
    **FINE,
    "exit_status": 137,
    "all": ended([10, 24], [10, 24], [96, 103, 105], "200", "200"),
    "died": [9, 10, 24, 24],
}
SPENT = {**DEAD, "one": None, "all": ended([9, 10], [9, 10], [], "timeout", "timeout"), "finished": 2}
RENEWED = {**FINE, "one": None, "all": ended([9, 10], [9], [10, 24], "200", "200"), "finished": 2}
STOPPED = {
    **BASE,
    "running": False,
    "exit_status": 0,
    "one": ended([9, 10], [9], [], running=False),
    "all": None,
    "finished": 1,
}
SEEN = {"dead": DEAD, "fine": FINE, "many": MANY, "spent": SPENT, "renewed": RENEWED, "stopped": STOPPED}


@pytest.mark.parametrize(
    ("sign", "shows"),
    [
        ("alone", {"dead"}),
        ("accepts_and_is_silent", {"dead", "spent"}),
        ("replaced_twice", {"many"}),
        ("does_not_stop", {"many"}),
        ("stopped_by_it", {"stopped"}),
    ],
)
def test_every_sign_tells_the_outcomes_apart(replaced: ModuleType, sign: str, shows: set[str]) -> None:
    """Each sign is true of some of what was recorded and false of the rest."""
    assert {name for name, o in SEEN.items() if getattr(replaced, sign)(o)} == shows


@pytest.mark.parametrize(
    ("trigger", "holds"),
    [
        ("one_killed", {"dead", "fine", "many", "stopped"}),
        ("all_killed", {"dead", "fine", "many", "spent"}),
        ("all_died", {"dead", "fine", "many", "spent", "renewed"}),
        ("two_killed", {"fine", "many", "spent"}),
    ],
)
def test_every_trigger_says_what_happened(replaced: ModuleType, trigger: str, holds: set[str]) -> None:
    """A trial in which no worker ended exercises nothing."""
    assert {name for name, o in SEEN.items() if getattr(replaced, trigger)(o)} == holds
    assert not any(getattr(replaced, trigger)({**o, "served": ["200", "timeout"]}) for o in SEEN.values())
    assert not any(getattr(replaced, trigger)({**o, "before": [9]}) for o in SEEN.values())


def test_a_single_worker_has_no_siblings(replaced: ModuleType) -> None:
    """Nobody could go on without it, so its end says nothing about that."""
    assert not replaced.one_killed({**DEAD, "workers": 1, "before": [9], "one": ended([9], [9], [], "timeout")})


@pytest.mark.parametrize(
    ("sign", "o", "path", "value"),
    [
        ("alone", DEAD, "one.left", [10, 24]),
        ("alone", DEAD, "one.left", []),
        ("alone", DEAD, "one.answers", ["200", "timeout"]),
        ("accepts_and_is_silent", DEAD, "all.left", [24]),
        ("accepts_and_is_silent", DEAD, "all.running", False),
        ("accepts_and_is_silent", DEAD, "all.answers", ["timeout", "refused"]),
        ("replaced_twice", MANY, "died", [9, 10, 24]),
        ("does_not_stop", MANY, "exit_status", 0),
        ("stopped_by_it", STOPPED, "exit_status", 3),
        ("stopped_by_it", STOPPED, "running", True),
        ("one_killed", DEAD, "one.ended", []),
        ("one_killed", DEAD, "workers", 1),
        ("all_killed", DEAD, "all.ended", []),
        ("all_died", RENEWED, "finished", 1),
    ],
)
def test_each_part_of_a_sign_counts(replaced: ModuleType, sign: str, o: dict[str, Any], path: str, value: Any) -> None:
    """One fact changed, and the sign or the trigger is gone."""
    assert getattr(replaced, sign)(o) and not getattr(replaced, sign)(changed(o, path, value))


def test_workers_are_processes_that_were_spawned(replaced: ModuleType) -> None:
    """The numbers come from the paths; a server that has ended has none, and another failure stays one."""
    paths = "/proc/24/cmdline\n/proc/9/cmdline\n"
    assert replaced.workers(SimpleNamespace(execute=lambda *_: (0, paths))) == [9, 24]

    # The container ended just before the command, and this is what the engine says.
    refused = "OCI runtime exec failed: exec failed: cannot exec in a stopped state"
    assert replaced.workers(SimpleNamespace(execute=lambda *_: (126, refused))) == []

    def fails(*_: object) -> None:
        raise InvalidTrial("the container is not running")

    assert replaced.workers(SimpleNamespace(execute=fails, running=lambda _: False)) == []
    with pytest.raises(InvalidTrial):
        replaced.workers(SimpleNamespace(execute=fails, running=lambda _: True))


def test_the_log_names_the_workers_that_were_found_dead(replaced: ModuleType) -> None:
    """Each time; lines are bytes."""
    lines = [b"INFO:     Child process [24] died", b"INFO:     Waiting for child process [24]"] * 2
    assert replaced.observe(SimpleNamespace(lines=lambda _: lines), {}) == {"died": [24, 24]}


WAITS = "class Multiprocess:\n    def run(self):\n        self.should_exit.wait()\n"
LOOKS = """class Multiprocess:
    def run(self):
        while not self.should_exit.wait(0.5):
            self.handle_signals()
            self.keep_subprocess_alive()

    def keep_subprocess_alive(self):
        for idx, process in enumerate(self.processes):
            if process.is_alive():
                continue
            process = Process(self.config, self.target, self.sockets)
            process.start()
            self.processes[idx] = process
"""


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that patch.py changes, of a package that stands for uvicorn."""
    file = tmp_path / "uvicorn" / "supervisors" / "multiprocess.py"
    file.parent.mkdir(parents=True)
    spec = SimpleNamespace(origin=str(tmp_path / "uvicorn" / "__init__.py"))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: spec)
    return file


def test_a_patch_changes_one_place_and_fits_its_release_only(source: Path) -> None:
    """One that does not fit, or has no such name, fails the build; "none" reads nothing."""
    patch = main_of_patch(NAME)
    patch("none")
    source.write_text(WAITS)
    with pytest.raises(SystemExit, match="does not fit"):
        patch("unsupervised")
    patch("supervised")
    compile(source.read_text(), str(source), "exec")
    assert "is_alive()" in source.read_text()
    source.write_text(LOOKS)
    with pytest.raises(SystemExit, match="does not fit"):
        patch("supervised")
    patch("unsupervised")
    assert source.read_text() == LOOKS.replace("            self.keep_subprocess_alive()\n", "")
    with pytest.raises(SystemExit, match="unknown patch"):
        patch("other")


def test_the_two_patches_of_the_list_undo_each_other(source: Path) -> None:
    """What 0.30.2 changed, and back."""
    patch = main_of_patch(NAME)
    source.write_text(LOOKS)
    patch("appended")
    assert "enumerate(tuple(self.processes))" in source.read_text()
    assert "del self.processes[idx]" in source.read_text()
    patch("in-place")
    assert source.read_text() == LOOKS


@pytest.mark.docker
@pytest.mark.timeout(600)
def test_a_short_pair_on_real_containers(tmp_path: Path) -> None:
    """One trial of the documented stack and of the first release without a fault."""
    shown = shown_in_pair(tmp_path / "results", NAME, ("documented", "uvicorn-0.30.2"), ["DW-1", "DW-2"])
    assert shown == {"DW-1": [1, 0], "DW-2": [1, 0]}
