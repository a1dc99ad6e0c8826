"""Waiting for a state, and locks between processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from reprolab import InvalidTrial, wait_until
from reprolab.core.locks import file_lock
from reprolab.core.waiting import WaitTimeout

HOLDER = """
import sys
from pathlib import Path
from reprolab.core.locks import file_lock
with file_lock(Path(sys.argv[1]), lambda holder: None):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_first_true_answer_is_returned() -> None:
    """``look`` is called until then, and at least once even without time."""
    answers = iter(([], "", 0, [7], "not asked for"))
    assert wait_until("an answer", lambda: next(answers), interval=0) == [7]
    assert wait_until("it is so", lambda: True, -1) is True


def test_the_timeout_names_the_last_state() -> None:
    """The message has what was awaited, the limit, and the last result or ``state``."""
    with pytest.raises(InvalidTrial, match=r"^two workers: not so after 0 s; last state: \[\]$"):
        wait_until("two workers", lambda: [], 0, interval=0.001)
    with pytest.raises(WaitTimeout, match=r"^two workers: not so after 0 s; last state: one, pid 7$"):
        wait_until("two workers", lambda: False, 0, interval=0.001, state=lambda: "one, pid 7")


def nobody(holder: str) -> None:
    """Fail: no other process may hold the lock."""
    pytest.fail(f"held by {holder!r}")


@pytest.fixture
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A file that does not exist yet, or a directory."""
    return tmp_path if request.param == "directory" else tmp_path / "lock"


@pytest.fixture
def holder(place: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    command = [sys.executable, "-c", HOLDER, str(place)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.mark.parametrize("place", ["file", "directory"], indirect=True)
def test_one_process_at_a_time(place: Path, holder: Any) -> None:
    """A waiting process gets the holder's id once, "" for a directory, and a timeout at the limit."""
    holders: list[str] = []
    with pytest.raises(WaitTimeout, match=r"lock .* is free: not so after 0 s"), file_lock(place, holders.append, 0):
        pytest.fail("two hold it")
    assert holders == ["" if place.is_dir() else str(holder.pid)]
    holder.kill()
    holder.wait()
    with file_lock(place, nobody):
        assert place.is_dir() or place.read_text() == str(os.getpid())


@pytest.mark.parametrize("place", ["file", "directory"], indirect=True)
def test_without_a_limit_it_waits(place: Path, holder: Any) -> None:
    """It gets the lock when the holder has ended."""
    with file_lock(place, lambda _: holder.kill()):
        assert holder.wait(5)
    with file_lock(place, nobody):
        pass
