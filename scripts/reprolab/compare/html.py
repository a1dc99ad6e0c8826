"""A comparison as one HTML page."""

from __future__ import annotations

from reprolab.compare import wording
from reprolab.compare.comparison import Comparison
from reprolab.compare.differences import Standing
from reprolab.compare.line_counts import LEFT, RIGHT
from reprolab.compare.terminal import MARKS
from reprolab.report import table
from reprolab.report.html import page

OUTSTANDING = 16
# A table with at most this number of rows is open at first.
SHORT = 12


def render(comparison: Comparison) -> str:
    """The HTML text of the page. All values are escaped, and the page needs no other file."""
    findings = comparison.findings
    top = [finding for finding in findings if finding.standing <= Standing.CHANGED][:OUTSTANDING]
    return page.render(
        __package__,
        "compare.html.j2",
        comparison=comparison,
        names=(comparison.name(LEFT), comparison.name(RIGHT)),
        changes=tuple(table.changes_text(side.trials[0].factors) for side in comparison.sides),
        marks=MARKS,
        top=top,
        further={
            source.name: [finding for finding in source.findings if finding not in top] for source in comparison.sources
        },
        words=wording,
        Standing=Standing,
        short=SHORT,
    )
