"""Reads log lines that are JSON. The scenarios' own programs report in such lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any


def json_object(line: bytes | str) -> dict[str, Any]:
    """The JSON object at the end of a line; text before its first brace is skipped.

    Raises ValueError if there is none. An incomplete line is an error and is never skipped.
    """
    brace: Any = b"{" if isinstance(line, bytes) else "{"
    try:
        value = json.loads(line[line.index(brace) :])
    except RecursionError as error:
        raise ValueError(f"nested too deeply: {line[:60]!r}") from error
    if not isinstance(value, dict):
        raise ValueError(f"not a JSON object: {line!r}")
    return value


def json_objects(lines: Iterable[bytes] | Iterable[str], containing: str) -> Iterator[dict[str, Any]]:
    """The JSON objects of the lines that contain a text, such as ``"witness": ``. Raises as `json_object` does."""
    part = containing.encode()
    for line in lines:
        if part in line if isinstance(line, bytes) else containing in line:
            yield json_object(line)
