"""Locks between processes of one machine."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reprolab.core.waiting import wait_until

ASK_AGAIN = 0.5  # seconds
NOTE_SIZE = 20  # bytes; a process id is shorter


@contextmanager
def file_lock(path: Path, on_wait: Callable[[str], None], limit: float | None = None) -> Iterator[None]:
    """Hold the lock on a file, which is made where it does not exist, or on a directory.

    Where another process holds it, ``on_wait`` is called once, with that process's id, and "" where it is not known:
    a directory holds no note. Raises WaitTimeout after ``limit`` seconds. The kernel frees the lock of a process that
    ends in whatever way.
    """
    directory = path.is_dir()
    lock = os.open(path, os.O_RDONLY if directory else os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not _take(lock):
            on_wait("" if directory else os.pread(lock, NOTE_SIZE, 0).decode("ascii", "replace").strip())
            if limit is None:
                # The kernel wakes a waiter at once. One that looks from time to time would always come after a
                # holder that takes the lock again soon.
                fcntl.flock(lock, fcntl.LOCK_EX)
            else:
                wait_until(f"the lock {path} is free", lambda: _take(lock), limit, interval=ASK_AGAIN)
        if not directory:
            os.ftruncate(lock, 0)
            os.pwrite(lock, str(os.getpid()).encode("ascii"), 0)
        yield
    finally:
        os.close(lock)


def _take(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
