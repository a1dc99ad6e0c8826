"""The kinds of line that differ between two sides, ranked by certainty and by the weight of the line.

A difference that also occurs between two trials of the same variant may be chance, and has a lower rank.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from reprolab.compare.line_counts import LEFT, RIGHT, Kind, Sighting
from reprolab.logs import normalize
from reprolab.logs.servers import status_pattern

# "More often by a wide margin": TIMES times as often in all trials, and at least LINES more lines.
TIMES, LINES = 4, 8
IN_STEP = 2
# This number of kinds that differ only in plain numbers are one finding: "request 7 begins", "request 8 begins".
SAME_SHAPE = 4
GRAVE = 3
# So many findings with the highest scores are put into the order of time.
FIRST = 12
SERVER_FAULT, CLIENT_FAULT = status_pattern(r"5\d\d"), status_pattern(r"4\d\d")

WEIGHTS: tuple[tuple[int, re.Pattern[str]], ...] = (
    (5, re.compile(r"\n|\b(?:CRITICAL|FATAL|PANIC|emerg|SIGKILL|SIGSEGV|SIGABRT|core dumped)\b")),
    (5, re.compile(r"^\w*(?:Error|Exception)\b")),
    (
        4,
        re.compile(
            r"(?i)\b\w*error\b|exception\b|\bfail(?:ed|ure|s)?\b|refused|denied|\bcannot\b|\bunable\b|not found|"
            r'no such|\bdied\b|\bkilled\b|abort|timed? ?out|traceback|"errno": [1-9]|"event": "gone"'
        ),
    ),
    (3, re.compile(SERVER_FAULT)),
    (2, re.compile(rf"(?i)\bwarn|\balert\b|{CLIENT_FAULT}|restart|exiting|unlink|deleted|not enough")),
)
PROBE = re.compile(r'"reprolab-probe"')


class Standing(IntEnum):
    """How a kind of line differs between the sides; small values are first."""

    ONLY = 0
    MORE = 1
    CHANGED = 2
    ALONG = 3
    CHANCE = 4
    NUMBERS = 5


RANK = {
    Standing.ONLY: 100,
    Standing.MORE: 80,
    Standing.CHANGED: 40,
    Standing.ALONG: 20,
    Standing.CHANCE: 10,
    Standing.NUMBERS: 0,
}


@dataclass(frozen=True)
class Finding:
    """A kind of line that differs. ``side`` has more of it; ``counts`` is its number in each trial of both sides.

    ``normalized`` is the kind, ``first`` its first line on each side, and ``more`` the number of other kinds that
    differ from it only in numbers.
    """

    source: str
    standing: Standing
    side: int
    normalized: str
    counts: tuple[tuple[int, ...], tuple[int, ...]]
    first: tuple[Sighting | None, Sighting | None]
    weight: int
    more: int = 0

    @property
    def score(self) -> float:
        """The rank of a finding, from its standing, its weight and its counts; high values are first."""
        sums = sum(self.counts[LEFT]), sum(self.counts[RIGHT])
        times = 4 * math.log10(max(sums) / max(1, min(sums))) if self.standing == Standing.MORE else 0.0
        return RANK[self.standing] + 12 * self.weight + min(10.0, 2 * math.log10(max(sums) + 1)) + min(20.0, times)


def causes_first(findings: Iterable[Finding]) -> list[Finding]:
    """The findings by descending score, where the lines that only one side has are at the top in the order of time.

    What comes first may be the cause of the rest. So of the FIRST findings with the highest scores, those that are
    certain and not plain, of the side of the very first one, come in the order of their first lines.
    """
    ordered = sorted(findings, key=lambda finding: -finding.score)
    if not ordered:
        return []
    side = ordered[0].side
    timed = [
        (seen.at_ms, finding)
        for finding in ordered[:FIRST]
        if (seen := _only(finding, side)) and seen.at_ms is not None
    ]
    chain = [finding for _, finding in sorted(timed, key=lambda item: item[0])]
    return chain + [finding for finding in ordered if finding not in chain]


def _only(finding: Finding, side: int) -> Sighting | None:
    """The first line of a finding, if it is on this side only, in every trial, and heavier than a plain line."""
    certain = finding.standing == Standing.ONLY and finding.side == side and finding.weight > 1
    return finding.first[side] if certain else None


def weight(normalized: str) -> int:
    """The weight of a line by its text, 0 to 5: a traceback 5, an error 4, a status of 5xx 3, a warning 2."""
    if not normalized.strip() or PROBE.search(normalized):
        return 0
    return next((value for value, pattern in WEIGHTS if pattern.search(normalized)), 1)


def standing(counts: Sequence[int], other: Sequence[int], compared: tuple[int, int]) -> Standing | None:
    """The standing of a kind with ``counts`` in the trials of a side and ``other`` in those of the other side.

    The first ``compared`` trials of each are compared; the others only show differences by chance. None if the kind is
    not more frequent on this side, or not by a wide margin.
    """
    count, other_count = sum(counts[: compared[0]]), sum(other[: compared[1]])
    if not count:
        return None
    if not other_count:
        return Standing.ONLY if min(counts) and not sum(other) else Standing.CHANCE
    if min(counts) >= TIMES * max(other) and min(counts) - max(other) >= LINES:
        return Standing.MORE
    return None


def findings(
    source: str, kinds: Iterable[Kind], compared: tuple[int, int], lines: tuple[int, int] = (0, 0)
) -> list[Finding]:
    """The findings of one log, by descending score. ``lines`` is the length of the log on each side."""
    shapes: dict[str, list[Kind]] = {}
    for kind in kinds:
        text = kind.normalized
        shapes.setdefault(text if "\n" in text else normalize.shape(text), []).append(kind)
    by_kind: list[Finding] = []
    for group in shapes.values():
        if len(group) >= SAME_SHAPE:
            by_kind += _grouped(source, group, compared)
        else:
            by_kind += [finding for kind in group if (finding := _finding(source, kind, compared))]
    return sorted((_along(finding, lines) for finding in _paired(by_kind)), key=lambda finding: -finding.score)


def _along(finding: Finding, lines: tuple[int, int]) -> Finding:
    """Lower the standing of a plain line that is more frequent only because the whole log is longer."""
    if finding.standing != Standing.MORE or finding.weight >= GRAVE or not all(lines):
        return finding
    times = [sum(finding.counts[side]) / len(finding.counts[side]) / lines[side] for side in (LEFT, RIGHT)]
    return replace(finding, standing=Standing.ALONG) if max(times) <= IN_STEP * min(times) else finding


def alike(kinds: Iterable[Kind], compared: tuple[int, int]) -> int:
    """The number of kinds without a difference."""
    return sum(_finding("", kind, compared) is None for kind in kinds)


def differing(kinds: Iterable[Kind], log_findings: Iterable[Finding], compared: tuple[int, int]) -> frozenset[str]:
    """The normalized lines to show side by side: those on one side only, and grave ones that are more frequent."""
    numbered = {normalize.shape(finding.normalized) for finding in log_findings if finding.standing == Standing.NUMBERS}
    return frozenset(
        kind.normalized
        for kind in kinds
        if (finding := _finding("", kind, compared))
        and (finding.standing != Standing.MORE or finding.weight >= GRAVE)
        and ("\n" in kind.normalized or normalize.shape(kind.normalized) not in numbered)
    )


def _finding(source: str, kind: Kind, compared: tuple[int, int]) -> Finding | None:
    left, right = kind.counts
    for side, own_counts, other, order in ((LEFT, left, right, compared), (RIGHT, right, left, compared[::-1])):
        if (how := standing(own_counts, other, order)) is not None:
            counts = (tuple(left[: compared[LEFT]]), tuple(right[: compared[RIGHT]]))
            first, text = (kind.first[0], kind.first[1]), kind.normalized
            return Finding(source, how, side, text, counts, first, weight(text))
    return None


def _grouped(source: str, group: list[Kind], compared: tuple[int, int]) -> list[Finding]:
    """One finding for kinds that differ only in plain numbers. If their sums are the same, only the numbers differ."""
    single = [finding for kind in group if (finding := _finding(source, kind, compared))]
    if not single:
        return []
    sums = Kind(single[0].normalized, ([], []))
    for side in (LEFT, RIGHT):
        sums.counts[side][:] = [sum(column) for column in zip(*(kind.counts[side] for kind in group), strict=True)]
    leading = max(single, key=lambda finding: finding.score)
    whole = _finding(source, sums, compared)
    # The counts are sums over all kinds of the group; some of these kinds are on both sides.
    how, side = (whole.standing, whole.side) if whole else (Standing.NUMBERS, leading.side)
    counts = (tuple(sums.counts[LEFT][: compared[LEFT]]), tuple(sums.counts[RIGHT][: compared[RIGHT]]))
    return [Finding(source, how, side, leading.normalized, counts, leading.first, leading.weight, len(group) - 1)]


def _paired(by_kind: list[Finding]) -> list[Finding]:
    """Join pairs, one kind on the left and one on the right, that differ only in numbers: these are a changed line."""
    one_sided = [
        finding for finding in by_kind if finding.standing in (Standing.ONLY, Standing.CHANCE) and not finding.more
    ]
    shapes: dict[str, list[Finding]] = {}
    for finding in one_sided:
        shapes.setdefault(normalize.shape(finding.normalized), []).append(finding)
    pairs = {key: pair for key, pair in shapes.items() if _same_line(pair)}
    joined = {id(finding) for pair in pairs.values() for finding in pair}
    others = [finding for finding in by_kind if id(finding) not in joined]
    return others + [_changed(*sorted(pair, key=lambda finding: finding.side)) for pair in pairs.values()]


def _same_line(pair: list[Finding]) -> bool:
    """Whether these are one kind on each side, with about the same counts."""
    if len(pair) != 2 or {finding.side for finding in pair} != {LEFT, RIGHT}:
        return False
    fewer, more = sorted(sum(finding.counts[finding.side]) / len(finding.counts[finding.side]) for finding in pair)
    return more <= 2 * fewer


def _changed(left: Finding, right: Finding) -> Finding:
    how = Standing.CHANGED if left.standing == right.standing == Standing.ONLY else Standing.CHANCE
    heavier = max(left, right, key=lambda finding: finding.weight)
    return Finding(
        left.source,
        how,
        LEFT,
        left.normalized,
        (left.counts[LEFT], right.counts[RIGHT]),
        (left.first[LEFT], right.first[RIGHT]),
        heavier.weight,
    )
