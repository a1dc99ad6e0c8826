"""The run directory: everything a run leaves behind, written before anything is judged or torn down.

results/<scenario>/<UTC>/ holds run.json, trials.jsonl (a line as each trial ends), one directory per
trial with the services' logs, wrk's figures and the probes, then verdict.json and the reports.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from reprolab.core.errors import UsageError
from reprolab.core.files import format_errors, read_json, write_json, writing
from reprolab.evidence.run_info import RunInfo
from reprolab.scenario.trial import TrialRecord

STREAMS = "{}.streams"
PAGE = "report.html"
RUN_FILE = "run.json"


@dataclass(frozen=True)
class TrialDirectory:
    """Where one trial's evidence lies, and how to read it back; needs no Docker."""

    path: Path

    def log_path(self, role: str) -> Path:
        """The compressed log of one service."""
        return self.path / f"{role}.log.gz"

    def streams_path(self, role: str) -> Path:
        """Where the streams of a service lie whose log is a file of its own."""
        return self.log_path(STREAMS.format(role))

    def streams(self, role: str) -> Iterator[bytes]:
        """What a service wrote to its standard streams, each line behind the engine's timestamp.

        For a service without a log file of its own (label ``reprolab.log``) that is its whole log.
        """
        yield from self.lines(STREAMS.format(role) if self.streams_path(role).exists() else role)

    def lines(self, role: str) -> Iterator[bytes]:
        """A service's log, line by line, each behind the engine's timestamp; never whole in memory."""
        with gzip.open(self.log_path(role), "rb") as stream:
            yield from stream

    def write(self, name: str, data: object) -> None:
        """Keep a probe's outcome beside the logs, as JSON."""
        write_json(self.path / name, data)

    def write_text(self, name: str, text: str) -> None:
        """Keep printed text as it was."""
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
        """The run's name: its UTC stamp."""
        return self.path.name

    def info(self) -> RunInfo:
        """What run.json says. Raises UsageError where it is missing, broken, or not of a run of this lab."""
        path = self.path / RUN_FILE
        content = read_json(path)
        if not isinstance(content, Mapping) or "scenario" not in content:
            raise UsageError(f"{path} does not name its scenario", expected="a run of this lab")
        with format_errors(path):
            return RunInfo.from_json(content)

    def write_info(self, info: RunInfo) -> None:
        """Write run.json."""
        write_json(self.path / RUN_FILE, info.to_json())

    def trial(self, experiment: str, variant: str, number: int) -> TrialDirectory:
        """The directory of one trial (made on first writing)."""
        return TrialDirectory(self.path / experiment / variant / str(number))

    def append(self, record: TrialRecord) -> None:
        """Add a finished trial to trials.jsonl, on disk before the next trial begins."""
        target = self.path / "trials.jsonl"
        with writing(target), target.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(record), ensure_ascii=False) + "\n")
            stream.flush()
            os.fsync(stream.fileno())

    def trials(self) -> list[TrialRecord]:
        """All finished trials, in the order in which they ended; a torn last line is passed over."""
        target = self.path / "trials.jsonl"
        if not target.exists():
            return []
        found = []
        # As bytes: a torn line may end within a character, and a text holds characters that end a str's line.
        for line in target.read_bytes().splitlines():
            try:
                found.append(TrialRecord(**json.loads(line)))
            except (ValueError, TypeError):
                continue
        return found
