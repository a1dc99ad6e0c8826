"""The verdict of a run, and the one on record."""

from __future__ import annotations

from typing import Any

from reprolab.core import files
from reprolab.evidence.run_dir import RunDirectory
from reprolab.scenario.model import Scenario
from reprolab.verdict.judge import judge

RECORDED = "recorded.json"


def recorded_verdict(found: Scenario) -> dict[str, Any] | None:
    """The scenario's recorded.json, if it has one."""
    path = found.directory / RECORDED
    return files.read_json(path) if path.exists() else None


def judge_run(found: Scenario, run: RunDirectory) -> dict[str, Any]:
    """Judge a run from its files and write verdict.json; the same whether right after the run or years later."""
    verdict = judge(found, run.name, run.trials(), recorded_verdict(found))
    files.write_json(run.path / "verdict.json", verdict)
    return verdict
