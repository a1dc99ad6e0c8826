"""The charts of a report, drawn by Vega in the reader's browser: specifications by altair, figures apart from them.

One specification serves all timelines of an experiment, so that they share their axis; a trial's figures are a few
numbers for each step. Colours are names of the page's style sheet, which knows light and dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import altair as alt
import vl_convert

from reprolab.report.events import KINDS, Event
from reprolab.report.timeline import Timeline

# Room for a lane's name at the left, the same in every chart, so that the axes stand one under the other.
LEFT = 96
LETTER = 7.5
LANE = 15
HEIGHT = 84
GAP = 8
AXIS = 30
# The start-up before the load is of interest, but not as long as the load.
BEFORE = 0.12
MARGIN = 0.01
MOST_EVENTS_TOLD = 4
MOST_MARKS = 400
SHAPES = {
    "started": "triangle-up",
    "restarted": "triangle-right",
    "killed": "cross",
    "gone": "diamond",
    "present": "square",
    "traceback": "triangle-down",
    "note": "circle",
}
THROUGH = ("gone", "killed")


@cache
def library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, to go into the page: it sets `vegaEmbed`."""
    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    whose = f"Vega {vl_convert.get_vega_version()}, Vega-Lite and Vega-Embed, BSD 3-Clause, brought here by vl-convert"
    # A script element ends at these characters even where they stand in a text of the program.
    return f"/*! {whose} */\n" + bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def colour(status: str) -> str:
    """The style sheet's name for an answer's class."""
    names = {"2": "--ok", "3": "--moved", "4": "--client", "5": "--server"}
    return f"var({names.get(status[:1], '--note')})"


def lane(event: Event) -> str:
    """The lane in which an event is drawn: its kind's; what only an experiment tells has the lane of its source."""
    return event.source if event.kind == "note" else event.kind


def axis(timelines: Iterable[Timeline]) -> tuple[float, float]:
    """One axis for all of them, from and to, in milliseconds."""
    every = list(timelines)
    end = max(one.length_ms for one in every)
    first = min((event.at_ms for one in every for event in one.events), default=0.0)
    # A mark at the very beginning is drawn whole.
    return max(min(first, 0.0), -BEFORE * end) - MARGIN * end, end * (1 + MARGIN)


def lanes(timelines: Iterable[Timeline]) -> list[str]:
    """The lanes that any of them needs: those of the kinds, then the experiment's own."""
    found = list(dict.fromkeys(lane(event) for one in timelines for event in one.events))
    return [kind for kind in KINDS if kind in found] + [name for name in found if name not in KINDS]


def statuses(timelines: Iterable[Timeline]) -> list[str]:
    """Every status that any of them counts."""
    return sorted({status for one in timelines for status in one.responses})


def timeline_spec(
    span: tuple[float, float], names: Sequence[str], shown: Sequence[str], step_ms: int
) -> dict[str, Any]:
    """The specification of a timeline: lanes of events, below them the responses per step, stacked by status.

    Data: `steps` (t, u: from and to in seconds; a, b: from and to on the stack; s: status; n: responses) and
    `events` (t, u: from and to in seconds; l: lane; k: kind; x: what happened; d: when).
    """
    top = LANE * len(names)
    start, end = span[0] / 1000, span[1] / 1000
    x = alt.X("t:Q", title=None, scale=alt.Scale(domain=[start, end], nice=False), axis=_time_axis())
    parts: list[Any] = []
    if names:
        parts.append(_lane_layer(x, names, top))
    if shown:
        parts.append(_response_layer(x, shown, top + GAP, step_ms))
    chart = alt.layer(*parts).resolve_scale(y="independent", color="independent")
    height = top + (GAP + HEIGHT if shown else 0)
    return _finished(chart, height)


def _time_axis() -> alt.Axis:
    return alt.Axis(
        labelExpr="datum.label + ' s'",
        tickCount=8,
        labelOverlap="greedy",
        labelSeparation=12,
        grid=True,
        gridDash=[2, 3],
    )


def _lane_layer(x: alt.X, names: Sequence[str], top: int) -> Any:
    y = alt.Y(
        "l:N",
        title=None,
        scale=alt.Scale(domain=list(names), range=[0, top], type="band"),
        axis=alt.Axis(ticks=False, domain=False, labelLimit=LEFT - 6, minExtent=LEFT, maxExtent=LEFT),
    )
    kinds = list(KINDS)
    ink = alt.Color("k:N", legend=None, scale=alt.Scale(domain=kinds, range=[f"var(--{kind})" for kind in kinds]))
    shape = alt.Shape("k:N", legend=None, scale=alt.Scale(domain=kinds, range=[SHAPES[kind] for kind in kinds]))
    told = [alt.Tooltip("d:N", title="when"), alt.Tooltip("x:N", title="what"), alt.Tooltip("f:N", title="told by")]
    base = alt.Chart(alt.NamedData("events"))
    spans = base.transform_filter("datum.u > datum.t").mark_bar(height=LANE - 6, opacity=0.75, cornerRadius=2)
    points = base.transform_filter("datum.u <= datum.t").mark_point(filled=True, size=52, opacity=0.95)
    return alt.layer(
        spans.encode(x=x, x2="u:Q", y=y, color=ink, tooltip=told),
        points.encode(x=x, y=y, color=ink, shape=shape, tooltip=told),
    )


def _response_layer(x: alt.X, shown: Sequence[str], top: int, step_ms: int) -> Any:
    scale = alt.Scale(range=[top + HEIGHT, top], nice=True, zero=True)
    title = f"responses per {step_ms} ms"
    ticks = alt.Axis(tickCount=3, grid=False, format="~s", minExtent=LEFT, maxExtent=LEFT, title=None, orient="left")
    y = alt.Y("a:Q", title=None, scale=scale, axis=ticks)
    ink = alt.Color("s:N", legend=None, scale=alt.Scale(domain=list(shown), range=[colour(s) for s in shown]))
    told = [alt.Tooltip("d:N", title="when"), alt.Tooltip("s:N", title="status"), alt.Tooltip("n:Q", title=title)]
    bars = (
        alt.Chart(alt.NamedData("steps"))
        .mark_rect(clip=True)
        .encode(x=x, x2="u:Q", y=y, y2="b:Q", color=ink, tooltip=told)
    )
    through = alt.FieldOneOfPredicate(field="k", oneOf=list(THROUGH))
    lines = (
        alt.Chart(alt.NamedData("events"))
        .transform_filter(through)
        .mark_rule(strokeDash=[4, 3], strokeWidth=1.5, clip=True)
        .encode(
            x=x,
            y=alt.value(0),
            y2=alt.value(top + HEIGHT),
            color=alt.Color(
                "k:N",
                legend=None,
                scale=alt.Scale(domain=list(THROUGH), range=[f"var(--{kind})" for kind in THROUGH]),
            ),
        )
    )
    return alt.layer(bars, lines).resolve_scale(color="independent")


def timeline_data(
    one: Timeline, shown: Sequence[str], names: Sequence[str], span: tuple[float, float], most_marks: int = MOST_MARKS
) -> dict[str, Any]:
    """A trial's figures, small: counts per status and step, and the events, those of one lane and step together.

    ``events`` are [from_ms, to_ms, lane, kind, text, source]; lanes and kinds by their number. What lies before the
    axis is left out and counted in ``early``. Where there are more marks than ``most_marks``, longer steps are joined.
    """
    inside = [event for event in one.events if event.end_ms >= span[0]]
    step, groups = one.step_ms, _groups(inside, one.step_ms, 0)
    while len(groups) > most_marks:
        groups = _groups(inside, step, step)
        step *= 2
    return {
        "step": one.step_ms,
        "responses": [list(one.responses.get(status, ())) for status in shown],
        "events": [_mark(group, names) for group in groups],
        "early": len(one.events) - len(inside),
    }


def _groups(events: Iterable[Event], step_ms: float, shortest_ms: float) -> list[list[Event]]:
    """Events that would be drawn over each other: the same kind, in the same lane and step.

    What lasts longer than ``shortest_ms`` is drawn by itself.
    """
    found: dict[tuple[object, ...], list[Event]] = {}
    for number, event in enumerate(events):
        alone = number if event.end_ms - event.at_ms > shortest_ms else -1
        key = (lane(event), event.kind, event.source, event.at_ms // step_ms, alone)
        found.setdefault(key, []).append(event)
    return list(found.values())


def _mark(group: Sequence[Event], names: Sequence[str]) -> list[Any]:
    first = group[0]
    texts = list(dict.fromkeys(event.text for event in group))
    told = "; ".join(texts[:MOST_EVENTS_TOLD])
    if len(group) > len(texts[:MOST_EVENTS_TOLD]):
        told = f"{len(group)} × {told}" + (" …" if len(texts) > MOST_EVENTS_TOLD else "")
    until = max((event.until_ms for event in group if event.until_ms is not None), default=first.at_ms)
    ends = [round(first.at_ms, 1), round(until, 1)]
    return [*ends, names.index(lane(first)), KINDS.index(first.kind), told, first.source]


def rate_chart(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """A claim's rates: for each variant k of n, with the interval; rows of {variant, k, n, low, high, expected}."""
    every = [
        {
            "v": row["variant"],
            "p": row["k"] / row["n"] if row["n"] else None,
            "lo": row["low"],
            "hi": row["high"],
            "e": "shows" if row["expected"] else "absent",
            "d": f"{row['k']} of {row['n']}",
        }
        for row in rows
    ]
    longest = max((len(row["v"]) for row in every), default=0)
    return {"spec": _rate_spec(-(-longest // 6) * 6), "data": {"rates": every}}


@cache
def _rate_spec(letters: int) -> dict[str, Any]:
    """A specification for many claims, a row for each variant, in their order; the page's script sets the height.

    ``letters``: room for the variants' names.
    """
    room = min(letters * LETTER, LEFT * 2)
    y = alt.Y(
        "v:N",
        title=None,
        sort=None,
        axis=alt.Axis(labelLimit=room, minExtent=room, maxExtent=room, ticks=False, domain=False),
    )
    x = alt.X("lo:Q", title=None, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%", tickCount=5))
    ink = alt.Color(
        "e:N", legend=None, scale=alt.Scale(domain=["shows", "absent"], range=["var(--link)", "var(--note)"])
    )
    told = [
        alt.Tooltip("v:N", title="variant"),
        alt.Tooltip("d:N", title="rate"),
        alt.Tooltip("e:N", title="expected"),
        alt.Tooltip("lo:Q", title="from (95 %)", format=".1%"),
        alt.Tooltip("hi:Q", title="to (95 %)", format=".1%"),
    ]
    base = alt.Chart(alt.NamedData("rates"))
    lines = base.mark_rule(strokeWidth=3, opacity=0.55).encode(x=x, x2="hi:Q", y=y, color=ink, tooltip=told)
    points = base.mark_point(filled=True, size=80, opacity=1).encode(x="p:Q", y=y, color=ink, tooltip=told)
    return _finished(alt.layer(lines, points), 24)


def _finished(chart: Any, height: int) -> dict[str, Any]:
    """The chart as data, as wide as the page lets it be, in the page's colours."""
    spec: dict[str, Any] = chart.properties(width="container", height=height).to_dict()
    spec.pop("$schema", None)
    spec["config"] = {
        "font": "system-ui, DejaVu Sans, sans-serif",
        "background": "transparent",
        "view": {"stroke": None},
        "axis": {
            "labelColor": "var(--soft)",
            "titleColor": "var(--soft)",
            "gridColor": "var(--line)",
            "domainColor": "var(--line)",
            "tickColor": "var(--line)",
            "labelFontSize": 12,
            "labelPadding": 6,
        },
    }
    spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    return spec


def height(names: Sequence[str], shown: Sequence[str]) -> int:
    """How high a timeline is drawn, its axis included, in pixels: room is kept before it is there."""
    return LANE * len(names) + (GAP + HEIGHT if shown else 0) + AXIS
