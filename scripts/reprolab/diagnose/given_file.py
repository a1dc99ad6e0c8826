"""Opens files that a user names: regular ones only, of a bounded size, never waiting for a device or a pipe."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from reprolab.core.errors import UsageError

MEBIBYTE = 1 << 20
LARGEST = MEBIBYTE  # bytes of a configuration file


def open_regular(path: Path) -> BinaryIO:
    """Open a file to read. Raises UsageError for one that is missing, unreadable, or no regular file."""
    try:
        # A named pipe without a writer would block open() for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read {path}: {reason}", expected="a file, or - for standard input") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UsageError(
            f"{path} is no regular file", expected="a file", advice="give what a program prints as -, on standard input"
        )
    return os.fdopen(descriptor, "rb")


def read_bounded(path: Path, largest: int = LARGEST) -> str:
    """The text of a small file. Raises UsageError as `open_regular` does, and for a file that is too large."""
    with open_regular(path) as stream:
        content = stream.read(largest + 1)
    if len(content) > largest:
        raise UsageError(
            f"{path} is larger than {largest >> 10} KiB",
            expected="a configuration file, not a log",
            advice="give logs without an option",
        )
    return content.decode("utf-8", "replace").removeprefix("\ufeff")
