"""A map in the terminal: the table, what changes between neighbours, and the reasons of cells without a result."""

from __future__ import annotations

from rich import box
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.style import Style
from rich.table import Table
from rich.text import Text

from reprolab.matrix import grid, layout
from reprolab.matrix.changes import has_thin, stories
from reprolab.matrix.document import CSV_FILE, PAGE, MatrixClaim, MatrixDocument
from reprolab.matrix.grid import Coordinates
from reprolab.matrix.layout import Layout
from reprolab.matrix.state import THIN, State, full_text, legend_of, short_text, state_of
from reprolab.report.table import list_first
from reprolab.report.terminal import GAP

STYLES = {
    State.SHOWN: "red",
    State.ABSENT: "green",
    State.MIXED: "magenta",
    State.INVALID: "yellow",
    State.NOT_EXERCISED: "yellow",
    State.DISTURBED: "yellow",
    State.UNREADABLE: "bold yellow",
    State.NOT_RUN: "dim",
}
RELEASED = "released"


def render(console: Console, document: MatrixDocument, where: str, verbose: bool = False) -> None:
    """Print the map. With ``verbose`` each cell also has a line with its interval, and the machines are named."""
    console.print(Text(layout.title(document), style="bold"))
    for line in layout.warnings(document):
        console.print(Text(line, style="yellow"))
    drawing = Layout(document)
    for claim in document.asked:
        console.print(_claim(drawing, claim, console.width, verbose))
    for line in _footer(drawing, verbose):
        console.print(Text(line, style="dim"))
    console.print(Text(f"map and evidence: {where}", style="bold"))


def _claim(drawing: Layout, claim: MatrixClaim, width: int, verbose: bool) -> RenderableType:
    document = drawing.document
    parts: list[RenderableType] = [Text(f"{claim.id}  {claim.text}")]
    if claim.sign:
        parts.append(Text(f"the sign: {claim.sign}", style="dim"))
    parts.append(_table(drawing, claim.id) if _width(drawing, claim.id) <= width else _list(drawing, claim.id))
    for story in stories(document, claim.id):
        parts.append(Text(story.heading, style="bold" if story.changes else ""))
        parts += [Padding(Text(words), (0, 0, 0, 2), expand=False) for words in story.changes]
    parts += [Text(f"{reason}: {names}", style="yellow") for reason, names in layout.reasons(document, claim.id)]
    legend = [text for _, text in legend_of(document, claim)]
    legend += [THIN] if has_thin(document, claim.id) else []
    parts.append(Text(" · ".join(legend), style="dim"))
    if verbose:
        parts += [
            Text(f"{grid.point_words(document.axes, cell.coordinates)}: {full_text(cell, claim.id)}", style="dim")
            for cell in document.cells
        ]
    return Group(*parts)


def _cell(drawing: Layout, row: str, column: Coordinates, claim: str) -> Text:
    """The text of a cell in the colour of its state, with the mark of its companions."""
    cell = drawing.cell(row, column)
    return Text(short_text(cell, claim) + drawing.mark(cell), style=STYLES[state_of(cell, claim)])


def _headings(drawing: Layout, claim: str) -> list[str]:
    """The headings of the columns of counts, with a line for each axis."""
    return ["\n".join(column) or claim for column in drawing.columns]


def _width(drawing: Layout, claim: str) -> int:
    """The width of the table in characters."""
    texts = [drawing.rows.factor, *grid.texts(drawing.rows)]
    widths = [max(map(cell_len, texts)), *([len("2000-01-01")] if layout.dates(drawing.rows) else [])]
    for heading, column in zip(_headings(drawing, claim), drawing.columns, strict=True):
        cells = [_cell(drawing, row, column, claim).plain for row in grid.texts(drawing.rows)]
        widths.append(max(cell_len(text) for text in (*heading.splitlines(), *cells)))
    return sum(widths) + GAP * (len(widths) - 1)


def _table(drawing: Layout, claim: str) -> Table:
    """The values of one axis as rows, with the dates of releases, and the combinations of the others as columns."""
    released = layout.dates(drawing.rows)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=_title(drawing), title_justify="left", title_style="dim")
    table.add_column(drawing.rows.factor, no_wrap=True)
    if released:
        table.add_column(RELEASED, no_wrap=True, style="dim")
    for heading in _headings(drawing, claim):
        table.add_column(heading, no_wrap=True, justify="right")
    for row in grid.texts(drawing.rows):
        cells = [_cell(drawing, row, column, claim) for column in drawing.columns]
        table.add_row(row, *([released[row]] if released else []), *cells)
    return table


def _title(drawing: Layout) -> str | None:
    """The factors of the columns, since their headings have only values."""
    return f"columns: {', '.join(axis.factor for axis in drawing.others)}" if drawing.others else None


def _list(drawing: Layout, claim: str) -> Table:
    """A line for each value of the rows, with the columns grouped by their text: for maps wider than the terminal."""
    released = layout.dates(drawing.rows)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0), title=_title(drawing))
    table.title_justify, table.title_style = "left", "dim"
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for row in grid.texts(drawing.rows):
        name = Text(row).append(f" {released[row]}" if released else "", "dim")
        groups: dict[str, list[str]] = {}
        styles: dict[str, str | Style] = {}
        for column in drawing.columns:
            text = _cell(drawing, row, column, claim)
            groups.setdefault(text.plain, []).append(layout.column_name(column))
            styles[text.plain] = text.style
        parts = [
            Text(text, style=styles[text]).append(f" {', '.join(names)}", "default") for text, names in groups.items()
        ]
        table.add_row(name, Text(" · ").join(parts))
    return table


def _footer(drawing: Layout, verbose: bool) -> list[str]:
    """What is true of the whole map: marks, what was left out, the number of trials, the machines."""
    document = drawing.document
    lines = [f"{mark} with {words}" for words, mark in drawing.marks.items()]
    lines += layout.notes(document)
    others = [claim.id for claim in document.claims if not claim.asked]
    lines += [f"counted too: {list_first(others)}; see {PAGE} and {CSV_FILE} there"] if others else []
    lines += [layout.BY_FEW] if document.trials > 1 else []
    lines.append(layout.effort(document))
    return [*lines, *document.hosts] if verbose else lines
