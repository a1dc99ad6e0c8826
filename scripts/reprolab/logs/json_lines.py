"""Log lines that are JSON: how a scenario's witnesses and programs report what they saw."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any


def json_object(line: bytes | str) -> dict[str, Any]:
    """The JSON object that a line ends with, whatever stands before its first brace.

    Raises ValueError where there is none: a torn line is an error, not a line less.
    """
    brace: Any = b"{" if isinstance(line, bytes) else "{"
    found = json.loads(line[line.index(brace) :])
    if not isinstance(found, dict):
        raise ValueError(f"not a JSON object: {line!r}")
    return found


def json_objects(lines: Iterable[bytes] | Iterable[str], containing: str) -> Iterator[dict[str, Any]]:
    """The JSON objects of the lines that contain a text, such as ``"witness": ``. Raises what `json_object` raises."""
    part = containing.encode()
    for line in lines:
        if part in line if isinstance(line, bytes) else containing in line:
            yield json_object(line)
