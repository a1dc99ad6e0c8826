"""The grid of a matrix: all combinations of its axes' values, and the lines along which neighbours are compared."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

from reprolab.measure.axis import Axis

# A value for each axis, in the order of the axes.
Coordinates = tuple[str, ...]
SHOWN_POINTS = 3


@dataclass(frozen=True)
class Line:
    """The points along one ordered axis that are alike in all other axes. ``axis`` is its place among the axes."""

    axis: int
    points: tuple[Coordinates, ...]


def points(axes: Sequence[Axis]) -> list[Coordinates]:
    """All combinations in order: the last axis changes fastest."""
    return list(product(*(texts(axis) for axis in axes)))


def texts(axis: Axis) -> list[str]:
    """The values of an axis without their dates."""
    return [value.text for value in axis.values]


def lines(axes: Sequence[Axis]) -> list[Line]:
    """Every line along every ordered axis; an axis without an order has none, as its neighbours mean nothing."""
    every = []
    for place, axis in enumerate(axes):
        if axis.ordered:
            others = product(*(texts(other) for other in (*axes[:place], *axes[place + 1 :])))
            every += [
                Line(place, tuple((*rest[:place], value, *rest[place:]) for value in texts(axis))) for rest in others
            ]
    return every


def row_axis(axes: Sequence[Axis]) -> int:
    """The place of the axis whose values are the rows of a table: the longest ordered one, else the longest."""
    ordered = [place for place, axis in enumerate(axes) if axis.ordered]
    return max(ordered or range(len(axes)), key=lambda place: len(axes[place].values))


def area_words(axes: Sequence[Axis], area: Collection[Coordinates]) -> str:
    """Names a set of points: "GUNICORN=19.7.0, 19.7.1 WORKER_CLASS=gthread"; an axis with all its values is left out.

    Three or more values that follow each other in an ordered axis become "19.7.0..20.0.4". A set that is no product of
    values is named by its first points.
    """
    values = [[text for text in texts(axis) if any(point[n] == text for point in area)] for n, axis in enumerate(axes)]
    if set(product(*values)) == set(area):
        parts = [
            f"{axis.factor}={_values_words(axis, shown)}"
            for axis, shown in zip(axes, values, strict=True)
            if len(shown) < len(axis.values)
        ]
        return " ".join(parts) or ("all cells" if len(area) > 1 else point_words(axes, next(iter(area))))
    names = [point_words(axes, point) for point in points(axes) if point in area]
    more = len(names) - SHOWN_POINTS
    return ", ".join(names[:SHOWN_POINTS]) + (f" and {more} more" if more > 0 else "")


def point_words(axes: Sequence[Axis], point: Coordinates) -> str:
    """For example "GUNICORN=19.4.5 WORKER_CLASS=gthread"."""
    return settings_words({axis.factor: text for axis, text in zip(axes, point, strict=True)})


def settings_words(settings: Mapping[str, str]) -> str:
    """For example "PYTHON=3.12.1 BOTTLE=0.12.25"."""
    return " ".join(f"{factor}={value}" for factor, value in settings.items())


def _values_words(axis: Axis, shown: Sequence[str]) -> str:
    """Values of an axis in words, those that follow each other as a range."""
    places = {text: place for place, text in enumerate(texts(axis))}
    runs: list[list[str]] = [[shown[0]]]
    for before, text in pairwise(shown):
        if axis.ordered and places[text] == places[before] + 1:
            runs[-1].append(text)
        else:
            runs.append([text])
    return ", ".join(f"{run[0]}..{run[-1]}" if len(run) > 2 else ", ".join(run) for run in runs)
