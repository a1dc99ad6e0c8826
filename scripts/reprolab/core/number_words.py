"""Numbers with the things that they count, in words."""

from __future__ import annotations


def grouped(value: int) -> str:
    """A number with no-break spaces between its thousands."""
    return f"{value:,}".replace(",", "\u00a0")


def plural(value: int, singular: str, plural_form: str = "") -> str:
    """ "1 line", "1 204 lines"."""
    return f"{grouped(value)} {singular if value == 1 else plural_form or singular + 's'}"
