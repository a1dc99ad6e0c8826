"""The JSON documents of `--json` on standard output. docs/schemas/ has their schemas."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from reprolab.core.errors import Exit, LabError
from reprolab.core.terminal import HarmlessStream

SCHEMA = 1
_streams: list[IO[str]] = []  # where the document goes, inside of `document_only`


@contextmanager
def document_only() -> Iterator[None]:
    """In the block only `print_json` writes to standard output: all else goes to standard error.

    A file of a scenario may print something when it is read, and so may a program that it starts.
    """
    before, saved = sys.stdout, -1
    with suppress(OSError, ValueError):  # without a number, as under the tests of click
        if before.fileno() == 1:
            before.flush()
            saved = os.dup(1)
    _streams.append(os.fdopen(saved, "w", encoding="utf-8", closefd=False) if saved >= 0 else _below(before))
    sys.stdout = sys.stderr
    if saved >= 0:
        os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout = before
        _streams.pop()
        if saved >= 0:
            os.dup2(saved, 1)
            os.close(saved)


def _below(stream: IO[str]) -> IO[str]:
    """The harmless stream would cut a long text within the document."""
    return stream.rich_proxied_file if isinstance(stream, HarmlessStream) else stream


def print_json(document: Any) -> None:
    """Print a document as JSON. It has ASCII only, so that no terminal obeys it and no encoding changes it."""
    text = json.dumps(document, indent=2)
    stream = _streams[-1] if _streams else _below(sys.stdout)
    stream.write(text + "\n")
    stream.flush()


def exit_document(status: Exit, words: str = "") -> dict[str, Any]:
    """An exit status as a document has it; ``words`` are those of the last line of the command."""
    return {"status": int(status), "words": words or status.words}


def error_document(status: Exit, error: LabError, remains: str = "") -> dict[str, Any]:
    """What failed, what was expected and what to do; ``remains`` says what is left on the engine."""
    return {
        "schema": SCHEMA,
        "error": Exception.__str__(error),  # without the other two
        "expected": error.expected,
        "advice": error.advice,
        "remains": remains,
        "exit": exit_document(status),
    }
