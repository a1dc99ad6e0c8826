"""A report of one screen: some variants and some claims of the run on record, in the layout of the full report."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

from rich import box
from rich.table import Table

from reprolab.core.number_words import plural
from reprolab.core.terminal import Terminal
from reprolab.report import terminal
from reprolab.report.table import Row
from reprolab.scenario.model import Scenario
from reprolab.verdict.answer import answer
from reprolab.verdict.document import ClaimVerdict, VerdictDocument
from reprolab.verdict.record import RecordedRun

WIDTH = 120
COLUMNS = 5


def render(
    scenario: Scenario,
    record: RecordedRun,
    headings: Sequence[str],
    rows: Sequence[Row],
    claims: Sequence[ClaimVerdict],
) -> str:
    """The text of the report, with these rows of the results table and these claims of the verdict."""
    verdict = record.verdict
    stream = io.StringIO()
    console = Terminal(file=stream, width=WIDTH, no_color=True)
    console.print(answer(scenario, verdict).sentence)
    console.print(terminal.counts(verdict))
    console.print(terminal.claims(replace(verdict, claims=tuple(claims))))
    console.print(_grid(headings[:COLUMNS], rows))
    console.print(_left_out(verdict, headings, rows, claims))
    console.print(f"{scenario.name} · {scenario.title}   {record.info.started}")
    console.print(f"evidence: results/{scenario.name}/{verdict.run}/", soft_wrap=True)
    lines = (line.rstrip() for line in stream.getvalue().splitlines())
    return "\n".join(line for line in lines if line)


def _grid(headings: Sequence[str], rows: Sequence[Row]) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("variant", "changes"):
        grid.add_column(heading, no_wrap=True)
    for heading in ("valid", *headings):
        grid.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        grid.add_row(row.variant, row.changes, row.trials, *row.cells[: len(headings)])
    return grid


def _left_out(
    verdict: VerdictDocument,
    headings: Sequence[str],
    rows: Sequence[Row],
    claims: Sequence[ClaimVerdict],
) -> str:
    numbers = {
        "column": len(headings[COLUMNS:]),
        "variant": len(verdict.variants) - len(rows),
        "claim": len(verdict.claims) - len(claims),
    }
    words = ", ".join(plural(number, name) for name, number in numbers.items() if number)
    return f"… left out here: {words}" if words else ""
