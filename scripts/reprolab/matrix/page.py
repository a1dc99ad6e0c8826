"""A map as one HTML page that needs no network: tables whose cells are coloured by their state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from reprolab.evidence import run_dir
from reprolab.matrix import forecast, grid, layout
from reprolab.matrix.changes import has_thin, line_changes, stories
from reprolab.matrix.document import CSV_FILE, MATRIX_FILE, TEXT_FILE, MatrixCell, MatrixClaim, MatrixDocument
from reprolab.matrix.grid import Coordinates
from reprolab.matrix.layout import Layout
from reprolab.matrix.state import THIN, full_text, legend_of, short_text, state_of
from reprolab.report.html import page

# The directory of all results, from that of a map: results/matrix/SCENARIO/STAMP/.
RESULTS = Path("../../..")
# Claims that were not asked for are left out of a page that would have more cells.
MOST_CELLS = 12_000


@dataclass(frozen=True)
class DrawnCell:
    """A cell of a table. ``kind`` is the CSS class of its state, ``share`` the part of its trials with the sign.

    ``edge``: the cell before it in its column is in another state. ``place`` is a link to its evidence, "" without.
    """

    text: str
    mark: str
    kind: str
    share: float
    title: str
    place: str
    edge: bool = False
    documented: bool = False


def render_page(directory: Path, document: MatrixDocument) -> str:
    """The HTML text of the page of a map that lies in ``directory``. All values are escaped."""
    drawing = Layout(document)
    room = max(len(document.asked), MOST_CELLS // max(len(document.cells), 1))
    claims, left_out = document.claims[:room], document.claims[room:]
    places = {cell.coordinates: evidence_link(directory, cell) for cell in document.cells}
    sections = [_section(drawing, claim, places) for claim in claims]
    return page.render(
        __package__,
        "matrix.html.j2",
        document=document,
        title=layout.title(document),
        warnings=layout.warnings(document),
        sections=sections,
        reasons_first_at=_reasons_first_at(sections),
        left_out=[claim.id for claim in left_out],
        marks=[(mark, words) for words, mark in drawing.marks.items()],
        rows=drawing.rows,
        released=layout.dates(drawing.rows),
        headings=_headings(drawing),
        few=layout.BY_FEW if document.trials > 1 else "",
        facts=_facts(document),
        files=[MATRIX_FILE, CSV_FILE, TEXT_FILE],
    )


def _section(drawing: Layout, claim: MatrixClaim, places: dict[Coordinates, str]) -> dict[str, Any]:
    """A claim with its sentences, its table and its reasons."""
    document = drawing.document
    edges = {
        point
        for row in line_changes(document, claim.id)
        if row.line.axis == drawing.row
        for change in row.changes
        for point in row.line.points
        if point[drawing.row] == change.after
    }
    cells = {
        row: [_draw(drawing, drawing.cell(row, column), claim.id, places, edges) for column in drawing.columns]
        for row in grid.texts(drawing.rows)
    }
    return {
        "claim": claim,
        "stories": stories(document, claim.id),
        "cells": cells,
        "legend": [(_css(state), text) for state, text in legend_of(document, claim)],
        "thin": THIN if has_thin(document, claim.id) else "",
        "reasons": layout.reasons(document, claim.id),
    }


def _reasons_first_at(sections: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Claim -> the first claim with the same reasons for the same cells; a cell that cannot start lacks all claims."""
    first: dict[tuple[Any, ...], str] = {}
    reasons = {section["claim"].id: tuple(section["reasons"]) for section in sections}
    return {claim: first.setdefault(why, claim) for claim, why in reasons.items()}


def _draw(
    drawing: Layout, cell: MatrixCell, claim: str, places: dict[Coordinates, str], edges: set[Coordinates]
) -> DrawnCell:
    document, count = drawing.document, cell.count(claim)
    with_companions = f" (with {grid.settings_words(cell.companions)})" if cell.companions else ""
    where = f"{grid.point_words(document.axes, cell.coordinates)}{with_companions}"
    return DrawnCell(
        short_text(cell, claim),
        drawing.mark(cell),
        _css(state_of(cell, claim)),
        count.shown / count.trials if count.trials else 0.0,
        f"{where}: {full_text(cell, claim)}",
        places[cell.coordinates],
        cell.coordinates in edges,
        not cell.changes,
    )


def _css(state: str) -> str:
    return str(state).replace(" ", "-")


def evidence_link(directory: Path, cell: MatrixCell) -> str:
    """The report of a cell's evidence, or its directory; "" if it is not there. Relative to the map's directory."""
    evidence = Path(cell.evidence)
    if not cell.evidence or evidence.is_absolute() or ".." in evidence.parts:
        return ""
    place = RESULTS / evidence
    if (directory / place / run_dir.PAGE).is_file():
        return quote((place / run_dir.PAGE).as_posix())
    return quote(f"{place.as_posix()}/") if (directory / place).is_dir() else ""


def _headings(drawing: Layout) -> list[list[tuple[str, int]]]:
    """A row of headings for each axis of the columns: (value, number of columns that it spans)."""
    rows, above, below = [], 1, len(drawing.columns)
    for axis in drawing.others:
        below //= len(axis.values)
        rows.append([(text, below) for text in grid.texts(axis)] * above)
        above *= len(axis.values)
    return rows


def _facts(document: MatrixDocument) -> list[tuple[str, list[str]]]:
    """The facts of a map as (name, lines); unknown facts are left out."""
    facts = [
        *((axis.factor, list(forecast.axis_lines(axis))) for axis in document.axes),
        ("in all cells", [grid.settings_words(document.fixed)]),
        ("trials", [layout.effort(document)]),
        ("budget", [f"{document.budget:g} s"] if document.budget is not None else []),
        ("measured", [document.started]),
        ("command", [" ".join(document.command)]),
        ("machines", list(document.hosts)),
        ("documented stack", [grid.settings_words(document.documented)]),
        ("lab", [document.lab]),
        ("case files", [document.case]),
    ]
    return [(name, lines) for name, lines in facts if any(lines)]
