"""The list of the documents that the scenarios test."""

from __future__ import annotations

from collections.abc import Iterable

from reprolab.core.markdown import grid, prose_cell
from reprolab.scenario.model import Document, Scenario

HEADINGS = ("title", "author", "date", "language", "licence", "scenario", "id")
NOTHING = "—"


def render(scenarios: Iterable[Scenario]) -> str:
    """A row for each document, with a dash for each fact that the scenario does not give."""
    rows = []
    for scenario in scenarios:
        document = scenario.document
        facts = [document.author, document.date, document.language, document.licence]
        cells = [_title(document), *(prose_cell(fact or NOTHING) for fact in facts)]
        story = f"[{scenario.name}](../scenarios/{scenario.name}/README.md)"
        rows.append([*cells, story, f"`{document.id}`" if document.id else NOTHING])
    return grid(HEADINGS, rows)


def _title(document: Document) -> str:
    title = prose_cell(document.title)
    return f"[{title}]({document.url})" if document.url else title
