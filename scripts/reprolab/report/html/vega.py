"""What all charts of a page share: the drawing library inside the page, and how a chart becomes data.

Vega draws in the reader's browser. Colours are names of the page's style sheet, which knows light and dark.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import vl_convert

# Room for a lane's name at the left, the same in every chart, so that the axes stand one under the other.
LEFT = 96


@cache
def library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, to go into the page: it sets `vegaEmbed`."""
    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    whose = f"Vega {vl_convert.get_vega_version()}, Vega-Lite and Vega-Embed, BSD 3-Clause, brought here by vl-convert"
    # A script element ends at these characters even where they stand in a text of the program.
    return f"/*! {whose} */\n" + bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def finished(chart: Any, height: int) -> dict[str, Any]:
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
