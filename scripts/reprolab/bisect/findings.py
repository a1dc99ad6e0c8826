"""What the points of a bisect say: its changes, what is assumed between the points, and what is not known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from reprolab.bisect.chance import any_looks_good, looks_good
from reprolab.bisect.point import Point, Side, Stretch, differs, stretches
from reprolab.bisect.search import LOOKS, Rules
from reprolab.scenario.model import DOCUMENTED


class Kind(StrEnum):
    """What changes between two neighbours."""

    FIRST_BAD = "first bad"
    FIXED = "fixed"
    BACK = "back again"


@dataclass(frozen=True)
class Change:
    """A change between two measured points: nothing between them can be measured, ``holes`` are the points there.

    ``chance`` is the probability that a release with the least rate would look as good as the good one of the two.
    ``sure`` says whether that has all the trials that the confidence asks for.
    """

    kind: Kind
    before: Point
    after: Point
    holes: tuple[Point, ...]
    chance: float
    sure: bool

    @property
    def good(self) -> Point:
        return self.before if self.after.shown else self.after

    @property
    def bad(self) -> Point:
        return self.after if self.after.shown else self.before

    @property
    def also(self) -> dict[str, tuple[str, str]]:
        """Companion factor -> its values before and after, where these differ: it may be the reason of the change."""
        sides = (self.before.companions, self.after.companions)
        names = dict.fromkeys(name for side in sides for name in side)
        values = {name: (sides[0].get(name, DOCUMENTED), sides[1].get(name, DOCUMENTED)) for name in names}
        return {name: pair for name, pair in values.items() if pair[0] != pair[1]}


@dataclass(frozen=True)
class Assumed:
    """Unmeasured points between two measured ones. ``differs``: the sides of these differ, so a change lies inside."""

    before: Point
    after: Point
    points: tuple[Point, ...]
    differs: bool


@dataclass(frozen=True)
class Findings:
    """All that the points say. ``outside`` are unmeasured points before the first measured one or after the last.

    ``chance`` is the probability that any release of the range with the least rate would look as good as the least
    measured good end of a change; 0 without such an end.
    """

    changes: tuple[Change, ...]
    assumed: tuple[Assumed, ...]
    holes: tuple[Point, ...]
    outside: tuple[Point, ...]
    measured: tuple[Point, ...]
    chance: float

    @property
    def sure(self) -> bool:
        """Whether all changes are stated, with the confidence that was asked."""
        return all(change.sure for change in self.changes) and not any(item.differs for item in self.assumed)


def read(points: Sequence[Point], rules: Rules) -> Findings:
    """What these points say."""
    pairs = list(stretches(points))
    changes = tuple(_changes(points, rules, pairs))
    measured = tuple(point for point in points if point.measured)
    least = min((change.good.trials for change in changes), default=None)
    chance = 0.0 if least is None else any_looks_good(rules.rate(points), least, len(points))
    return Findings(changes, tuple(_assumed(points, pairs)), _of(points, Side.HOLE), _outside(points), measured, chance)


def _changes(points: Sequence[Point], rules: Rules, pairs: Sequence[Stretch]) -> Iterator[Change]:
    rate, needed, was_bad = rules.rate(points), rules.needed(points), False
    for pair in pairs:
        before, after = points[pair.before], points[pair.after]
        was_bad = was_bad or before.side is Side.BAD
        if not differs(points, pair) or pair.unknown:
            continue
        kind = Kind.FIXED if before.shown else Kind.BACK if was_bad else Kind.FIRST_BAD
        trials = after.trials if before.shown else before.trials
        holes = tuple(points[index] for index in pair.holes)
        yield Change(kind, before, after, holes, looks_good(rate, trials), trials >= needed)


def _assumed(points: Sequence[Point], pairs: Sequence[Stretch]) -> Iterator[Assumed]:
    for pair in pairs:
        if pair.unknown:
            inside = tuple(points[index] for index in pair.unknown)
            yield Assumed(points[pair.before], points[pair.after], inside, differs(points, pair))


def _of(points: Sequence[Point], side: Side) -> tuple[Point, ...]:
    return tuple(point for point in points if point.side is side)


def _outside(points: Sequence[Point]) -> tuple[Point, ...]:
    measured = [index for index, point in enumerate(points) if point.measured]
    inside = range(measured[0], measured[-1]) if measured else range(0)
    return tuple(point for i, point in enumerate(points) if point.side is Side.UNKNOWN and i not in inside)


def sides(points: Sequence[Point]) -> list[Side]:
    """The side of each point, measured or assumed: that of both neighbours, UNKNOWN where these differ."""
    known = [point.side for point in points]
    for pair in stretches(points):
        if not differs(points, pair):
            for index in pair.unknown:
                known[index] = points[pair.before].side
    return known


@dataclass(frozen=True)
class Window:
    """Neighbouring points of one side, measured or assumed: from ``first`` to ``last``, both measured."""

    side: Side
    first: int
    last: int


def windows(points: Sequence[Point]) -> list[Window]:
    """The windows in their order; points between two of them are holes, or not known."""
    joined: list[Window] = []
    for index, point in enumerate(points):
        if not point.measured:
            continue
        if joined and joined[-1].side is point.side:
            joined[-1] = Window(point.side, joined[-1].first, index)
        else:
            joined.append(Window(point.side, index, index))
    return joined


@dataclass(frozen=True)
class Cost:
    """Numbers of trials: ``used``, of which ``kept`` are of earlier questions, on ``tried`` of ``points`` values.

    ``all_alike`` is what the same rules take if every value is measured, ``all_sure`` what it takes to be sure of
    the side of each. Both reckon with the assumed sides, and with no trial that does not count.
    """

    used: int
    kept: int
    tried: int
    points: int
    all_alike: int
    all_sure: int


def cost(points: Sequence[Point], rules: Rules) -> Cost:
    """What the bisect used, against trying all."""
    tried = [point for point in points if point.asked]
    used = sum(point.all_trials for point in tried)
    unmeasured = [side for point, side in zip(points, sides(points), strict=True) if not point.asked]
    enough = rules.enough(points)
    looks = enough if any(point.sometimes for point in points) else LOOKS
    more = sum(1 if side is Side.BAD else looks for side in unmeasured)
    measurable = [side for side in sides(points) if side is not Side.HOLE]
    sure = sum(min(rules.bad_trials, rules.most_trials) if side is Side.BAD else enough for side in measurable)
    return Cost(used, sum(point.kept for point in tried), len(tried), len(points), used + more, sure)
