"""The chart of what the services of a trial used: CPU, memory, processes and open files, in rows on one axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from reprolab.evidence.series import Sample
from reprolab.report.html.timeline_chart import AXIS, time_axis
from reprolab.report.html.vega import LEFT, finished

ROWS = ("CPU, processors in use", "memory, MiB", "processes", "open files")
ROW = 44
GAP = 8
HEIGHT = len(ROWS) * (ROW + GAP) + AXIS
COLOURS = ("--ok", "--client", "--present", "--ending", "--gone", "--note")
MIB = 1 << 20
MOST_POINTS = 240
FEWEST_POINTS = 24
# The points of all charts of a page together.
ALL_POINTS = 24_000
SHOWN_STATES = ("tcp established", "tcp close-wait", "unix connected")


def points_for(services: int) -> int:
    """How many points each of the page's services may have, so that the page keeps its size."""
    return max(FEWEST_POINTS, min(MOST_POINTS, ALL_POINTS // max(services, 1)))


def services(series: Sequence[Sample]) -> list[str]:
    """The services of a series, in the order of their first samples."""
    return list(dict.fromkeys(sample.service for sample in series))


def colour(service: str, names: Sequence[str]) -> str:
    """The style sheet's colour for a service."""
    return f"var({COLOURS[names.index(service) % len(COLOURS)]})"


def series_spec(span: tuple[float, float], names: Sequence[str]) -> dict[str, Any]:
    """The specification for an axis in milliseconds and these services.

    Data: `series` (t: seconds; s: service; m: row; v: value).
    """
    scale = alt.Scale(domain=[span[0] / 1000, span[1] / 1000], nice=False)
    x = alt.X("t:Q", title=None, scale=scale, axis=time_axis())
    ink = alt.Color("s:N", legend=None, scale=alt.Scale(domain=list(names), range=[colour(n, names) for n in names]))
    parts: list[Any] = []
    for number, title in enumerate(ROWS):
        top = number * (ROW + GAP)
        scale = alt.Scale(range=[top + ROW, top], nice=True, zero=True)
        ticks = alt.Axis(tickCount=2, grid=False, format="~s", minExtent=LEFT, maxExtent=LEFT, orient="left")
        line = (
            alt.Chart(alt.NamedData("series"))
            .transform_filter(f"datum.m == {number}")
            .mark_line(interpolate="step-after", strokeWidth=1.5, clip=True)
            .encode(x=x, y=alt.Y("v:Q", title=None, scale=scale, axis=ticks), color=ink)
        )
        label = (
            alt.Chart(alt.InlineData(values=[{}]))
            .mark_text(align="left", baseline="top", fontSize=11, color="var(--soft)", text=title)
            .encode(x=alt.value(4), y=alt.value(top))
        )
        parts.append(alt.layer(line, label))
    return finished(alt.layer(*parts).resolve_scale(y="independent"), HEIGHT - AXIS)


def series_data(
    series: Sequence[Sample], zero_ns: int, span: tuple[float, float], most: int
) -> dict[str, list[list[float | None]]]:
    """The points of each service on the axis: [seconds since zero, and the value of each row].

    If there are more than ``most``, neighbours are joined: the mean of the CPU, the largest of the other values.
    """
    data = {}
    for name in services(series):
        samples = [
            sample
            for sample in series
            if sample.service == name and span[0] <= (sample.at_ns - zero_ns) / 1e6 <= span[1]
        ]
        size = -(-len(samples) // most) or 1
        groups = (samples[start : start + size] for start in range(0, len(samples), size))
        data[name] = [_point(group, zero_ns) for group in groups]
    return data


def _point(group: Sequence[Sample], zero_ns: int) -> list[float | None]:
    files = [sample.descriptors for sample in group if sample.descriptors is not None]
    return [
        round((group[0].at_ns - zero_ns) / 1e9, 2),
        round(sum(sample.cpu for sample in group) / len(group), 2),
        round(max(sample.memory for sample in group) / MIB, 1),
        max(sample.processes for sample in group),
        max(files, default=None),
    ]


def words(series: Sequence[Sample]) -> str:
    """The highest values of each service in words."""
    return " · ".join(_peak(name, [sample for sample in series if sample.service == name]) for name in services(series))


def _peak(name: str, samples: Sequence[Sample]) -> str:
    files = [sample.descriptors for sample in samples if sample.descriptors is not None]
    sockets: dict[str, int] = {}
    for sample in samples:
        for state, number in sample.sockets.items():
            sockets[state] = max(number, sockets.get(state, 0))
    parts = [
        f"{max(sample.cpu for sample in samples):.1f} CPUs",
        f"{max(sample.memory for sample in samples) / MIB:.0f} MiB",
        f"{max(sample.processes for sample in samples)} processes",
        f"{max(files)} open files" if files else "",
        *(f"{number} {state}" for state, number in sorted(sockets.items()) if state in SHOWN_STATES),
    ]
    return f"{name} at most " + ", ".join(part for part in parts if part)
