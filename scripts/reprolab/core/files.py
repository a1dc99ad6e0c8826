"""Read and write files. An error names the file and says what to do."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident
from typing import Any

from reprolab.core.errors import EvidenceError, UsageError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError of the block (full disk, missing permission) into an EvidenceError that names the file.

    A broken connection is an OSError too. It passes through.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, ConnectionError) or error.errno is None:
            raise
        raise EvidenceError(
            f"evidence could not be written: {error.strerror or error} ({path})",
            expected="free space, and permission to write below the results directory",
            advice="free some space, or name another place with REPROLAB_RESULTS=DIR; what was written is kept",
        ) from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the path of a draft (file, link or directory) beside ``path``; the draft replaces ``path`` at the end.

    If the block raises, the draft is removed and ``path`` stays as it was. OSErrors become what ``writing`` says.
    """
    # Two threads may write the same file: the packages of an image that has two tags are kept under its id.
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
    """Write ``data`` as indented JSON. The file is never left half written."""
    with replacing(path) as draft:
        draft.write_text(json_text(data, indent) + "\n", encoding="utf-8")


def add_lines(path: Path, rows: Iterable[object]) -> None:
    """Add rows to a file of JSON lines; it is made if it is not there."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as stream:
            stream.writelines(json.dumps(row) + "\n" for row in rows)


def discard(descriptor: int) -> None:
    """Let all that is written to an open descriptor vanish; reading from it gives nothing."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, descriptor)
    os.close(null)


def json_text(data: object, indent: int | None = None) -> str:
    """``data`` as JSON that can be written in UTF-8: half a surrogate pair of a server stays an escape."""
    return json.dumps(data, indent=indent, ensure_ascii=False).encode("utf-8", "backslashreplace").decode("utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file of a run. Raises UsageError if it is missing or not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", expected="a file of a run directory") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON: {error}", expected="the file as the lab wrote it") from error


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object. Raises UsageError if it is missing or holds anything else."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise UsageError(f"{path} does not have the lab's format: it is not an object", expected="a file of this lab")
    return content


@contextmanager
def format_errors(path: Path) -> Iterator[None]:
    """Turn an error of the block, which reads the content of ``path`` into a dataclass, into a UsageError."""
    try:
        yield
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} does not have the lab's format: {type(error).__name__}: {error}", expected="a file of this lab"
        ) from error


def display_path(path: Path) -> Path:
    """Return a path for a message: relative to the working directory if it lies below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
