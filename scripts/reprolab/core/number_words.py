"""Numbers in words: with the things that they count, and as seconds."""

from __future__ import annotations

import math

LONG = 180  # minutes, from which on hours are easier to read


def grouped(value: int, space: str = "\N{NO-BREAK SPACE}") -> str:
    """A number with spaces between its thousands."""
    return f"{value:,}".replace(",", space)


def seconds(ms: float) -> str:
    """Milliseconds as seconds, with the sign that typesetters use for minus."""
    return f"{ms / 1000:.2f} s".replace("-", "\N{MINUS SIGN}")


def duration(seconds: float) -> str:
    """A time that somebody waits, rounded up: "58 s", "12 min", "5 h"."""
    minutes = seconds / 60
    if minutes > LONG:
        return f"{math.ceil(minutes / 60)} h"
    return f"{math.ceil(seconds)} s" if seconds < 100 else f"{math.ceil(minutes)} min"


def plural(value: int, singular: str, plural_form: str = "") -> str:
    """ "1 line", "1 204 lines"."""
    return f"{grouped(value)} {singular if value == 1 else plural_form or singular + 's'}"
