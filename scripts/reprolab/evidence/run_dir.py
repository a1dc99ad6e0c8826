"""The run directory: all evidence of a run, written before judging and before the stack is removed.

results/<scenario>/<UTC>/ holds run.json, trials.jsonl (one line per finished trial), one directory per trial with the
logs of the services, the results of wrk and the probes, and later verdict.json and the reports.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reprolab.core.errors import EvidenceError, UsageError
from reprolab.core.files import format_errors, read_json, read_object, replacing, write_json, writing
from reprolab.core.typed import checked
from reprolab.engine.labels import SCENARIO
from reprolab.evidence import trials_file
from reprolab.evidence.alive import as_it_is
from reprolab.evidence.run_info import RunInfo
from reprolab.evidence.series import SERIES_FILE, Sample, read_series
from reprolab.evidence.whole import CheckedTrials, hold_against_plan
from reprolab.logs.log_file import LogFile, whole_log
from reprolab.scenario.trial import TrialRecord

STREAMS = "{}.streams"
PAGE = "report.html"
RUN_FILE = "run.json"
TRIALS = "trials.jsonl"
FIRST_TRIALS = "trials.first.jsonl"
# What a stack did when its trial went wrong, below the trial's directory.
FAILURE = "failure"
MACHINE_FILE = "machine.json"
MODEL = "compose.json"
# The label of a service that writes its log into a file; the value is its path in the container.
LOG_LABEL = "reprolab.log"


@dataclass(frozen=True)
class TrialDirectory:
    """The evidence directory of one trial."""

    path: Path

    def log_path(self, role: str) -> Path:
        """Return the path of the compressed log of one service."""
        return self.path / f"{role}.log.gz"

    def streams_path(self, role: str) -> Path:
        """Return the path of the standard streams of a service that has a separate log file."""
        return self.log_path(STREAMS.format(role))

    def streams(self, role: str) -> Iterator[bytes]:
        """Yield the lines of a service's standard streams, each after the engine's timestamp.

        For a service without a separate log file (label ``reprolab.log``) that is its whole log.
        """
        yield from whole_log(self.streams_file(role).path)

    def streams_file(self, role: str) -> LogFile:
        """Return the log with a service's standard streams, for a reader that shows a damaged one too."""
        path = self.streams_path(role)
        return LogFile(path if path.exists() or self._has_log_file(role) else self.log_path(role))

    def _has_log_file(self, role: str) -> bool:
        """Whether the trial's Compose file gives a service a log of its own: then its streams are another file."""
        file = self.path / MODEL
        if not file.is_file():
            return False
        model = read_object(file)
        with format_errors(file):
            every_labels = {name: service.get("labels") or {} for name, service in model.get("services", {}).items()}
            return any(
                LOG_LABEL in labels and name == f"{labels.get(SCENARIO, '')}-{role}"
                for name, labels in every_labels.items()
            )

    def lines(self, role: str) -> Iterator[bytes]:
        """Yield the lines of a service's log, each after the engine's timestamp. The log is read as a stream.

        A line of more than 1 MiB is cut (`log_file`). Raises DamagedLog.
        """
        yield from whole_log(self.log_path(role))

    @property
    def has_failure(self) -> bool:
        """Whether the stack was looked at when the trial went wrong."""
        return (self.path / FAILURE).is_dir()

    def series(self, role: str) -> list[Sample]:
        """What a service used, twice a second; empty where it could not be read (`machine` says why)."""
        return [sample for sample in read_series(self.path / SERIES_FILE) if sample.service == role]

    def machine(self) -> dict[str, Any] | None:
        """What the machine did during the trial; None if that was not recorded."""
        path = self.path / MACHINE_FILE
        return read_object(path) if path.exists() else None

    def write(self, name: str, data: object) -> None:
        """Write the result of a probe beside the logs, as JSON."""
        write_json(self.path / name, data)

    def write_text(self, name: str, text: str) -> None:
        target = self.path / name
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class RunDirectory:
    """One run's directory."""

    path: Path

    @property
    def name(self) -> str:
        """The run's name, which is its UTC stamp."""
        return self.path.name

    def info(self) -> RunInfo:
        """Read run.json. Raises UsageError if it is missing, broken, or not of this lab.

        The status of a run whose process has ended is not "running", whatever the file says.
        """
        path = self.path / RUN_FILE
        content = read_json(path)
        if not isinstance(content, Mapping) or "scenario" not in content:
            raise UsageError(f"{path} does not name its scenario", expected="a run of this lab")
        with format_errors(path):
            return as_it_is(checked(RunInfo.from_json(content)))

    def write_info(self, info: RunInfo) -> None:
        write_json(self.path / RUN_FILE, info.to_json())

    def trial(self, experiment: str, variant: str, number: int) -> TrialDirectory:
        """Return the directory of one trial, which exists after the first write."""
        return TrialDirectory(self.path / experiment / variant / str(number))

    def append(self, record: TrialRecord) -> None:
        """Add a finished trial to trials.jsonl and sync the file to disk.

        Where the trials were read again, it is added to those that were recorded first, too: the next reading begins
        with them.
        """
        first, last = self.path / FIRST_TRIALS, self.path / TRIALS
        for target in (first, last) if first.exists() else (last,):
            with writing(target), target.open("a", encoding="utf-8") as stream:
                stream.write(trials_file.to_line(record))
                stream.flush()
                os.fsync(stream.fileno())

    def ensure_kept(self) -> None:
        """Raise EvidenceError if somebody has removed the directory of the run: writing would make a new one."""
        if not (self.path / RUN_FILE).exists():
            raise EvidenceError(
                f"the directory of the run was removed while it ran ({self.path})",
                expected="a results directory that nobody changes during a run; the trials until then are lost",
                advice="run it again",
            )

    def trials(self) -> list[TrialRecord]:
        """Return the finished trials that can be read, in the order of their ends, each once.

        Who judges or shows them asks ``checked_trials``, which also tells what is wrong with the others.
        """
        return list(trials_file.read(self.path / TRIALS).records)

    def checked_trials(self) -> CheckedTrials:
        """Return the finished trials, held against the run's plan. Raises UsageError for a run.json that is broken."""
        return self._checked(self.path / TRIALS)

    def _checked(self, file: Path) -> CheckedTrials:
        info = self.info() if (self.path / RUN_FILE).exists() else None
        return hold_against_plan(trials_file.read(file), info, file.name)

    def first_trials(self) -> list[TrialRecord]:
        """Return the trials as the run itself recorded them, also if ``replace_trials`` was called since.

        Raises UsageError if a line is damaged: writing the others anew would hide it.
        """
        first = self.path / FIRST_TRIALS
        file = first if first.exists() else self.path / TRIALS
        checked = self._checked(file)
        if checked.faults:
            raise UsageError(
                f"the record of {self.name} is incomplete: {checked.words}",
                expected="all trials of the run, to read them again",
                advice=f"restore {file} from a copy, or run the scenario again",
            )
        return list(checked.records)

    def replace_trials(self, records: Iterable[TrialRecord]) -> None:
        """Write trials.jsonl anew, in one step. What the run itself recorded stays in trials.first.jsonl."""
        target, first = self.path / TRIALS, self.path / FIRST_TRIALS
        if not first.exists():
            with replacing(first) as draft:
                shutil.copyfile(target, draft)
        with replacing(target) as draft:
            draft.write_text("".join(map(trials_file.to_line, records)), encoding="utf-8")
