"""Markdown for the generated parts of pages."""

from __future__ import annotations


def cell(text: str) -> str:
    """A text as a table cell: in one line, with its bars escaped."""
    return " ".join(str(text).replace("|", "\\|").split())
