"""Which kinds of line differ between two sides, how surely, and how much they say.

What differs between two trials of one variant as well may be chance, and ranks below what does not.
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

# "More often by a wide margin": so many times as often, in every trial, and by so many lines.
TIMES, LINES = 4, 8
IN_STEP = 2
# So many kinds that differ in plain numbers only are one: "request 7 begins", "request 8 begins".
SAME_SHAPE = 4
GRAVE = 3
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
    """How a kind of line differs between the sides; the smaller, the further up."""

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
    """A difference: of which kind, on which side there is more of it, how often in each trial, where first."""

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
        """The larger, the further up: how sure the difference is, what the line says, how many there are."""
        sums = sum(self.counts[LEFT]), sum(self.counts[RIGHT])
        times = 4 * math.log10(max(sums) / max(1, min(sums))) if self.standing == Standing.MORE else 0.0
        return RANK[self.standing] + 12 * self.weight + min(10.0, 2 * math.log10(max(sums) + 1)) + min(20.0, times)


def weight(normalized: str) -> int:
    """How much a line says by itself, 0 to 5: a traceback 5, an error 4, an answer of 5xx 3, a warning 2."""
    if not normalized.strip() or PROBE.search(normalized):
        return 0
    return next((value for value, pattern in WEIGHTS if pattern.search(normalized)), 1)


def standing(counts: Sequence[int], other: Sequence[int], compared: tuple[int, int]) -> Standing | None:
    """How a kind stands that is more on its own side; ``compared`` of the trials (own, other) are compared.

    The trials behind those tell what differs by chance. None where it is not more, or not by a wide margin.
    """
    mine, theirs = sum(counts[: compared[0]]), sum(other[: compared[1]])
    if not mine:
        return None
    if not theirs:
        return Standing.ONLY if min(counts) and not sum(other) else Standing.CHANCE
    if min(counts) >= TIMES * max(other) and min(counts) - max(other) >= LINES:
        return Standing.MORE
    return None


def findings(
    source: str, kinds: Iterable[Kind], compared: tuple[int, int], lines: tuple[int, int] = (0, 0)
) -> list[Finding]:
    """All differences of one source, the most telling first; ``lines`` is how long it is on either side."""
    shapes: dict[str, list[Kind]] = {}
    for kind in kinds:
        text = kind.normalized
        shapes.setdefault(text if "\n" in text else normalize.shape(text), []).append(kind)
    kept_findings: list[Finding] = []
    for alike in shapes.values():
        if len(alike) >= SAME_SHAPE:
            kept_findings += _grouped(source, alike, compared)
        else:
            kept_findings += [finding for kind in alike if (finding := _finding(source, kind, compared))]
    return sorted((_along(finding, lines) for finding in _paired(kept_findings)), key=lambda finding: -finding.score)


def _along(finding: Finding, lines: tuple[int, int]) -> Finding:
    """A plain line of which there is more as there is more of the whole log says no more than that."""
    if finding.standing != Standing.MORE or finding.weight >= GRAVE or not all(lines):
        return finding
    times = [sum(finding.counts[side]) / len(finding.counts[side]) / lines[side] for side in (LEFT, RIGHT)]
    return replace(finding, standing=Standing.ALONG) if max(times) <= IN_STEP * min(times) else finding


def alike(kinds: Iterable[Kind], compared: tuple[int, int]) -> int:
    """How many kinds stand on both sides, and nowhere by a wide margin more often."""
    return sum(_finding("", kind, compared) is None for kind in kinds)


def differing(kinds: Iterable[Kind], kept_findings: Iterable[Finding], compared: tuple[int, int]) -> frozenset[str]:
    """The normalized lines that tell one log from the other: on one side only, or grave and far more often there."""
    numbered = {
        normalize.shape(finding.normalized) for finding in kept_findings if finding.standing == Standing.NUMBERS
    }
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


def _grouped(source: str, alike: list[Kind], compared: tuple[int, int]) -> list[Finding]:
    """Kinds that differ in plain numbers only, as one; where their sums do not differ, the numbers do."""
    single = [finding for kind in alike if (finding := _finding(source, kind, compared))]
    if not single:
        return []
    sums = Kind(single[0].normalized, ([], []))
    for side in (LEFT, RIGHT):
        sums.counts[side][:] = [sum(column) for column in zip(*(kind.counts[side] for kind in alike), strict=True)]
    leading = max(single, key=lambda finding: finding.score)
    whole = _finding(source, sums, compared)
    # A count of each side's own: the sum over kinds of which some stand on both.
    how, side = (whole.standing, whole.side) if whole else (Standing.NUMBERS, leading.side)
    counts = (tuple(sums.counts[LEFT][: compared[LEFT]]), tuple(sums.counts[RIGHT][: compared[RIGHT]]))
    return [Finding(source, how, side, leading.normalized, counts, leading.first, leading.weight, len(alike) - 1)]


def _paired(kept_findings: list[Finding]) -> list[Finding]:
    """One kind only on the left and one only on the right that differ in numbers only: one line that changed."""
    alone = [
        finding
        for finding in kept_findings
        if finding.standing in (Standing.ONLY, Standing.CHANCE) and not finding.more
    ]
    shapes: dict[str, list[Finding]] = {}
    for finding in alone:
        shapes.setdefault(normalize.shape(finding.normalized), []).append(finding)
    pairs = {key: pair for key, pair in shapes.items() if _same_line(pair)}
    taken = {id(finding) for pair in pairs.values() for finding in pair}
    kept = [finding for finding in kept_findings if id(finding) not in taken]
    return kept + [_changed(*sorted(pair, key=lambda finding: finding.side)) for pair in pairs.values()]


def _same_line(pair: list[Finding]) -> bool:
    """Whether these are one line of each side, about as often."""
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
