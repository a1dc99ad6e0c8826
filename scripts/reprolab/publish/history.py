"""history.jsonl of a scenario: one line for each run that was put on record, the oldest first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reprolab.core.errors import UsageError
from reprolab.core.files import replacing
from reprolab.scenario.model import Scenario
from reprolab.verdict.record import RecordedRun

HISTORY = "history.jsonl"
BASE_FACTS = ("reference", "id", "digest", "origin")


def history_path(scenario: Scenario) -> Path:
    """The path of the scenario's history.jsonl."""
    return scenario.directory / HISTORY


def line(record: RecordedRun) -> dict[str, Any]:
    """The line of a recorded run: when and on what it ran, and the verdict on each claim."""
    info = record.info
    return {
        "date": info.started,
        "run": record.verdict.run,
        "verdicts": {claim.id: str(claim.verdict) for claim in record.verdict.claims},
        "kernel": info.host.kernel,
        "engine": info.host.engine,
        "lab": info.lab or None,
        "case": info.case or None,
        "bases": {
            name: {fact: value for fact, value in base.to_json().items() if fact in BASE_FACTS}
            for name, base in info.bases.items()
        },
    }


def append(scenario: Scenario, record: RecordedRun) -> Path:
    """Add the line of a recorded run to history.jsonl; returns its path. The file is never left half written.

    A run that was judged again, and put on record again, replaces its line if that is the last one. Raises UsageError
    if a line of the file is damaged.
    """
    path = history_path(scenario)
    before = _read(path)
    if before and json.loads(before[-1]).get("run") == record.verdict.run:
        before.pop()
    with replacing(path) as draft:
        lines = [*before, json.dumps(line(record), ensure_ascii=False)]
        draft.write_text("".join(f"{text}\n" for text in lines), encoding="utf-8")
    return path


def _read(path: Path) -> list[str]:
    """The lines of the history; none without one. Raises UsageError that names the first line that is damaged."""
    content = path.read_bytes() if path.exists() else b""
    lines = []
    for number, text in enumerate(content.removesuffix(b"\n").split(b"\n") if content else (), 1):
        try:
            lines.append(text.decode("utf-8"))
            entry = json.loads(lines[-1])
        except (ValueError, RecursionError):
            entry = None
        if not isinstance(entry, dict):
            raise UsageError(
                f"{path}, line {number} is damaged",
                expected="one JSON object a line, for each run that was put on record",
                advice=f"git checkout {path} restores it",
            )
    return lines
