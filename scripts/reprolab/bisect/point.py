"""A point of a bisect: a value of the factor, and what its trials showed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise
from pathlib import Path

from reprolab.core.stats import rate_text
from reprolab.measure.cell import CellResult
from reprolab.report.table import short_reason
from reprolab.scenario.model import Claim
from reprolab.verdict.counting import Count


class Side(StrEnum):
    """On which side of a change a point is. HOLE: it cannot be measured. UNKNOWN: nothing was asked about it."""

    BAD = "bad"
    GOOD = "good"
    HOLE = "hole"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Point:
    """A value with the counts of its trials. ``note`` is the subject of a commit.

    ``changes`` are the factors of its cell that differ from the documented ones; ``companions`` are those of them that
    were set because the value needs them. ``asked`` is the number of trials that were wanted so far. ``trials`` count
    for the claim, and ``shown`` of them showed the sign; ``invalid``, ``not_exercised``, ``busy`` and ``unreadable``
    trials do not count, and ``reason`` says why. ``kept`` trials are of earlier questions. ``obstacle`` is why there
    can be no trial. ``evidence`` is a directory below the results.
    """

    value: str
    date: str = ""
    note: str = ""
    changes: Mapping[str, str] = field(default_factory=dict)
    companions: Mapping[str, str] = field(default_factory=dict)
    asked: int = 0
    shown: int = 0
    trials: int = 0
    invalid: int = 0
    not_exercised: int = 0
    busy: int = 0
    unreadable: int = 0
    kept: int = 0
    reason: str = ""
    obstacle: str = ""
    evidence: str = ""

    @property
    def side(self) -> Side:
        """The sign can show, or it did not show so far. A point with trials of which none counts is a hole."""
        if not self.asked:
            return Side.UNKNOWN
        if not self.trials:
            return Side.HOLE
        return Side.BAD if self.shown else Side.GOOD

    @property
    def measured(self) -> bool:
        return self.side in (Side.BAD, Side.GOOD)

    @property
    def sometimes(self) -> bool:
        """Whether the sign showed in some trials, and not in others."""
        return 0 < self.shown < self.trials

    @property
    def all_trials(self) -> int:
        """The number of trials, also of those that do not count."""
        return self.trials + self.invalid + self.not_exercised + self.busy + self.unreadable

    @property
    def name(self) -> str:
        """The value with its date."""
        return f"{self.value} ({self.date})" if self.date else self.value

    @property
    def rate(self) -> str:
        """For example "3/3 (44–100 %)"."""
        return rate_text(self.shown, self.trials)


def with_result(point: Point, asked: int, result: CellResult, claim: Claim, results: Path) -> Point:
    """The point with all trials of its cell; ``asked`` were wanted. ``results`` is the directory of all results."""
    count = result.count(claim)
    return replace(
        point,
        asked=max(asked, count.trials),
        shown=count.shown,
        trials=count.trials,
        invalid=len(result.invalid),
        not_exercised=count.not_exercised,
        busy=count.busy,
        unreadable=len(count.errors),
        kept=result.kept,
        reason=_reason(result, count),
        obstacle=result.obstacle,
        evidence=_below(result.directory, results),
    )


def _reason(result: CellResult, count: Count) -> str:
    """Why trials do not count, the gravest reason first; "" if all do."""
    if result.obstacle:
        return short_reason(result.obstacle)
    if result.invalid:
        return short_reason(result.invalid[0])
    if count.errors:
        return f"the sign could not be read: {count.errors[0]}"
    if count.not_exercised:
        return f"{count.not_exercised} of {len(result.records)} trials did not exercise the claim"
    if count.busy:
        return count.disturbance
    return "" if result.records else "no trial was run"


def _below(directory: Path | None, results: Path) -> str:
    if directory is None:
        return ""
    return str(directory.relative_to(results)) if directory.is_relative_to(results) else directory.name


@dataclass(frozen=True)
class Stretch:
    """Two measured points with no measured point between them: their indexes, the unmeasured ones, and the holes."""

    before: int
    after: int
    unknown: tuple[int, ...]
    holes: tuple[int, ...]


def stretches(points: Sequence[Point]) -> Iterator[Stretch]:
    """All pairs of neighbouring measured points."""
    measured = [index for index, point in enumerate(points) if point.measured]
    for before, after in pairwise(measured):
        inside = range(before + 1, after)
        unknown = tuple(index for index in inside if points[index].side is Side.UNKNOWN)
        yield Stretch(before, after, unknown, tuple(index for index in inside if index not in unknown))


def differs(points: Sequence[Point], stretch: Stretch) -> bool:
    """Whether the ends of a stretch are on different sides."""
    return points[stretch.before].side is not points[stretch.after].side


@dataclass(frozen=True)
class OuterRun:
    """Unmeasured points beside no measured one, or beside one only: before the first, after the last, or without any.

    ``edge``: one neighbour is measured and the other is a hole, so the last point that can be measured lies here.
    """

    unknown: tuple[int, ...]
    edge: bool


def outer_runs(points: Sequence[Point]) -> Iterator[OuterRun]:
    """The unmeasured points outside the measured ones, in runs between points that were tried."""
    measured = [index for index, point in enumerate(points) if point.measured]
    tried = [index for index, point in enumerate(points) if point.side is not Side.UNKNOWN]
    for before, after in pairwise([-1, *tried, len(points)]):
        inside = bool(measured) and measured[0] <= before and after <= measured[-1]
        if after - before > 1 and not inside:
            ends = [index for index in (before, after) if index in tried]
            known = sum(points[index].measured for index in ends)
            yield OuterRun(tuple(range(before + 1, after)), edge=len(ends) == 2 and known == 1)
