"""The numbers of a trial's timeline for its chart: counts for each step, and one mark for events at the same place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any

from reprolab.report.timeline import Timeline
from reprolab.scenario.event import KINDS, Event

# The part of the axis before the zero, which shows the start-up, is at most this share of the rest.
BEFORE = 0.12
MARGIN = 0.01
MOST_TEXTS = 4
MOST_MARKS = 400


def lane(event: Event) -> str:
    """The lane of an event: its kind, or for a note its source."""
    return event.source if event.kind == "note" else event.kind


def axis(timelines: Iterable[Timeline]) -> tuple[float, float]:
    """The start and the end of one axis for all timelines, in milliseconds."""
    lines = list(timelines)
    end = max(line.length_ms for line in lines)
    first = min((event.at_ms for line in lines for event in line.events), default=0.0)
    # With the margin, a mark at either end is drawn whole.
    return max(min(first, 0.0), -BEFORE * end) - MARGIN * end, end * (1 + MARGIN)


def lanes(timelines: Iterable[Timeline]) -> list[str]:
    """The lanes of all timelines: first the kinds, then the sources of notes."""
    names = list(dict.fromkeys(lane(event) for timeline in timelines for event in timeline.events))
    return [kind for kind in KINDS if kind in names] + [name for name in names if name not in KINDS]


def statuses(timelines: Iterable[Timeline]) -> list[str]:
    """All statuses of the timelines, sorted."""
    return sorted({status for timeline in timelines for status in timeline.responses})


def highest(line: Timeline, lane_statuses: Sequence[str]) -> int:
    """The most responses of these statuses together in one step."""
    return max((sum(column) for column in columns(line, lane_statuses)), default=0)


def columns(line: Timeline, lane_statuses: Sequence[str]) -> Iterator[tuple[int, ...]]:
    """The responses of each of these statuses, step by step."""
    return zip_longest(*(line.responses.get(status, ()) for status in lane_statuses), fillvalue=0)


def timeline_data(
    line: Timeline, shown: Sequence[str], names: Sequence[str], span: tuple[float, float], most_marks: int = MOST_MARKS
) -> dict[str, Any]:
    """The data of a trial's chart: counts per status and step, and events; those of one lane and step are joined.

    ``events`` are [from_ms, to_ms, lane, kind, text, source], with lanes and kinds as indices. Events before the start
    of the axis are left out, and ``early`` is their number. If there are more marks than ``most_marks``, events are
    joined over longer steps.
    """
    inside = [event for event in line.events if event.end_ms >= span[0]]
    step, groups = line.step_ms, _groups(inside, line.step_ms, 0)
    while len(groups) > most_marks and step < line.length_ms - span[0]:
        groups = _groups(inside, step, step)
        step *= 2
    return {
        "step": line.step_ms,
        "responses": [list(line.responses.get(status, ())) for status in shown],
        "events": [_mark(group, names) for group in groups],
        "early": len(line.events) - len(inside),
    }


def _groups(events: Iterable[Event], step_ms: float, shortest_ms: float) -> list[list[Event]]:
    """Groups of events at the same place of the chart: the same kind, lane, source and step.

    An event that lasts longer than ``shortest_ms`` is a group of its own.
    """
    groups: dict[tuple[object, ...], list[Event]] = {}
    for number, event in enumerate(events):
        alone = number if event.end_ms - event.at_ms > shortest_ms else -1
        key = (lane(event), event.kind, event.source, event.at_ms // step_ms, alone)
        groups.setdefault(key, []).append(event)
    return list(groups.values())


def _mark(group: Sequence[Event], names: Sequence[str]) -> list[Any]:
    first = group[0]
    texts = list(dict.fromkeys(event.text for event in group))
    words = "; ".join(texts[:MOST_TEXTS])
    if len(group) > len(texts[:MOST_TEXTS]):
        words = f"{len(group)} × {words}" + (" …" if len(texts) > MOST_TEXTS else "")
    until = max((event.until_ms for event in group if event.until_ms is not None), default=first.at_ms)
    ends = [round(first.at_ms, 1), round(until, 1)]
    return [*ends, names.index(lane(first)), KINDS.index(first.kind), words, first.source]
