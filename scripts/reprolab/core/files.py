"""Reading and writing files so that a failure names the file and says what to do."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident
from typing import Any

from reprolab.core.errors import EvidenceError, UsageError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a full disk or a missing permission into one clear message that names the file.

    A broken connection is an OSError too, but not the disk's fault: it passes.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, ConnectionError) or error.errno is None:
            raise
        raise EvidenceError(
            f"evidence could not be written: {error.strerror or error} ({path})",
            expected="room and permission to write below the results directory",
            advice="free some space, or name another place with REPROLAB_RESULTS=DIR; what was written is kept",
        ) from error


def write_json(path: Path, data: object, indent: int = 2) -> None:
    """Write ``data`` as indented JSON, whole or not at all."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Two threads may write one file: what is in an image, by its id, that two tags have.
        draft = path.with_name(f".{path.name}.{os.getpid()}.{get_ident()}")
        try:
            draft.write_text(json.dumps(data, indent=indent, ensure_ascii=False) + "\n", encoding="utf-8")
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def read_json(path: Path) -> Any:
    """Read a JSON file of a run. Raises UsageError where it is missing or broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", expected="a file of a run directory") from error
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}") from error


def display_path(path: Path) -> Path:
    """A path as a message shows it: relative to the working directory where it lies below that."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
