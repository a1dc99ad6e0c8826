"""The verdict of a run, and the run on record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reprolab.core.files import format_errors, read_json, write_json
from reprolab.evidence import packages
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import COMPLETE, RunInfo
from reprolab.scenario.model import Scenario
from reprolab.verdict.document import VerdictDocument, write_verdict
from reprolab.verdict.judge import judge
from reprolab.verdict.measured import Measured

RECORDED = "recorded.json"


@dataclass(frozen=True)
class RecordedRun:
    """The content of recorded.json: a reviewed run's verdict, on what it ran, and what its tables are made from.

    ``info`` has time, host, bases, packages (as ``packages.compact`` writes them) and times. ``measured`` is
    variant -> the values of its columns; a variant has the name that it has in the verdict.
    """

    verdict: VerdictDocument
    info: RunInfo
    measured: Mapping[str, Measured] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RecordedRun:
        """Read the content of recorded.json; KeyError and the like for what is none."""
        verdict = VerdictDocument.from_json(data)
        info = RunInfo.from_json({"scenario": verdict.scenario, **data})
        info = replace(info, status=COMPLETE, packages=packages.expand(data.get("packages", {})))
        return cls(verdict, info, {name: Measured.from_json(row) for name, row in data.get("measured", {}).items()})

    def to_json(self) -> dict[str, Any]:
        """The content of recorded.json."""
        return self.verdict.to_json() | {
            "started": self.info.started,
            "host": self.info.host.to_json(),
            "bases": {name: base.to_json() for name, base in self.info.bases.items()},
            "packages": packages.compact(self.info.packages),
            "times": self.info.times,
            "measured": {name: row.to_json() for name, row in self.measured.items()},
        }


def recorded_path(found: Scenario) -> Path:
    """Where the scenario's recorded.json lies."""
    return found.directory / RECORDED


def read_record(found: Scenario) -> RecordedRun | None:
    """The scenario's recorded.json, if it has one."""
    path = recorded_path(found)
    if not path.exists():
        return None
    content = read_json(path)
    with format_errors(path):
        return RecordedRun.from_json(content)


def write_record(found: Scenario, record: RecordedRun) -> Path:
    """Write the scenario's recorded.json; returns its path."""
    path = recorded_path(found)
    # Deeply nested: a third of it would be spaces.
    write_json(path, record.to_json(), indent=1)
    return path


def recorded_verdict(found: Scenario) -> VerdictDocument | None:
    """The verdict on record, if there is one."""
    record = read_record(found)
    return record.verdict if record else None


def judge_run(found: Scenario, run: RunDirectory) -> VerdictDocument:
    """Judge a run from its files and write verdict.json; the same whether right after the run or years later."""
    verdict = judge(found, run.name, run.trials(), recorded_verdict(found))
    write_verdict(run, verdict)
    return verdict
