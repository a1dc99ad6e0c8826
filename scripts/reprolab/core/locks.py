"""Locks between processes of one machine.

A lock is held on a directory that exists. Nothing is created and nothing is written, so there is no file that another
user could prepare, replace or damage.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reprolab.core import process_info
from reprolab.core.errors import LabError
from reprolab.core.progress import OnProgress

LOCKS = Path("/proc/locks")
LIMIT = 1800.0  # seconds
UNSEEN = "a process that cannot be seen from here"


def machine_directory(places: tuple[Path, ...] = (Path("/run"), Path("/"))) -> Path:
    """A directory of root's that every user can read: a lock on it is one for all users of the machine."""
    return next((path for path in places if path.is_dir() and not path.is_symlink()), places[-1])


@contextmanager
def directory_lock(path: Path, doing: str, on_progress: OnProgress, limit: float = LIMIT) -> Iterator[None]:
    """Hold an exclusive lock on a directory, whoever owns it. The kernel releases it when this process ends.

    ``doing`` is what the holder of the lock does, as the end of "another run of the lab ...". While the lock is not
    free, the user is told once who holds it. Raises LabError after ``limit`` seconds, and if ``path`` is no directory
    or cannot be opened.
    """
    lock = _open(path)
    try:
        if not _try_lock(lock):
            on_progress(f"another run of the lab {doing}: waiting for {holder(lock)}")
            if not _wait(lock, limit):
                raise LabError(
                    f"another run of the lab {doing}: waited {limit:g} s for {holder(lock)}",
                    expected="a lock that is free again after some minutes",
                    advice="look at that process, end it if it hangs, then run this again",
                )
        yield
    finally:
        # The waiting thread may not have closed its copy of the descriptor yet, and that would keep the lock.
        fcntl.flock(lock, fcntl.LOCK_UN)
        os.close(lock)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        reason = "it is a symbolic link" if error.errno == errno.ELOOP else error.strerror
        raise LabError(
            f"{path} cannot be used as a lock: {reason}",
            expected="a directory that this user may read",
            advice=f"look at it: ls -ld {path}",
        ) from error


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait(lock: int, limit: float) -> bool:
    """Wait for the lock in a thread, whose wait the kernel ends at once when the lock is free.

    A process that polls would always be too late where the holder takes the lock again soon after. The thread has a
    descriptor of its own for the same lock: after the limit it releases what it may still get.
    """
    mine, guard = threading.Event(), threading.Lock()
    given_up = False
    copy = os.dup(lock)

    def get() -> None:
        try:
            fcntl.flock(copy, fcntl.LOCK_EX)
            with guard:
                if given_up:
                    fcntl.flock(copy, fcntl.LOCK_UN)
                else:
                    mine.set()
        finally:
            os.close(copy)

    threading.Thread(target=get, name="lock", daemon=True).start()
    try:
        mine.wait(limit)
    finally:
        with guard:
            given_up = not mine.is_set()
    return mine.is_set()


def holder(lock: int) -> str:
    """The process that holds the lock on an open directory, for a message."""
    place = os.fstat(lock)
    where = f"{os.major(place.st_dev):02x}:{os.minor(place.st_dev):02x}:{place.st_ino}"
    try:
        rows = [line.split() for line in LOCKS.read_text(encoding="ascii").splitlines()]
    except OSError:
        return UNSEEN
    # "7: FLOCK ADVISORY WRITE 123 fe:00:99 0 EOF"; a process that waits has "->" as its second word.
    pids = [int(row[4]) for row in rows if len(row) > 5 and row[1] == "FLOCK" and row[5] == where]
    return process_info.description(pids[0]) if pids and pids[0] > 0 else UNSEEN
