"""Numbers in words: with the things that they count, and as seconds."""

from __future__ import annotations


def grouped(value: int, space: str = "\N{NO-BREAK SPACE}") -> str:
    """A number with spaces between its thousands."""
    return f"{value:,}".replace(",", space)


def seconds(ms: float) -> str:
    """Milliseconds as seconds, with the sign that typesetters use for minus."""
    return f"{ms / 1000:.2f} s".replace("-", "\N{MINUS SIGN}")


def plural(value: int, singular: str, plural_form: str = "") -> str:
    """ "1 line", "1 204 lines"."""
    return f"{grouped(value)} {singular if value == 1 else plural_form or singular + 's'}"
