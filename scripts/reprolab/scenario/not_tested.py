"""The sentences of a document that no run tests, each with the reason: x-reprolab.not_tested of compose.yaml."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from reprolab.core.config_file import rows
from reprolab.core.errors import UsageError

NOT_TESTED_KEY = "not_tested"
WORD = "not tested"
KEYS = ("id", "text", "why")
ID = re.compile(r"[A-Z]+-\d+")
EXAMPLE = "{id: MC-3, text: ..., why: it needs Windows}"


@dataclass(frozen=True)
class NotTested:
    """A sentence with an id of the scenario, and why nothing here can decide it."""

    id: str
    text: str
    why: str


def read_not_tested(content: object, where: str) -> tuple[NotTested, ...]:
    """Read x-reprolab.not_tested. ``where`` is the Compose file. Raises UsageError that names the place of a fault."""
    listed = rows(content, KEYS, f"{where}: x-reprolab.{NOT_TESTED_KEY}", f"a list, such as [{EXAMPLE}]")
    return tuple(_sentence(row, place) for row, place in listed)


def check_ids(sentences: Collection[NotTested], claims: Collection[str], where: str) -> None:
    """Raise UsageError if two sentences have one id, or a sentence has that of a claim, which a run does test."""
    known = set(claims)
    for sentence in sentences:
        if sentence.id in known:
            raise UsageError(
                f"{where}: x-reprolab.{NOT_TESTED_KEY} has the id {sentence.id}, which another sentence has",
                expected="an id that is free",
            )
        known.add(sentence.id)


def _sentence(row: dict[str, Any], where: str) -> NotTested:
    for key in KEYS:
        if not isinstance(row.get(key), str) or not row[key].strip():
            raise UsageError(f"{where}.{key} is {row.get(key)!r}", expected=f"a line of text, as in {EXAMPLE}")
    if not ID.fullmatch(row["id"]):
        raise UsageError(f"{where}.id is {row['id']!r}", expected="letters and a number, such as MC-3")
    return NotTested(row["id"], " ".join(row["text"].split()), " ".join(row["why"].split()))
