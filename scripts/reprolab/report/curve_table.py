"""Curves in the terminal: a compact table for each, where it is readable."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest

from rich import box
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from reprolab.core.number_words import plural
from reprolab.evidence.run_dir import PAGE
from reprolab.report.curves import Cells, PlottedCurve, cells

WIDEST = 100  # characters
MOST_ROWS = 24
GAP = 3  # characters between two columns


def tables(curves: Iterable[PlottedCurve], width: int) -> RenderableType:
    """A table for each curve. A curve with too many points for a table is on the page."""
    parts: list[RenderableType] = []
    for plotted in curves:
        curve = plotted.curve
        parts.append(Text(f"{curve.title}: {curve.y}, over {curve.x}", style="bold"))
        content = _readable(plotted, min(width, WIDEST))
        if content:
            parts.append(_table(*content))
        else:
            many = f"{plural(len(plotted.points), 'point')} of {plural(len(plotted.lines), 'line')}"
            parts.append(Text(f"{many} are too many for a table here; {PAGE} has the curve", style="dim"))
        parts += [Text(line, style="yellow") for line in plotted.mistakes]
    return Group(*parts)


def _readable(plotted: PlottedCurve, width: int) -> Cells | None:
    """The table with fewer columns, or the other one if only that fits; None if neither fits."""
    both = [cells(plotted, intervals=False, across=across) for across in (False, True)]
    for content in sorted(both, key=lambda content: len(content[0])):
        if len(content[1]) <= MOST_ROWS and _width(content) <= width:
            return content
    return None


def _width(content: Cells) -> int:
    headings, rows = content
    columns = zip_longest(headings, *rows, fillvalue="")
    return sum(max(map(cell_len, column)) + GAP for column in columns) - GAP


def _table(headings: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, heading in enumerate(headings):
        grid.add_column(heading, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        grid.add_row(*row)
    return grid
