"""A file that the user names for an output: checked before a command works for minutes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from reprolab.core import command_text
from reprolab.core.errors import UsageError


def check_output(path: Path, option: str, what: str, is_own: Callable[[bytes], bool]) -> None:
    """Raise UsageError if the file of an option cannot be written.

    A file that is there is written over if it is empty, or if ``is_own`` says so of its first bytes; ``what`` names
    such a file: "a page".
    """
    folder = path.parent
    if not folder.is_dir():
        raise output_error(path, option, f"there is no directory {folder}")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise output_error(path, option, "no permission")
    if path.exists():
        if not path.is_file():
            # The new file would take the place of /dev/null, and a named pipe would be waited for.
            raise output_error(path, option, "it is no regular file")
        with path.open("rb") as stream:
            start = stream.read(100).lstrip().lower()
        if start and not is_own(start):
            raise output_error(path, option, f"another file is there, which is not {what}")


def output_error(path: Path, option: str, reason: str) -> UsageError:
    """That a file could not be written, with the option that names another one."""
    return UsageError(
        f"{path} could not be written: {reason}",
        expected="a file in an existing directory",
        advice=f"name another file: {command_text.option(option, 'FILE')}",
    )
