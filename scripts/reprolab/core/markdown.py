"""Texts as parts of a Markdown page on a forge."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from reprolab.core.foreign_text import plain, short

# What Markdown, HTML or a forge (mentions, references, links) reads as more than a text.
SPECIAL = re.compile(r"[`*_\[\]<>|~&#\\!]|@\w|://|www\.", re.IGNORECASE)
TAG = re.compile("<(?=[A-Za-z/!?])")
BACKTICKS = re.compile("`+")


def cell(text: object) -> str:
    """A part of a Markdown text as a table cell: in one line, with its bars escaped."""
    return " ".join(plain(str(text)).replace("|", "\\|").split())


def prose_cell(text: object) -> str:
    """`prose` as a table cell."""
    return cell(prose(text))


def grid(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already: `cell`, `prose_cell` and `code` make them."""
    lines = [f"| {' | '.join(headings)} |", f"|{'---|' * len(headings)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def foreign(text: object) -> str:
    """A text that a program or a machine wrote, in one line: as it is, or as code where Markdown would read it."""
    line = _one_line(text)
    return code(line) if SPECIAL.search(line) else line


def prose(text: object) -> str:
    """What an author wrote about a case: parts between backticks are code, all else is text without HTML and links."""
    parts = _one_line(text).split("`")
    if len(parts) % 2 == 0:
        return foreign(text)
    return "`".join(part if number % 2 else _without_html(part) for number, part in enumerate(parts))


def _without_html(text: str) -> str:
    return TAG.sub("&lt;", text).replace("](", "]\\(")


def code(text: object) -> str:
    """A text as code within a line."""
    line = _one_line(text)
    fence = _fence(line, 1)
    return f"{fence} {line} {fence}" if line.startswith("`") or line.endswith("`") else f"{fence}{line}{fence}"


def block(text: str, language: str = "") -> str:
    """A code block. Its fence is longer than any fence in the text."""
    fence = _fence(text, 3)
    return f"{fence}{language}\n{plain(text).rstrip()}\n{fence}"


def _one_line(text: object) -> str:
    return short(" ".join(plain(str(text)).split()))


def _fence(text: str, least: int) -> str:
    return "`" * max([least, *(len(run) + 1 for run in BACKTICKS.findall(text))])
