"""Keeps the exit status of the lab in a file for callers of make, which turns every status except 0 into 2."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# The Makefile sets it.
VARIABLE = "REPROLAB_STATUS_FILE"


@contextmanager
def kept() -> Iterator[None]:
    """Write the status with which the block exits; while the block runs, and if it is killed, there is no file.

    A file that cannot be written is said, and does not change the status.
    """
    name = os.environ.pop(VARIABLE, "")  # commands that this one starts have a status of their own
    if not name:
        yield
        return
    path = Path(name)
    _try(lambda: path.unlink(missing_ok=True))
    status = 1
    try:
        yield
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise
    finally:
        _try(lambda: _write(path, status))


def _write(path: Path, status: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{int(status)}\n", encoding="utf-8")


def _try(step: Callable[[], None]) -> None:
    try:
        step()
    except OSError as error:
        print(f"reprolab: the exit status could not be kept: {error}", file=sys.stderr)
