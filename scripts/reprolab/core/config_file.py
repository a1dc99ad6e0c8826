"""YAML files that people write by hand: check their keys and suggest the right name for a wrong one."""

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
    """Read a YAML file. Raises UsageError for text that is not YAML; an OSError passes through."""
    return parse_yaml(path.read_bytes(), where)


def parse_yaml(content: str | bytes, where: str) -> Any:
    """Parse YAML. Raises UsageError for text that is not YAML."""
    try:
        return yaml.safe_load(content if isinstance(content, str) else content.decode("utf-8"))
    except (yaml.YAMLError, ValueError) as error:  # a ValueError is a date or a number that does not exist, or no UTF-8
        raise UsageError(f"{where} is not YAML: {error}", expected="a YAML file in UTF-8") from error
    except RecursionError as error:
        raise UsageError(f"{where} is nested too deeply", expected="a YAML file that a person wrote") from error


def mapping(content: object, known: Iterable[str], where: str) -> dict[str, Any]:
    """Return ``content``. Raises UsageError unless it is a mapping whose keys are all known."""
    known = list(known)
    if not isinstance(content, dict):
        raise UsageError(f"{where} is {content!r}", expected="a mapping with " + ", ".join(known))
    reject_unknown_keys(content, known, where)
    return content


def rows(content: object, known: Iterable[str], where: str, expected: str) -> list[tuple[dict[str, Any], str]]:
    """Return the mappings of a list, each with its place; none without content.

    Raises UsageError unless it is a list of mappings whose keys are all known; ``expected`` describes it.
    """
    if content is None:
        return []
    if not isinstance(content, list) or not content:
        raise UsageError(f"{where} is {content!r}", expected=expected)
    places = [f"{where}[{number}]" for number in range(1, len(content) + 1)]
    return [(mapping(row, known, place), place) for row, place in zip(content, places, strict=True)]


def reject_unknown_keys(content: Mapping[str, Any], known: Iterable[str], where: str, prefix: str = "") -> None:
    """Raise UsageError for a key that is not in ``known``; the message suggests the closest known key."""
    known = list(known)
    for key in content:
        if key not in known:
            raise UsageError(
                f"{where}: unknown key {prefix}{key}{hint(str(key), known)}", expected="one of " + ", ".join(known)
            )


def hint(name: str, known: Iterable[str]) -> str:
    """Return " (did you mean NAME?)" with the closest known name, or "" where none is close."""
    close = near(name, known)
    return f" (did you mean {close}?)" if close else ""


def near(name: str, known: Iterable[str]) -> str:
    """Return the known name closest to ``name``, or "".

    A name is close as a whole, in capital letters or in small ones, or by one of its parts where no other known name
    has a part as close.
    """
    known_names = list(known)
    if close := get_close_matches(name, known_names, n=1):
        return close[0]
    small = {known_name.lower(): known_name for known_name in known_names}
    if close := get_close_matches(name.lower(), small, n=1):
        return small[close[0]]
    parts = [
        (part, known_name)
        for known_name in known_names
        for part in PARTS.split(known_name)
        if len(part) >= SHORTEST_PART
    ]
    matches = get_close_matches(name, {part for part, _ in parts}, n=1, cutoff=PART_CUTOFF)
    owners = {owner for part, owner in parts if part in matches}
    return owners.pop() if len(owners) == 1 else ""
