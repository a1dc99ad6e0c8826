"""The JSON documents of `--json` on standard output. docs/schemas/ has their schemas."""

from __future__ import annotations

import json
import sys
from typing import Any

from reprolab.core.errors import Exit, LabError
from reprolab.core.terminal import HarmlessStream

SCHEMA = 1


def print_json(document: Any) -> None:
    """Print a document as JSON. It has ASCII only, so that no terminal obeys it and no encoding changes it."""
    text = json.dumps(document, indent=2)
    # The harmless stream would cut a long text within the document.
    stream = sys.stdout.rich_proxied_file if isinstance(sys.stdout, HarmlessStream) else sys.stdout
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
