"""The common part of all charts of a page: the drawing library, and the specification of a chart as data.

Vega draws the charts in the reader's browser. The colours are variables of the page's style sheet, which has a light
and a dark scheme.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import vl_convert

# Room for the names of lanes at the left, the same in all charts, so that the axes are aligned.
LEFT = 112


@cache
def library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script for the page. The script defines `vegaEmbed`."""
    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    licence = (
        f"Vega {vl_convert.get_vega_version()}, Vega-Lite and Vega-Embed, BSD 3-Clause, brought here by vl-convert"
    )
    # These characters end a script element, even within a string of the program.
    return f"/*! {licence} */\n" + bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def finished(chart: Any, height: int) -> dict[str, Any]:
    """The chart's specification as data, with the width of its element and the colours of the page."""
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
