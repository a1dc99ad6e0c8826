"""The chart of a timeline: one specification for all trials of an experiment; the data of each trial is separate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from reprolab.report.html.vega import LEFT, finished
from reprolab.scenario.event import KINDS

LANE = 15
HEIGHT = 44
GAP = 8
AXIS = 30
# From this number of statuses on, a lane names only the first.
MANY = 3
SHAPES = {
    "started": "triangle-up",
    "ending": "triangle-right",
    "restarted": "triangle-left",
    "killed": "cross",
    "gone": "diamond",
    "present": "square",
    "traceback": "triangle-down",
    "note": "circle",
}
THROUGH = ("gone", "killed")


def colour(status: str) -> str:
    """The style sheet's colour for the class of a status."""
    names = {"2": "--ok", "3": "--moved", "4": "--client", "5": "--server"}
    return f"var({names.get(status[:1], '--note')})"


def response_lanes(shown: Sequence[str]) -> list[list[str]]:
    """The statuses in lanes of their own: answers, errors, and each text that is no status."""
    lanes: dict[str, list[str]] = {}
    for status in shown:
        lanes.setdefault("answers" if status[:1] in "123" else "errors" if status[:1] in "45" else status, []).append(
            status
        )
    return list(lanes.values())


def timeline_spec(
    span: tuple[float, float],
    names: Sequence[str],
    shown: Sequence[str],
    step_ms: int,
    most: Sequence[int] = (),
) -> dict[str, Any]:
    """The specification of a timeline: lanes of events, and below them the responses per step, stacked by status.

    Answers and errors have lanes of their own, so that many of one do not hide few of the other. ``most`` is the end of
    the scale of each of these lanes; without it, each chart has its own.

    Data: `steps` (t, u: from and to in seconds; g: lane; a, b: from and to on the stack; s: status; n: responses) and
    `events` (t, u: from and to in seconds; l: lane; k: kind; x: what happened; d: when).
    """
    top = LANE * len(names)
    start, end = span[0] / 1000, span[1] / 1000
    x = alt.X("t:Q", title=None, scale=alt.Scale(domain=[start, end], nice=False), axis=time_axis())
    parts: list[Any] = []
    if names:
        parts.append(_lane_layer(x, names, top))
    lanes = response_lanes(shown)
    for number, statuses in enumerate(lanes):
        place = top + GAP + number * (HEIGHT + GAP)
        parts.append(_response_layer(x, number, statuses, place, step_ms, most[number] if most else 0))
    if lanes:
        parts.append(_through_layer(x, top + len(lanes) * (GAP + HEIGHT)))
    chart = alt.layer(*parts).resolve_scale(y="independent", color="independent")
    return finished(chart, top + len(lanes) * (GAP + HEIGHT))


def time_axis() -> alt.Axis:
    """The axis in seconds that all charts of a trial have."""
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
    fields = [alt.Tooltip("d:N", title="when"), alt.Tooltip("x:N", title="what"), alt.Tooltip("f:N", title="told by")]
    base = alt.Chart(alt.NamedData("events"))
    spans = base.transform_filter("datum.u > datum.t").mark_bar(height=LANE - 6, opacity=0.75, cornerRadius=2)
    points = base.transform_filter("datum.u <= datum.t").mark_point(filled=True, size=52, opacity=0.95)
    return alt.layer(
        spans.encode(x=x, x2="u:Q", y=y, color=ink, tooltip=fields),
        points.encode(x=x, y=y, color=ink, shape=shape, tooltip=fields),
    )


def _response_layer(x: alt.X, number: int, shown: Sequence[str], top: int, step_ms: int, most: int) -> Any:
    """The bars of one lane of statuses, with the lane's name at the left."""
    domain = {"domain": [0, most]} if most else {"zero": True}
    scale = alt.Scale(range=[top + HEIGHT, top], nice=True, **domain)
    title = f"responses per {step_ms} ms"
    ticks = alt.Axis(
        tickCount=2,
        grid=False,
        format="~s",
        minExtent=LEFT,
        maxExtent=LEFT,
        orient="left",
        title=", ".join(shown) if len(shown) < MANY else f"{shown[0]} and others",
        titleAngle=0,
        titleAlign="left",
        titleBaseline="middle",
        titleX=4 - LEFT,
        titleY=top + HEIGHT / 2,
        titleLimit=LEFT - 40,
        titleColor=colour(shown[0]),
    )
    y = alt.Y("a:Q", scale=scale, axis=ticks)
    ink = alt.Color("s:N", legend=None, scale=alt.Scale(domain=list(shown), range=[colour(s) for s in shown]))
    fields = [alt.Tooltip("d:N", title="when"), alt.Tooltip("s:N", title="status"), alt.Tooltip("n:Q", title=title)]
    return (
        alt.Chart(alt.NamedData("steps"))
        .transform_filter(f"datum.g === {number}")
        .mark_rect(clip=True)
        .encode(x=x, x2="u:Q", y=y, y2="b:Q", color=ink, tooltip=fields)
    )


def _through_layer(x: alt.X, bottom: int) -> Any:
    """A line through all lanes where something goes or is killed."""
    through = alt.FieldOneOfPredicate(field="k", oneOf=list(THROUGH))
    return (
        alt.Chart(alt.NamedData("events"))
        .transform_filter(through)
        .mark_rule(strokeDash=[4, 3], strokeWidth=1.5, clip=True)
        .encode(
            x=x,
            y=alt.value(0),
            y2=alt.value(bottom),
            color=alt.Color(
                "k:N",
                legend=None,
                scale=alt.Scale(domain=list(THROUGH), range=[f"var(--{kind})" for kind in THROUGH]),
            ),
        )
    )


def height(names: Sequence[str], shown: Sequence[str]) -> int:
    """The height of a timeline with its axis in pixels. The page reserves it before the chart is drawn."""
    return LANE * len(names) + len(response_lanes(shown)) * (GAP + HEIGHT) + AXIS
