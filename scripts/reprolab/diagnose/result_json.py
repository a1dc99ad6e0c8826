"""The answer of a diagnosis as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from reprolab.diagnose.assess import Assessment
from reprolab.diagnose.case_command import CaseCommand
from reprolab.diagnose.mask import masked
from reprolab.diagnose.matcher import Match
from reprolab.diagnose.session import Diagnosis

SCHEMA = 1


def to_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """The answer. Lines are masked as in the text; of the settings only those that count for a case are in it."""
    return {
        "schema": SCHEMA,
        "logs": [{"name": log.name, "lines": log.lines, "remarks": list(log.remarks)} for log in diagnosis.logs],
        "releases": [asdict(release) for release in dict.fromkeys(diagnosis.facts.releases)],
        "not_read": [asdict(row) for row in dict.fromkeys(diagnosis.facts.unread)],
        "cases": [_case(row, command) for row, command in zip(diagnosis.assessments, diagnosis.commands, strict=True)],
        "compared_with": list(diagnosis.compared_with),
        "unusual": [asdict(row) for row in diagnosis.unusual] if not diagnosis.shown else [],
    }


def _case(assessment: Assessment, command: CaseCommand) -> dict[str, Any]:
    return {
        "scenario": assessment.scenario,
        "experiment": assessment.signature.experiment,
        "title": assessment.signature.title,
        "level": str(assessment.level),
        "lines": [_line(match) for match in assessment.matches],
        "for": list(assessment.for_it),
        "against": list(assessment.against),
        "unknown": list(assessment.unknown),
        "decides": assessment.signature.decides,
        "known_from": [
            {"what": known.what, "claim": known.claim, "url": known.url} for known in assessment.signature.known_from
        ],
        "command": command.text,
        "factors": dict(command.factors),
    }


def _line(match: Match) -> dict[str, Any]:
    return {
        "log": match.log,
        "line": match.line,
        "server": match.server,
        "what": match.what,
        "text": masked(match.text),
    }
