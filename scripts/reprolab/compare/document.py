"""The comparison of two sides as a JSON document, for programs (docs/schemas/compare.json)."""

from __future__ import annotations

from typing import Any

from reprolab.compare.comparison import Comparison, LogPair
from reprolab.compare.differences import Finding
from reprolab.compare.line_counts import LEFT, RIGHT
from reprolab.compare.observations import Facts

SCHEMA = 1
SIDES = ("left", "right")


def document(comparison: Comparison) -> dict[str, Any]:
    """The differences of a comparison; ``findings`` come in the order of the report. The lines around are left out."""
    return {
        "schema": SCHEMA,
        "left": _side(comparison, LEFT),
        "right": _side(comparison, RIGHT),
        "warnings": list(comparison.warnings),
        "facts": [_facts(group) for group in comparison.facts],
        "findings": [_finding(finding) for finding in comparison.findings],
        "logs": [_log(pair) for pair in comparison.sources],
    }


def _side(comparison: Comparison, number: int) -> dict[str, Any]:
    side = comparison.sides[number]
    return {
        "name": comparison.name(number),
        "scenario": side.scenario,
        "run": side.run.name,
        "experiment": side.experiment,
        "variant": side.variant,
        "factors": dict(side.trials[0].factors),
        "trials": [trial.trial for trial in side.trials],
        "by_hand": side.by_hand,
    }


def _facts(group: Facts) -> dict[str, Any]:
    rows = [{"name": row.name, "left": row.left, "right": row.right} for row in group.rows]
    return {"title": group.title, "differences": rows, "same": group.same, "notes": list(group.notes)}


def _finding(finding: Finding) -> dict[str, Any]:
    """A kind of line that differs; ``standing`` says how, as a word; ``at_ms`` may be null."""
    first = {
        name: None if seen is None else {"line": seen.line, "at_ms": seen.at_ms, "text": seen.text}
        for name, seen in zip(SIDES, finding.first, strict=True)
    }
    return {
        "log": finding.source,
        "standing": finding.standing.name.lower(),
        "more_in": SIDES[finding.side],
        "normalized": finding.normalized,
        "counts": {name: list(counts) for name, counts in zip(SIDES, finding.counts, strict=True)},
        "first": first,
        "weight": finding.weight,
        "more": finding.more,
    }


def _log(pair: LogPair) -> dict[str, Any]:
    lines = {name: list(counts) for name, counts in zip(SIDES, pair.lines, strict=True)}
    return {"name": pair.name, "lines": lines, "alike": pair.alike, "notes": list(pair.notes)}
