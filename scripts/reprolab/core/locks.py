"""Locks between processes of one machine."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reprolab.core.waiting import wait_until

POLL_INTERVAL = 0.5  # seconds
PID_SIZE = 20  # bytes; longer than any process id


@contextmanager
def file_lock(path: Path, on_wait: Callable[[str], None], limit: float | None = None) -> Iterator[None]:
    """Hold an exclusive lock on a file (created if it does not exist) or on a directory.

    If another process holds the lock, ``on_wait`` is called once. It gets the id of that process, or "" for a
    directory, in which no id can be noted. Raises WaitTimeout after ``limit`` seconds. The kernel releases the lock
    when its process ends, in whatever way.
    """
    directory = path.is_dir()
    lock = os.open(path, os.O_RDONLY if directory else os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not _try_lock(lock):
            on_wait("" if directory else os.pread(lock, PID_SIZE, 0).decode("ascii", "replace").strip())
            if limit is None:
                # The kernel wakes a waiting process at once. A process that polls would always be too late where the
                # holder takes the lock again soon after.
                fcntl.flock(lock, fcntl.LOCK_EX)
            else:
                wait_until(f"the lock {path} is free", lambda: _try_lock(lock), limit, interval=POLL_INTERVAL)
        if not directory:
            os.ftruncate(lock, 0)
            os.pwrite(lock, str(os.getpid()).encode("ascii"), 0)
        yield
    finally:
        os.close(lock)


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
