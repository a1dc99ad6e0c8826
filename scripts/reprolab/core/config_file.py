"""Files that people write by hand: YAML with known keys, and what was meant by a name that is not known."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from reprolab.core.errors import UsageError

PARTS = re.compile(r"[^A-Za-z0-9]+")
SHORTEST_PART = 3
PART_CUTOFF = 0.75


def read_yaml(path: Path, where: str) -> Any:
    """The content of a YAML file. Raises UsageError where it is none; an OSError passes."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise UsageError(f"{where} is not YAML: {error}") from error


def mapping(content: object, known: Iterable[str], where: str) -> dict[str, Any]:
    """``content``, if it is a mapping with known keys alone; raises UsageError that names the others."""
    known = list(known)
    if not isinstance(content, dict):
        raise UsageError(f"{where} is {content!r}", expected="a mapping with " + ", ".join(known))
    only(content, known, where)
    return content


def only(content: Mapping[str, Any], known: Iterable[str], where: str, prefix: str = "") -> None:
    """Raise UsageError for a key that is not one of ``known``, with the one that was most likely meant."""
    known = list(known)
    for key in content:
        if key not in known:
            raise UsageError(
                f"{where}: unknown key {prefix}{key}{hint(str(key), known)}", expected="one of " + ", ".join(known)
            )


def hint(name: str, known: Iterable[str]) -> str:
    """The known name that was most likely meant, in brackets; nothing where none is close."""
    close = near(name, known)
    return f" (did you mean {close}?)" if close else ""


def near(name: str, known: Iterable[str]) -> str:
    """The known name that was most likely meant: close to it as a whole, or, for one alone, to a part of it."""
    names = list(known)
    if close := get_close_matches(name, names, n=1):
        return close[0]
    # A part counts where no other name has one as close: what several names share tells nothing.
    parts = [(part, one) for one in names for part in PARTS.split(one) if len(part) >= SHORTEST_PART]
    matches = get_close_matches(name, {part for part, _ in parts}, n=1, cutoff=PART_CUTOFF)
    bearers = {one for part, one in parts if part in matches}
    return bearers.pop() if len(bearers) == 1 else ""
