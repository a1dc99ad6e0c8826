"""A comparison as one HTML page."""

from __future__ import annotations

from typing import Any

from reprolab.compare import wording
from reprolab.compare.comparison import Comparison
from reprolab.compare.differences import Standing
from reprolab.compare.facts import COLUMNS, SIGNS, VERDICTS
from reprolab.compare.line_counts import LEFT, RIGHT
from reprolab.compare.terminal import MARKS
from reprolab.report import table
from reprolab.report.html import page, trials, vega

OUTSTANDING = 16
# A table with at most this number of rows is open at first.
SHORT = 12
# The groups of facts that say what came out; the others say what was different from the beginning.
RESULTS = (SIGNS, COLUMNS, VERDICTS)


def render(comparison: Comparison) -> str:
    """The HTML text of the page. All values are escaped, and the page needs no other file."""
    findings = comparison.findings
    top = [finding for finding in findings if finding.standing <= Standing.CHANGED][:OUTSTANDING]
    charts = trials.Charts()
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
        opened=next((finding for finding in top if wording.frames(finding)), None),
        picture=_picture(comparison, charts),
        charts=page.script_json(charts.to_json()),
        library=vega.library() if charts.items else "",
        results=[group for group in comparison.facts if group.title in RESULTS],
        causes=[group for group in comparison.facts if group.title not in RESULTS],
        short=SHORT,
    )


def _picture(comparison: Comparison, charts: trials.Charts) -> dict[str, Any] | None:
    """The timelines of the first trial of each side, on one axis; None without a common scenario or without events."""
    if comparison.scenario is None:
        return None
    experiment = comparison.scenario.experiments.get(comparison.left.experiment)
    rows = [(side, side.trials[0]) for side in comparison.sides]
    if experiment is None or not all(row.valid for _, row in rows):
        return None
    shown = [trials.read_trial(experiment, side.directory(row), row) for side, row in rows]
    if not all(trial.timeline for trial in shown):
        return None
    picture = trials.opening(shown, charts)
    for side, track in enumerate(picture["tracks"] if picture else ()):
        track["name"] = f"{MARKS[side]} {comparison.name(side)}"
    return picture
