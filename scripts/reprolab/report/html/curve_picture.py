"""The picture of a curve as SVG, for pages that run no script. Equal points give equal bytes."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from reprolab.report.curves import PlottedCurve
from reprolab.report.html.curve_chart import chart_rows, curve_spec

WIDTH = 560
# Pixels around the drawing. No part of the layout depends on the width of a text, as machines measure it differently.
PADDING = {"left": 76, "right": 24, "top": 14, "bottom": 50}
LETTER = 7  # pixels
SYMBOL = 30  # pixels beside a name in the legend
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
STYLES = Path(__file__).parent / "templates" / "page.css"
SCHEME = re.compile(r"--([\w-]+): (#[0-9a-f]{6})")
# Parts that nobody sees. Some have the measured width of a text.
INVISIBLE = re.compile(r'<path class="(?:background|foreground)"[^>]*/>')
VARIABLE = re.compile(r"var\(--([\w-]+)\)")


def picture(plotted: PlottedCurve) -> str:
    """The SVG text; "" if the curve has nothing to draw.

    It has the light colours of the pages, and where the reader's system asks for it the dark ones.
    """
    if not plotted.drawable:
        return ""
    svg: str = vl_convert.vegalite_to_svg(_spec(plotted) | {"datasets": {"curve": chart_rows(plotted)}})
    svg = INVISIBLE.sub("", svg)
    light, dark = _schemes()
    names = sorted(set(VARIABLE.findall(svg)))
    rules = "".join(f'[{part}="{light[name]}"]{{{part}:{dark[name]}}}' for name in names for part in ("fill", "stroke"))
    svg = VARIABLE.sub(lambda match: light[match[1]], svg)
    style = f"<style>@media (prefers-color-scheme:dark){{{rules}}}</style>"
    return re.sub(r"(<svg\b[^>]*>)", rf"\1{style}", svg, count=1).rstrip() + "\n"


def _spec(plotted: PlottedCurve) -> dict[str, Any]:
    legend = alt.Legend(orient="right", labelLimit=0) if len(plotted.lines) > 1 else None
    spec = curve_spec(plotted, legend, labelOverlap=False, titlePadding=8)
    letters = max(map(len, plotted.lines)) if legend else 0
    room = letters * LETTER + SYMBOL if legend else 0
    spec |= {"width": WIDTH, "autosize": "none", "padding": PADDING | {"right": PADDING["right"] + room}}
    spec["config"] |= {
        "font": FONT,
        "background": "var(--paper)",
        "aria": False,
        "legend": {"labelColor": "var(--ink)", "labelFontSize": 12, "symbolOpacity": 1},
    }
    return spec


@cache
def _schemes() -> tuple[dict[str, str], dict[str, str]]:
    """The colours of the pages, by their names: light and dark."""
    light, dark = STYLES.read_text(encoding="utf-8").split("@media screen and (prefers-color-scheme: dark)")[:2]
    return dict(SCHEME.findall(light)), dict(SCHEME.findall(dark.partition("\n* {")[0]))
