"""Reading and writing files so that a failure names the file and says what to do."""

from __future__ import annotations

import json
import os
import shutil
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


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name for a draft (file, link or directory) beside ``path``; where the block ends well it takes its place.

    Errors as ``writing`` says; the draft is removed then.
    """
    # Two threads may write one file: what is in an image, by its id, that two tags have.
    draft = path.with_name(f".{path.name}.{os.getpid()}.{get_ident()}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(draft)
        try:
            yield draft
            draft.replace(path)
        finally:
            _remove(draft)


def _remove(draft: Path) -> None:
    if draft.is_dir() and not draft.is_symlink():
        shutil.rmtree(draft, ignore_errors=True)
    else:
        draft.unlink(missing_ok=True)


def write_json(path: Path, data: object, indent: int = 2) -> None:
    """Write ``data`` as indented JSON, whole or not at all."""
    with replacing(path) as draft:
        draft.write_text(json.dumps(data, indent=indent, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file of a run. Raises UsageError where it is missing or broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", expected="a file of a run directory") from error
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}") from error


@contextmanager
def of_this_lab(path: Path) -> Iterator[None]:
    """Turn what reading the content of ``path`` into a dataclass raises into a UsageError that names the file."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{path} is not as this lab writes it: {type(error).__name__}: {error}", expected="a file of this lab"
        ) from error


def display_path(path: Path) -> Path:
    """A path as a message shows it: relative to the working directory where it lies below that."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
