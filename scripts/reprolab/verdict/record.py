"""Judges a run, and reads and writes the recorded run of a scenario (recorded.json)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reprolab.core.files import format_errors, read_json, write_json
from reprolab.core.typed import checked
from reprolab.evidence import packages
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import COMPLETE, RunInfo
from reprolab.evidence.whole import CheckedTrials
from reprolab.scenario.model import Scenario
from reprolab.verdict.document import VerdictDocument, read_verdict, write_verdict
from reprolab.verdict.judge import judge
from reprolab.verdict.measured import Measured

RECORDED = "recorded.json"


@dataclass(frozen=True)
class RecordedRun:
    """The content of recorded.json: the verdict of a reviewed run, its machine, and the values for its tables.

    ``info`` has time, host, bases, packages, times, the digest of the case and the lab's version; its packages are
    those of ``packages.compact``. ``measured`` is variant, named as in the verdict -> the values of its columns.
    """

    verdict: VerdictDocument
    info: RunInfo
    measured: Mapping[str, Measured] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RecordedRun:
        """Read the content of recorded.json. Raises KeyError, TypeError or ValueError for anything else."""
        verdict = VerdictDocument.from_json(data)
        info = RunInfo.from_json({"scenario": verdict.scenario, **data})
        info = replace(info, status=COMPLETE, packages=packages.expand(data.get("packages", {})))
        return cls(verdict, info, {name: Measured.from_json(row) for name, row in data.get("measured", {}).items()})

    def to_json(self) -> dict[str, Any]:
        observed = self.info.observed.to_json() if self.info.observed else None
        versions = {"case": self.info.case, "lab": self.info.lab, "observed": observed}
        plain = {
            "started": self.info.started,
            "host": self.info.host.to_json(),
            "bases": {name: base.to_json() for name, base in self.info.bases.items()},
            "packages": packages.compact(self.info.packages),
            "times": self.info.times,
            # Records of older releases have no case and no lab.
            **{name: value for name, value in versions.items() if value},
            "measured": {name: row.to_json() for name, row in self.measured.items()},
        }
        return self.verdict.to_json() | plain


def recorded_path(scenario: Scenario) -> Path:
    """The path of the scenario's recorded.json."""
    return scenario.directory / RECORDED


def read_record(scenario: Scenario) -> RecordedRun | None:
    """Read the scenario's recorded.json; None if there is none. Raises UsageError for a broken file."""
    path = recorded_path(scenario)
    if not path.exists():
        return None
    content = read_json(path)
    with format_errors(path):
        return checked(RecordedRun.from_json(content))


def write_record(scenario: Scenario, record: RecordedRun) -> Path:
    """Write the scenario's recorded.json; returns its path."""
    path = recorded_path(scenario)
    # The content is deeply nested: a wider indent makes the file a third larger.
    write_json(path, record.to_json(), indent=1)
    return path


def recorded_verdict(scenario: Scenario) -> VerdictDocument | None:
    """The recorded verdict of a scenario; None if there is none."""
    record = read_record(scenario)
    return record.verdict if record else None


def judge_run(scenario: Scenario, run: RunDirectory) -> VerdictDocument:
    """Judge a run from its files, and write verdict.json."""
    verdict = judge_trials(scenario, run, run.checked_trials(), recorded_verdict(scenario))
    write_verdict(run, verdict)
    return verdict


def judge_trials(
    scenario: Scenario, run: RunDirectory, trials: CheckedTrials, recorded: VerdictDocument | None = None
) -> VerdictDocument:
    """The verdict on a run's trials; nothing is written."""
    return judge(scenario, run.name, trials.records, recorded, trials.doubted)


def verdict_of(
    scenario: Scenario, run: RunDirectory, trials: CheckedTrials, recorded: VerdictDocument | None
) -> VerdictDocument:
    """The verdict of verdict.json; judged anew where there is none, or where the trials were damaged since."""
    stored = None if trials.faults else read_verdict(run)
    return stored or judge_trials(scenario, run, trials, recorded)
