"""The chart of a claim that counts tries: k of n with the interval, for each variant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import altair as alt

from reprolab.report.html.vega import LEFT, finished

LETTER = 7.5
ROW = 24


def rate_chart(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The chart of a claim's rates; ``rows`` are mappings with variant, k, n, low, high, expected."""
    values = [
        {
            "v": row["variant"],
            "p": row["k"] / row["n"] if row["n"] else None,
            "lo": row["low"] if row["n"] else None,
            "hi": row["high"] if row["n"] else None,
            "e": "shows" if row["expected"] else "absent",
            "d": f"{row['k']} of {row['n']}",
        }
        for row in rows
    ]
    longest = max((len(row["v"]) for row in values), default=0)
    return {"spec": _rate_spec(-(-longest // 6) * 6), "data": {"rates": values}}


@cache
def _rate_spec(letters: int) -> dict[str, Any]:
    """The specification, which many claims share: one row for each variant. The page's script sets the height.

    ``letters`` is the room for the names of the variants, in letters.
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
    fields = [
        alt.Tooltip("v:N", title="variant"),
        alt.Tooltip("d:N", title="rate"),
        alt.Tooltip("e:N", title="expected"),
        alt.Tooltip("lo:Q", title="from (95 %)", format=".1%"),
        alt.Tooltip("hi:Q", title="to (95 %)", format=".1%"),
    ]
    base = alt.Chart(alt.NamedData("rates"))
    lines = base.mark_rule(strokeWidth=3, opacity=0.55).encode(x=x, x2="hi:Q", y=y, color=ink, tooltip=fields)
    points = base.mark_point(filled=True, size=80, opacity=1).encode(x="p:Q", y=y, color=ink, tooltip=fields)
    return finished(alt.layer(lines, points), ROW)
