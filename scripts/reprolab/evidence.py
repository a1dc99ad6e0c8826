"""The run directory: everything a run leaves behind, written before anything is judged or torn down.

results/<scenario>/<UTC>/ holds run.json, trials.jsonl (a line as each trial ends), one directory per
trial with the services' logs, wrk's figures and the probes, then verdict.json and the reports.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import get_ident
from typing import Any

from reprolab import scenario
from reprolab.errors import EvidenceError, UsageError
from reprolab.judge import TrialRecord
from reprolab.reading import near

LATEST = "latest"
STREAMS = "{}.streams"
PAGE = "report.html"
SHOWN = 3  # runs in a message, the newest


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a full disk or a missing permission into one clear message that names the file.

    A broken connection is an OSError too, but not the disk's fault: it passes.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, ConnectionError) or error.errno is None:
            raise
        raise EvidenceError(
            f"evidence could not be written: {error.strerror or error} ({path})",
            expected="room and permission to write below the results directory",
            advice="free some space, or name another place with REPROLAB_RESULTS=DIR; what was written is kept",
        ) from error


def write_json(path: Path, data: object, indent: int = 2) -> None:
    """Write ``data`` as indented JSON, whole or not at all."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Two threads may write one file: what is in an image, by its id, that two tags have.
        draft = path.with_name(f".{path.name}.{os.getpid()}.{get_ident()}")
        try:
            draft.write_text(json.dumps(data, indent=indent, ensure_ascii=False) + "\n", encoding="utf-8")
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def read_json(path: Path) -> Any:
    """Read a JSON file of a run. Raises UsageError where it is missing or broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", expected="a file of a run directory") from error
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}") from error


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


def results_root(root: Path) -> Path:
    """Where runs are kept: REPROLAB_RESULTS, or results/ in the checkout."""
    return Path(os.environ.get("REPROLAB_RESULTS") or root / "results")


def create_run(root: Path, name: str, now: datetime | None = None) -> RunDirectory:
    """Make a new run directory, its name unique even where two runs start in the same second."""
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    parent = results_root(root) / name
    with writing(parent):
        parent.mkdir(parents=True, exist_ok=True)
        for suffix in ("", *(f"-{n}" for n in range(2, 100))):
            path = parent / f"{stamp}{suffix}"
            try:
                path.mkdir()
            except FileExistsError:
                continue
            return RunDirectory(path)
    raise EvidenceError(f"no free run directory for {stamp} below {parent}")


def point_latest(run: RunDirectory) -> None:
    """Let ``latest`` name this run; replaced in one step, so that it never dangles between two runs."""
    link = run.path.parent / LATEST
    draft = run.path.parent / f".{LATEST}.{os.getpid()}"
    with writing(link):
        draft.unlink(missing_ok=True)
        draft.symlink_to(run.path.name)
        draft.replace(link)


def open_run(root: Path, where: str) -> RunDirectory:
    """A run named by its path, or as SCENARIO/STAMP or SCENARIO (its latest). Raises UsageError."""
    for path in (Path(where), results_root(root) / where, results_root(root) / where / LATEST):
        if (path / "run.json").is_file():
            return RunDirectory(path.resolve())
    raise no_run(root, where)


def no_run(root: Path, where: str) -> UsageError:
    """What to say of a name that leads to no run: the near name, the runs there are, how to get one."""
    expected = "a run directory, SCENARIO/STAMP, or SCENARIO for its latest run"
    known = scenario.names(root)
    kept = {p.parent.parent.name for p in results_root(root).glob("*/2*/run.json")}
    words = [word for word in Path(where).parts if word not in ("/", results_root(root).name)]
    name, stamp = words[0] if words else "", words[-1] if words else ""
    runs = {f"{one}/{run.name}": run for one in sorted(kept) for run in runs_of(root, one)}
    # A stamp alone is looked for among all scenarios' runs.
    meant = next((run for run in runs if run.endswith(f"/{name}")), "") or near(name, {*known, *kept})
    scenario_meant = meant.partition("/")[0]
    own = [run for run in runs if run.startswith(f"{scenario_meant}/")] if scenario_meant else []
    if scenario_meant and not own:
        guess = "" if name == meant else f" (did you mean {meant}?)"
        return UsageError(
            f"no run {where!r}{guess}: {scenario_meant} has no run yet",
            expected=expected,
            advice=f"make scenario-{scenario_meant}, then again",
        )
    if meant == name and len(words) > 1:
        meant = f"{name}/{close}" if (close := near(stamp, [run.partition("/")[2] for run in own])) else ""
    guess = f" (did you mean {meant}?)" if meant and meant != name else ""
    there = sorted(own or runs, key=lambda run: run.partition("/")[2], reverse=True)
    more = f" and {len(there) - SHOWN} older" if len(there) > SHOWN else ""
    told = f"; there are {', '.join(there[:SHOWN])}{more}" if there else "; there is none yet"
    advice = "" if there else f"make scenario-NAME, then again; NAME is one of {', '.join(known) or '(none yet)'}"
    return UsageError(f"no run {where!r}{guess}: there is no run.json in it", expected=expected + told, advice=advice)


def runs_of(root: Path, name: str) -> list[RunDirectory]:
    """The runs of a scenario, oldest first."""
    parent = results_root(root) / name
    return [RunDirectory(p.parent) for p in sorted(parent.glob("2*/run.json"))]


def merge_run_json(run: RunDirectory, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Update run.json and return its content."""
    path = run.path / "run.json"
    content: dict[str, Any] = read_json(path) if path.exists() else {"schema": 1}
    content.update(changes)
    write_json(path, content)
    return content
