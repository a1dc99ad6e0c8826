"""Markdown that the generated parts are made of."""

from __future__ import annotations


def cell(text: str) -> str:
    """A text as a cell of a table: in one line, without a bar that would end the cell."""
    return " ".join(str(text).replace("|", "\\|").split())
