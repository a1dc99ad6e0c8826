"""A run that says it runs: whether its process still does, and what readers say where that cannot be seen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cases import write_run_json
from reprolab.core.errors import UsageError
from reprolab.engine.owner import own_identity, own_place, process_identity
from reprolab.evidence.alive import as_it_is
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import ABORTED, RUNNING, UNSEEN, RunInfo
from reprolab.run.observe_again import observe_again


@pytest.fixture(scope="module")
def gone() -> str:
    """The identity of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = process_identity(process.pid)
    process.communicate(b"\n")
    return identity


ELSEWHERE = ":1:another-machine"


def status(pid: str) -> str:
    """The status of a run that says it runs in this process."""
    return as_it_is(RunInfo("blink", status=RUNNING, pid=pid)).status


def test_a_process_that_runs() -> None:
    """That of these tests."""
    assert status(own_identity()) == RUNNING


def test_a_process_that_has_ended(gone: str) -> None:
    """Also where an older release did not say in which namespace it ran, and after the machine was started anew."""
    assert status(f"{gone}:{own_place()}") == status(gone) == ABORTED
    assert status("0000:1:1") == ABORTED


def test_a_process_of_another_machine_cannot_be_seen() -> None:
    """Nobody knows whether it runs; neither without its identity."""
    assert status(f"0000:1:1{ELSEWHERE}") == status("") == UNSEEN


def test_other_states_stay_as_they_are(gone: str) -> None:
    """They were written at the end."""
    info = RunInfo("blink", status="complete", pid=gone)
    assert as_it_is(info) is info


def test_the_readers_of_run_json_get_it(tmp_path: Path, gone: str) -> None:
    """With a reason; the file is not written."""
    run = RunDirectory(tmp_path)
    write_run_json(run, status=RUNNING, pid=gone)
    before = (tmp_path / "run.json").read_bytes()
    assert run.info().status == ABORTED and "its process ended" in run.info().reason
    assert (tmp_path / "run.json").read_bytes() == before


def test_a_run_that_may_still_run_is_not_written_to(tmp_path: Path) -> None:
    """Reading its logs again would lose its next trials."""
    run = RunDirectory(tmp_path)
    write_run_json(run, status=RUNNING, pid=f"0000:1:1{ELSEWHERE}")
    scenario: object = None
    with pytest.raises(UsageError, match="is running or aborted"):
        observe_again(scenario, run)  # type: ignore[arg-type]
