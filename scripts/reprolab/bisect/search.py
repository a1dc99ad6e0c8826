"""Chooses what a bisect measures next. Pure functions of the points so far.

In this order: the first points and the ends; a second trial of good points; the middle of each stretch whose ends
differ, and more trials at the ends of a change; points inside stretches whose ends agree, until each is shorter than
the gap; more trials of all good points, if the sign shows in some trials only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from packaging.version import InvalidVersion, Version

from reprolab.bisect.chance import least_rate, trials_needed
from reprolab.bisect.point import Point, Side, Stretch, differs, outer_runs, stretches
from reprolab.measure.axis import Axis

LOOKS = 2  # trials of a point without the sign that is no end of a change
GAP = 4
CONFIDENCE = 99.0
LEAST_RATE = 50.0
MOST_TRIALS = 40

Wanted = dict[int, int]
"""Index of a point -> the number of trials that it shall have."""


@dataclass(frozen=True)
class Rules:
    """How closely a bisect looks.

    Of ``gap`` neighbouring values at least one is measured. ``confidence`` and ``least_rate`` are in percent: see
    `chance`. A bad end of a change gets ``bad_trials``, no point more than ``most_trials``. At most ``points`` values
    are tried.
    """

    gap: int = GAP
    confidence: float = CONFIDENCE
    least_rate: float = LEAST_RATE
    bad_trials: int = 3
    most_trials: int = MOST_TRIALS
    points: int | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for rules by which nothing can be measured."""
        least = min(self.gap, self.bad_trials, self.most_trials, 1 if self.points is None else self.points)
        if least < 1 or not (0 < self.confidence < 100 and 0 < self.least_rate <= 100):
            raise ValueError(f"impossible rules: {self}")

    def rate(self, points: Sequence[Point]) -> float:
        """The least rate to reckon with, as a share: the assumed one, or a smaller one that was measured."""
        return least_rate(self.least_rate / 100, [(point.shown, point.trials) for point in points])

    def needed(self, points: Sequence[Point]) -> int:
        """The trials without the sign after which a point is good, if ``most_trials`` did not limit them."""
        return trials_needed(self.confidence, self.rate(points), len(points))

    def enough(self, points: Sequence[Point]) -> int:
        """The most trials of a point that is an end of a change."""
        return min(self.most_trials, self.needed(points))


def wanted(points: Sequence[Point], rules: Rules, first: Sequence[int]) -> Wanted:
    """The points to measure next, the most urgent first, with the trials that they shall have; empty at the end.

    ``first`` are the indexes to begin with.
    """
    allowed = len(points) if rules.points is None else rules.points
    left = allowed - sum(point.side is not Side.UNKNOWN for point in points)
    for level in (
        _opening(points, rules, first),
        _changes(points, rules),
        _gaps(points, rules),
        _doubts(points, rules),
    ):
        batch: Wanted = {}
        for index, trials in level:
            new = points[index].side is Side.UNKNOWN
            room = sum(points[chosen].side is Side.UNKNOWN for chosen in batch) < left
            if points[index].asked < trials and (room or not new):
                batch.setdefault(index, trials)
        if batch:
            return batch
    return {}


def _opening(points: Sequence[Point], rules: Rules, first: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The first points, the outermost values that can be measured, and a second trial of good points."""
    for index in first:
        yield index, 1
    runs = list(outer_runs(points))
    for run in runs:
        if run.edge:
            yield _middle(run.unknown), 1
    if runs and not any(point.measured for point in points) and all(points[index].asked for index in first):
        yield _middle(max(runs, key=lambda run: len(run.unknown)).unknown), 1
    for index, point in enumerate(points):
        if point.side is Side.GOOD:
            yield index, min(LOOKS, rules.most_trials)


def _middle(indexes: Sequence[int]) -> int:
    return indexes[len(indexes) // 2]


def _changes(points: Sequence[Point], rules: Rules) -> Iterator[tuple[int, int]]:
    """The middle of each stretch whose ends differ; where nothing is unmeasured, more trials of both ends."""
    enough = rules.enough(points)
    for stretch in stretches(points):
        if not differs(points, stretch):
            continue
        if stretch.unknown:
            yield _middle(stretch.unknown), 1
            continue
        for index in (stretch.before, stretch.after):
            point = points[index]
            if point.sometimes:
                yield index, enough
            else:
                yield index, min(rules.bad_trials, rules.most_trials) if point.shown else _further(point, enough)


def _further(point: Point, enough: int) -> int:
    """Twice the trials so far: a point that shows the sign after all costs few of them."""
    return min(enough, 2 * point.asked)


def _gaps(points: Sequence[Point], rules: Rules) -> Iterator[tuple[int, int]]:
    """A point inside each stretch that is not shorter than the gap; the longest first, then that of the most days."""
    long = [stretch for stretch in stretches(points) if len(stretch.unknown) >= rules.gap]
    for stretch in sorted(long, key=lambda item: (-len(item.unknown), -_days(points, item))):
        yield _split(stretch.unknown, rules.gap), 1
    # Outside, what is measurable may have holes between; it is tried as closely, but nothing is assumed of the rest.
    for run in outer_runs(points):
        if len(run.unknown) >= rules.gap:
            yield _split(run.unknown, rules.gap), 1


def _split(unknown: Sequence[int], gap: int) -> int:
    """A point near the middle, at a place from which the fewest further points make all parts shorter than the gap."""
    parts = len(unknown) // gap + 1
    return unknown[round((len(unknown) + 1) * (parts // 2) / parts) - 1]


def _days(points: Sequence[Point], stretch: Stretch) -> int:
    try:
        before, after = (date.fromisoformat(points[index].date) for index in (stretch.before, stretch.after))
    except ValueError:
        return 0
    return abs((after - before).days)


def _doubts(points: Sequence[Point], rules: Rules) -> Iterator[tuple[int, int]]:
    """If the sign is flaky anywhere, two trials without it say little: more trials of every good point."""
    if any(point.sometimes for point in points):
        enough = rules.enough(points)
        for index, point in enumerate(points):
            if point.side is Side.GOOD:
                yield index, _further(point, enough)


def first_points(axis: Axis, documented: str) -> list[int]:
    """The indexes to begin with: both ends, the documented value, and the first release of each major series."""
    texts = [value.text for value in axis.values]
    first = [0, len(texts) - 1, *([texts.index(documented)] if documented in texts else [])]
    majors = [_major(text) if axis.package else None for text in texts]
    first += [i for i, major in enumerate(majors) if major is not None and major != (majors[i - 1] if i else None)]
    return list(dict.fromkeys(first))


def _major(text: str) -> int | None:
    try:
        return Version(text).major
    except InvalidVersion:
        return None
