"""Locks between processes: one holder, which is named; nothing is created, written or followed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from reprolab.core import locks
from reprolab.core.errors import LabError
from reprolab.core.locks import directory_lock, machine_directory

HOLDER = """
import sys
from pathlib import Path
from reprolab.core.locks import directory_lock
with directory_lock(Path(sys.argv[1]), "holds", print):
    print("held", flush=True)
    sys.stdin.read()
"""


def nobody(message: str) -> None:
    """Fail: no other process may hold the lock."""
    pytest.fail(message)


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process
        process.kill()


def given_up_waits_end() -> None:
    """A wait that was given up gets the lock once more, and releases it."""
    end = time.monotonic() + 5
    while any(thread.name == "lock" for thread in threading.enumerate()) and time.monotonic() < end:
        time.sleep(0.01)


def test_one_process_at_a_time(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    """A waiting process is told who holds the lock, by pid, command and time, and gets an error at the limit."""
    messages: list[str] = []
    named = rf"process {holder.pid} \({sys.executable} -c .*; it runs since 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC\)"
    with (
        pytest.raises(LabError, match=rf"(?s)^another run of the lab holds: waited 0.1 s for {named}.*to do: "),
        directory_lock(tmp_path, "holds", messages.append, 0.1),
    ):
        pytest.fail("two hold it")
    assert len(messages) == 1 and messages[0].startswith("another run of the lab holds: waiting for process")
    holder.kill()
    holder.wait()
    given_up_waits_end()
    with directory_lock(tmp_path, "holds", nobody):
        assert list(tmp_path.iterdir()) == [], "nothing is created"


def test_it_waits_until_the_holder_has_ended(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    """The kernel wakes it."""
    with directory_lock(tmp_path, "holds", lambda _: holder.kill()):
        assert holder.wait(5)
    with directory_lock(tmp_path, "holds", nobody):
        pass


def test_a_wait_that_was_given_up_does_not_keep_the_lock(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    """The thread that still waits releases what it gets."""
    with pytest.raises(LabError), directory_lock(tmp_path, "holds", lambda _: None, 0.1):
        pytest.fail("two hold it")
    holder.kill()
    holder.wait()
    given_up_waits_end()
    with directory_lock(tmp_path, "holds", nobody):
        pass


def test_only_a_directory_is_locked(tmp_path: Path) -> None:
    """A link, a file, a FIFO in its place: a message, and nothing of it is opened or written."""
    target, file, fifo = tmp_path / "target", tmp_path / "file", tmp_path / "fifo"
    target.mkdir()
    file.write_text("mine")
    os.mkfifo(fifo)
    link, to_file = tmp_path / "link", tmp_path / "to-file"
    link.symlink_to(target)
    to_file.symlink_to(file)
    for path in (link, to_file, file, fifo, tmp_path / "none"):
        with pytest.raises(LabError, match="cannot be used as a lock"), directory_lock(path, "", nobody):
            pytest.fail("it is held")
    assert file.read_text() == "mine"


def test_the_lock_of_the_machine_is_a_directory_of_root(tmp_path: Path) -> None:
    """No other user can replace it, and every user can lock it. A link in its place is not taken."""
    place = machine_directory()
    assert place.stat().st_uid == 0 and not place.is_symlink() and place.stat().st_mode & 0o005 == 0o005
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    assert machine_directory((link, tmp_path)) == tmp_path


def test_another_user_shares_the_lock() -> None:
    """One that may only read the directory."""
    user = 65534 if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        command = ["flock", "--nonblock", name, "true"]
        with directory_lock(Path(name), "holds", nobody):
            assert subprocess.run(command, user=user, check=False).returncode == 1
        assert subprocess.run(command, user=user, check=False).returncode == 0


def test_a_holder_in_another_pid_namespace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel gives no id for it; the message says so."""
    file = tmp_path / "locks"
    place = tmp_path.stat()
    where = f"{os.major(place.st_dev):02x}:{os.minor(place.st_dev):02x}:{place.st_ino}"
    file.write_text(f"1: FLOCK ADVISORY WRITE 0 {where} 0 EOF\n1: -> FLOCK ADVISORY WRITE 7 {where} 0 EOF\n")
    monkeypatch.setattr(locks, "LOCKS", file)
    lock = os.open(tmp_path, os.O_RDONLY)
    assert locks.holder(lock) == locks.UNSEEN
    file.unlink()
    assert locks.holder(lock) == locks.UNSEEN
    os.close(lock)
