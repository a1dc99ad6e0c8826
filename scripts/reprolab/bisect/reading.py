"""A bisect as the sentences and rows of its reports: one for the factor, and one for each search over commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reprolab.bisect import words
from reprolab.bisect.document import BisectDocument, CommitSearch
from reprolab.bisect.findings import Findings, Kind, read
from reprolab.bisect.point import Point, Side
from reprolab.bisect.search import Rules
from reprolab.core.stats import range_text, wilson

HEADINGS = ("date", "sign", "k of n", "95 % interval", "set with it")


@dataclass(frozen=True)
class Row:
    """A point that was tried, as texts: ``side`` is "bad", "bad at times", "good" or "hole"."""

    value: str
    date: str
    side: str
    count: str
    interval: str
    companions: str
    note: str
    evidence: str


@dataclass(frozen=True)
class ChangeText:
    """A change in words: where it is, and the trials of its ends. ``ends``: the sign is gone after it."""

    sentence: str
    counts: str
    ends: bool
    sure: bool


@dataclass(frozen=True)
class Reading:
    """What the points say, in words. ``kind`` is what a value is: a release, a value, a commit."""

    points: tuple[Point, ...]
    rules: Rules
    kind: str
    findings: Findings

    @property
    def headline(self) -> str:
        return words.headline(self.points, self.kind)

    @property
    def changes(self) -> list[ChangeText]:
        needed = self.rules.needed(self.points) if self.findings.changes else 0
        return [
            ChangeText(
                words.change_words(change),
                words.change_counts(change, self.rules, needed),
                change.kind is Kind.FIXED,
                change.sure,
            )
            for change in self.findings.changes
        ]

    @property
    def edges(self) -> list[str]:
        return list(words.edges(self.points, self.kind))

    @property
    def assumed(self) -> list[str]:
        """What is assumed of the unmeasured values, and what the bisect can have missed."""
        lines = [words.assumed_words(item, self.kind) for item in self.findings.assumed]
        if self.findings.outside and self.findings.measured:
            lines.append(words.outside_words(self.findings.outside, self.kind))
        return [*lines, *words.limits(self.findings, self.rules, self.points, self.kind)]

    @property
    def holes(self) -> list[str]:
        return [f"{words.hole_words(point)}: {point.reason}" for point in self.findings.holes]

    @property
    def sureness(self) -> list[str]:
        return list(words.sureness(self.findings, self.rules, self.points, self.kind))

    @property
    def trials(self) -> str:
        return words.trials_words(self.points, self.rules, self.kind)

    @property
    def rows(self) -> list[Row]:
        """The points that were tried, in their order."""
        return [_row(point) for point in self.points if point.asked]


def of_document(document: BisectDocument) -> Reading:
    """The bisect along the factor."""
    points = document.points
    return Reading(points, document.rules, words.noun(document), read(points, document.rules))


def of_commits(search: CommitSearch) -> Reading:
    """A bisect over commits."""
    return Reading(search.points, search.rules, words.COMMIT, read(search.points, search.rules))


def _row(point: Point) -> Row:
    measured = point.measured
    return Row(
        point.value,
        point.date,
        f"{point.side} at times" if point.sometimes else str(point.side),
        f"{point.shown}/{point.trials}" if measured else "—",
        _interval(point) if measured else point.reason,
        " ".join(f"{name}={value}" for name, value in point.companions.items()) or "—",
        point.note,
        point.evidence,
    )


def _interval(point: Point) -> str:
    """The 95 % interval, with the trials that do not count."""
    others = {
        "invalid": point.invalid,
        "not exercised": point.not_exercised,
        "disturbed": point.busy,
        "unreadable": point.unreadable,
    }
    beside = ", ".join(f"{number} {name}" for name, number in others.items() if number)
    return range_text(*wilson(point.shown, point.trials)) + (f"; beside it {beside}" if beside else "")


def side_style(row: Row) -> str:
    """The style of a row's side in the terminal."""
    styles = {Side.BAD: "red", Side.GOOD: "green", Side.HOLE: "yellow"}
    return styles.get(Side(row.side.partition(" ")[0]), "")


def has_companions(rows: Sequence[Row]) -> bool:
    """Whether any value needed other factors."""
    return any(row.companions != "—" for row in rows)
