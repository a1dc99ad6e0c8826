"""The values of one factor that a question goes through."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Value:
    """A value of a factor; ``date`` is the day of its release, YYYY-MM-DD, "" if it is no release or not known."""

    text: str
    date: str = ""


@dataclass(frozen=True)
class Axis:
    """A factor with its values. ``ordered``: they are in an order along which neighbours can be compared.

    ``package`` is the package whose releases they are, "" for other values. ``notes`` say what a range leaves out.
    """

    factor: str
    values: tuple[Value, ...]
    ordered: bool = False
    package: str = ""
    notes: tuple[str, ...] = ()
