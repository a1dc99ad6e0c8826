"""The values of a bisect as a line of signs, and as a drawing over time."""

from __future__ import annotations

from collections.abc import Sequence

from reprolab.bisect.findings import sides, windows
from reprolab.bisect.point import Point, Side

BAD, SOMETIMES, GOOD, ASSUMED, HOLE, UNKNOWN = "●", "◐", "○", "·", "x", "?"
LEGEND = {
    BAD: "bad: the sign showed",
    SOMETIMES: "bad: it showed in some trials",
    GOOD: "good: it did not show",
    ASSUMED: "not measured, assumed as both neighbours",
    HOLE: "hole: could not be measured",
    UNKNOWN: "not known",
}


def marks(points: Sequence[Point]) -> list[str]:
    """The sign of each point."""
    return [_mark(point, side) for point, side in zip(points, sides(points), strict=True)]


def _mark(point: Point, side: Side) -> str:
    if not point.measured:
        return HOLE if side is Side.HOLE else UNKNOWN if side is Side.UNKNOWN else ASSUMED
    return GOOD if side is Side.GOOD else SOMETIMES if point.sometimes else BAD


def strip(points: Sequence[Point]) -> str:
    """All signs in one line, with the names of the first and the last value of each window."""
    signs = marks(points)
    parts, shown = [], 0
    for window in windows(points):
        parts += ["".join(signs[shown : window.first])] if window.first > shown else []
        first, last = points[window.first].value, points[window.last].value
        inside = "".join(signs[window.first : window.last + 1])
        parts.append(f"{first} {inside} {last}" if window.first < window.last else f"{first} {inside}")
        shown = window.last + 1
    rest = "".join(signs[shown:])
    return "  ".join([*parts, rest] if rest else parts)


def legend(points: Sequence[Point]) -> list[str]:
    """The meaning of each sign that stands in the line."""
    signs = set(marks(points))
    return [f"{sign} {words}" for sign, words in LEGEND.items() if sign in signs]
