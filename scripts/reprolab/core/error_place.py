"""The line of a scenario's own file in which an error arose."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any


def directory_of(function: Callable[..., Any]) -> Path | None:
    """Return the directory of the file that defines a function; None for a built-in function."""
    try:
        return Path(inspect.getfile(inspect.unwrap(function))).parent
    except TypeError:
        return None


def error_text(error: BaseException, function: Callable[..., Any]) -> str:
    """Return the text of what a scenario's function raised, with its place in the source."""
    where = place(error, directory_of(function))
    return f"{type(error).__name__}: {error}" + (f" ({where})" if where else "")


def place(error: BaseException, directory: Path | None) -> str:
    """Return the innermost traceback line in a file of ``directory``, as "claims.py, line 12", or ""."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if directory and directory in Path(frame.filename).parents
    ]
    if not frames or directory is None:
        return ""
    return f"{Path(frames[-1].filename).relative_to(directory)}, line {frames[-1].lineno}"
