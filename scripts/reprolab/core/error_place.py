"""Where in a scenario's own files an error arose: the author's line, not the lab's."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any


def directory_of(function: Callable[..., Any]) -> Path | None:
    """The directory of the file that defines a function; None where that is not a file."""
    try:
        return Path(inspect.getfile(inspect.unwrap(function))).parent
    except TypeError:
        return None


def place(error: BaseException, directory: Path | None) -> str:
    """The innermost line of ``directory``'s files in a traceback, as "claims.py, line 12"; "" if none is there."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if directory and directory in Path(frame.filename).parents
    ]
    if not frames or directory is None:
        return ""
    return f"{Path(frames[-1].filename).relative_to(directory)}, line {frames[-1].lineno}"
