"""The report of a run as Markdown, to paste into a ticket: the answer, the claims, the table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reprolab.core.markdown import cell, code, foreign, grid, prose, prose_cell
from reprolab.evidence.run_info import RunInfo
from reprolab.report import table, terminal
from reprolab.report.machine import elsewhere_line
from reprolab.scenario.model import Scenario
from reprolab.verdict.answer import answer, looked_for
from reprolab.verdict.document import VerdictDocument


def summary(
    scenario: Scenario,
    run: RunInfo,
    tables: table.Tables,
    verdict: VerdictDocument,
    where: str,
    recorded: VerdictDocument | None,
) -> str:
    """The text of report.md; ``where`` names the directory of the evidence."""
    parts = [f"**{prose(answer(scenario, verdict, recorded).sentence)}**"]
    if numbers := terminal.counts(verdict):
        parts.append(foreign(numbers))
    if run.status and not run.complete:
        parts.append(f"This run is {foreign(run.status)}: {foreign(run.reason)}")
    parts += list(_claims(verdict))
    for name in terminal.sign_variants(verdict):
        parts.append(_signs(scenario, verdict, name, recorded))
    parts += [_results(scenario, name, rows) for name, rows in tables.items()]
    parts.append(f"{prose(scenario.title)}, {foreign(run.started)}. Document: {foreign(scenario.document.citation)}.")
    if line := elsewhere_line(run):
        parts.append(foreign(line))
    parts.append(f"Evidence: {code(where)}")
    return "\n\n".join(parts) + "\n"


def _claims(verdict: VerdictDocument) -> Iterator[str]:
    rows = [
        (
            _cell(claim.id),
            prose_cell(claim.text),
            claim.verdict + (", thin" if claim.thin else ""),
            prose_cell(claim.reason),
        )
        for claim in verdict.claims
        if verdict.asked(claim)
    ]
    if rows:
        yield grid(("", "claim", "verdict", "why"), rows)


def _signs(scenario: Scenario, verdict: VerdictDocument, variant: str, recorded: VerdictDocument | None) -> str:
    rows = [
        (
            prose_cell(row.words),
            cell(terminal.sign_answer(row.seen)),
            cell(terminal.sign_answer(row.recorded)) if row.recorded else table.NOTHING,
            _cell(" ".join(row.claims)),
        )
        for row in looked_for(scenario, verdict, variant, recorded)
    ]
    return grid(("sign", _cell(variant), "on record: documented", "claims"), rows)


def _results(scenario: Scenario, name: str, rows: Sequence[table.Row]) -> str:
    headings = table.headings(scenario.experiments[name])
    cells = [[row.variant, row.changes, row.trials, *(row.cells or [table.NOTHING] * len(headings))] for row in rows]
    return grid(
        ("variant", "changes", "valid", *map(_cell, headings)), [[_cell(text) for text in row] for row in cells]
    )


def _cell(text: str) -> str:
    return cell(foreign(text))
