"""A trial's timeline in figures for the page: a few numbers for each step, a mark for the events that share a place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from reprolab.report.timeline import Timeline
from reprolab.scenario.event import KINDS, Event

# The start-up before the load is of interest, but not as long as the load.
BEFORE = 0.12
MARGIN = 0.01
MOST_EVENTS_TOLD = 4
MOST_MARKS = 400


def lane(event: Event) -> str:
    """The lane in which an event is drawn: its kind's; what only an experiment tells has the lane of its source."""
    return event.source if event.kind == "note" else event.kind


def axis(timelines: Iterable[Timeline]) -> tuple[float, float]:
    """One axis for all of them, from and to, in milliseconds."""
    every = list(timelines)
    end = max(line.length_ms for line in every)
    first = min((event.at_ms for line in every for event in line.events), default=0.0)
    # A mark at the very beginning is drawn whole.
    return max(min(first, 0.0), -BEFORE * end) - MARGIN * end, end * (1 + MARGIN)


def lanes(timelines: Iterable[Timeline]) -> list[str]:
    """The lanes that any of them needs: those of the kinds, then the experiment's own."""
    found_lanes = list(dict.fromkeys(lane(event) for timeline in timelines for event in timeline.events))
    return [kind for kind in KINDS if kind in found_lanes] + [name for name in found_lanes if name not in KINDS]


def statuses(timelines: Iterable[Timeline]) -> list[str]:
    """Every status that any of them counts."""
    return sorted({status for timeline in timelines for status in timeline.responses})


def timeline_data(
    line: Timeline, shown: Sequence[str], names: Sequence[str], span: tuple[float, float], most_marks: int = MOST_MARKS
) -> dict[str, Any]:
    """A trial's figures, small: counts per status and step, and the events, those of one lane and step together.

    ``events`` are [from_ms, to_ms, lane, kind, text, source]; lanes and kinds by their number. What lies before the
    axis is left out and counted in ``early``. Where there are more marks than ``most_marks``, longer steps are joined.
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
    """Events that would be drawn over each other: the same kind, in the same lane and step.

    What lasts longer than ``shortest_ms`` is drawn by itself.
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
    words = "; ".join(texts[:MOST_EVENTS_TOLD])
    if len(group) > len(texts[:MOST_EVENTS_TOLD]):
        words = f"{len(group)} × {words}" + (" …" if len(texts) > MOST_EVENTS_TOLD else "")
    until = max((event.until_ms for event in group if event.until_ms is not None), default=first.at_ms)
    ends = [round(first.at_ms, 1), round(until, 1)]
    return [*ends, names.index(lane(first)), KINDS.index(first.kind), words, first.source]
