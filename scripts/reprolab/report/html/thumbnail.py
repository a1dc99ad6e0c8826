"""A small picture of timelines that needs no script: an SVG with the colours of the page."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from reprolab.report.html import timeline_chart, timeline_data
from reprolab.report.html.trials import Axis, ShownTrial
from reprolab.report.timeline import Timeline
from reprolab.scenario.event import Event

# In units of the drawing, which is as wide as its place.
WIDTH, LABEL, LANE, BARS, GAP = 340, 14, 5, 20, 8
# So many bars and lanes can be told apart.
MOST_BARS = 110
MOST_LANES = 8


def thumbnail(trials: Sequence[ShownTrial]) -> Markup:
    """The timelines of trials below each other on one axis and one scale; empty without timelines."""
    shown = [(trial.record.variant, trial.timeline) for trial in trials if trial.timeline]
    if not shown:
        return Markup("")
    axis = Axis.of([line for _, line in shown], common=True)
    parts, top = [], 0
    for name, line in shown:
        drawing, height = _strip(line, axis, top + LABEL)
        parts.append(Markup('<text x="0" y="{}">{}</text>').format(top + LABEL - 4, name) + drawing)
        top += LABEL + height + GAP
    title = Markup("<title>{}</title>").format(" and ".join(name for name, _ in shown))
    frame = Markup('<svg class="thumbnail" viewBox="0 0 {} {}" role="img">{}{}</svg>')
    return frame.format(WIDTH, top - GAP, title, Markup("").join(parts))


def _strip(line: Timeline, axis: Axis, top: int) -> tuple[Markup, int]:
    """The lanes of events and of responses of one trial; with their height."""
    lanes = list(axis.lanes)[:MOST_LANES]
    marks = [_mark(event, axis, top + LANE * lanes.index(lane)) for event, lane in _events(line, axis, lanes)]
    height = LANE * len(lanes)
    for number, statuses in enumerate(timeline_chart.response_lanes(axis.statuses)):
        most = axis.most[number] if axis.most else timeline_data.highest(line, statuses)
        marks.append(_bars(line, statuses, axis, top + height, most))
        height += BARS
    base = Markup('<path d="M0 {}h{}" stroke="var(--line)"/>').format(top + height, WIDTH)
    return Markup("").join(marks) + base, height


def _events(line: Timeline, axis: Axis, lanes: Sequence[str]) -> list[tuple[Event, str]]:
    inside = [event for event in line.events if event.end_ms >= axis.span[0] and timeline_data.lane(event) in lanes]
    return [(event, timeline_data.lane(event)) for event in inside[: timeline_data.MOST_MARKS]]


def _mark(event: Event, axis: Axis, top: int) -> Markup:
    begin, end = _x(event.at_ms, axis), _x(event.end_ms, axis)
    rect = Markup('<rect x="{:.1f}" y="{}" width="{:.1f}" height="{}" fill="var(--{})"/>')
    return rect.format(begin, top, max(2.0, end - begin - 0.5), LANE - 1, event.kind)


def _bars(line: Timeline, statuses: Sequence[str], axis: Axis, top: int, most: int) -> Markup:
    """One path with a bar for each group of steps: the highest of them."""
    counts = [sum(column) for column in timeline_data.columns(line, statuses)]
    together = -(-len(counts) // MOST_BARS) or 1
    path = []
    for start in range(0, len(counts), together):
        height = (BARS - 2) * max(counts[start : start + together]) / max(1, most)
        begin, end = (_x(n * line.step_ms, axis) for n in (start, start + together))
        if height:
            path.append(f"M{begin:.1f} {top + BARS}v-{height:.1f}h{end - begin:.1f}v{height:.1f}z")
    return Markup('<path d="{}" fill="{}"/>').format("".join(path), timeline_chart.colour(statuses[0]))


def _x(ms: float, axis: Axis) -> float:
    begin, end = axis.span
    return max(0.0, (ms - begin) / (end - begin)) * WIDTH
