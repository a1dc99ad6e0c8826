"""The chart of a curve: a line for each variant, and at each point of a rate the 95 % Wilson interval."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import altair as alt

from reprolab.core.stats import wilson
from reprolab.report.curves import PlottedCurve, cells, number_text
from reprolab.report.html.trials import Charts
from reprolab.report.html.vega import finished

HEIGHT = 240
AXIS = 48  # the room for the numbers and the title of the x axis
ROOM = 48  # the room for the numbers of the y axis
EDGE = 12  # pixels between the ends of the x axis and the outermost points
TICKS = 8
# Two lines of the same colour have points of different shapes.
COLOURS = ("--ok", "--client", "--present", "--ending", "--gone", "--note", "--traceback", "--started", "--server")
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down")


def figures(curves: Iterable[PlottedCurve], charts: Charts) -> list[dict[str, Any]]:
    """Each curve for the page: its chart, and its table. A curve without a common axis has only the table."""
    return [_figure(plotted, charts) for plotted in curves]


def _figure(plotted: PlottedCurve, charts: Charts) -> dict[str, Any]:
    headings, rows = cells(plotted)
    return {
        "title": plotted.curve.title,
        "label": label(plotted),
        "basis": plotted.basis,
        "lines": [(name, colour(plotted, name)) for name in plotted.lines if name],
        "chart": charts.add(curve_spec(plotted), kind="curve", rows=chart_rows(plotted)) if plotted.drawable else "",
        "height": HEIGHT + AXIS,
        "mistakes": plotted.mistakes,
        "headings": headings,
        "rows": rows,
    }


def label(plotted: PlottedCurve) -> str:
    """What a chart shows, for readers who do not see it."""
    return f"{plotted.curve.title}: {plotted.curve.y} over {plotted.curve.x}"


def colour(plotted: PlottedCurve, line: str) -> str:
    """The style sheet's colour for a line."""
    return f"var({COLOURS[plotted.lines.index(line) % len(COLOURS)]})"


def chart_rows(plotted: PlottedCurve) -> list[dict[str, Any]]:
    """The points of a chart."""
    rows = []
    for name, point in plotted.points:
        row = {"x": point.x, "l": "" if plotted.curve.over_variants else name, "v": name, "t": number_text(point.x)}
        if not isinstance(point.value, tuple):
            rows.append(row | {"y": point.value, "d": number_text(point.value)})
        elif point.value[1]:
            k, n = point.value
            low, high = wilson(k, n)
            rows.append(row | {"y": k / n, "lo": low, "hi": high, "d": f"{k} of {n}"})
    return rows


def curve_spec(plotted: PlottedCurve, legend: Any = None, **axis: Any) -> dict[str, Any]:
    """The specification of a chart, for the data of `chart_rows` under the name `curve`.

    ``axis`` are options of altair's for both axes.
    """
    curve, names, rate = plotted.curve, list(plotted.lines), plotted.is_rate
    whole = all(point.x == int(point.x) for _, point in plotted.points)
    steps: dict[str, Any] = {"tickMinStep": 1} if whole else {}
    x_axis = alt.Axis(tickCount=TICKS, labelFlush=False, **steps, **axis)
    x = alt.X("x:Q", title=curve.x, scale=alt.Scale(zero=False, padding=EDGE), axis=x_axis)
    numbers: dict[str, Any] = {"format": ".2~%"} if rate else {}
    y_options: dict[str, Any] = {
        "title": curve.y,
        "scale": alt.Scale(zero=True),
        "axis": alt.Axis(tickCount=TICKS, minExtent=ROOM, maxExtent=ROOM, **numbers, **axis),
    }
    y = alt.Y("y:Q", **y_options)
    shapes = [SHAPES[number % len(SHAPES)] for number in range(len(names))]
    colours = alt.Scale(domain=names, range=[colour(plotted, name) for name in names])
    ink = alt.Color("l:N", title=None, legend=legend, scale=colours)
    shape = alt.Shape("l:N", title=None, legend=legend, scale=alt.Scale(domain=names, range=shapes))
    fields = [("v:N", "variant"), ("t:N", curve.x), ("d:N", curve.y)]
    tooltip = [alt.Tooltip(field, title=title) for field, title in fields]
    base = alt.Chart(alt.NamedData("curve"))
    layers = [base.mark_line(strokeWidth=2).encode(x=x, y=y, color=ink)]
    if rate:
        ends = (("lo:Q", "from (95 %)"), ("hi:Q", "to (95 %)"))
        tooltip += [alt.Tooltip(field, title=title, format=".1%") for field, title in ends]
        bars = base.mark_rule(strokeWidth=2, opacity=0.55)
        layers.append(bars.encode(x=x, y=alt.Y("lo:Q", **y_options), y2="hi:Q", color=ink))
    points = base.mark_point(filled=True, size=70, opacity=1)
    layers.append(points.encode(x=x, y=y, color=ink, shape=shape, tooltip=tooltip))
    return finished(alt.layer(*layers), HEIGHT)
