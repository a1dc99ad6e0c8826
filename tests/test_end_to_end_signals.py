"""Signals during real runs: the logs, the record and the removal of the stack come first; nothing is left."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import docker
import pytest
from lab import engine, left, of_run, output, read, run_directory, start, wait_for

pytestmark = pytest.mark.docker

CASE = "pool-freeze"
RUN = ("run", "pool-freeze/freeze", "--set", "TASK=nothing", "--trials", "1")
# A request that never ends, and one that does.
FROZEN, QUICK = (), ("--set", "RUNNER=close-join", "--set", "ATTEMPTS=1")


def trial(results: Path) -> Path | None:
    """The directory of the run's only trial, once it is there."""
    return next(iter(results.glob(f"{CASE}/2*/freeze/*/1")), None)


def requested(client: docker.DockerClient, results: Path) -> bool:
    """Whether the app has got a request."""
    where = trial(results)
    if where is None:
        return False
    labels = [*of_run(where.parents[2]), f"com.docker.compose.service={CASE}-app"]
    apps = client.containers.list(ignore_removed=True, filters={"label": labels})
    return bool(apps) and b"request 1 begins" in apps[0].logs()


def app_log(results: Path) -> str:
    """What the app printed, as the evidence has it."""
    where = trial(results)
    assert where is not None
    return gzip.decompress((where / "app.log.gz").read_bytes()).decode()


def rows(run: Path) -> list[dict[str, Any]]:
    """The records of the trials that ended."""
    file = run / "trials.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def aborted(client: docker.DockerClient, process: subprocess.Popen[str], results: Path) -> Path:
    """Wait for the end of an interrupted run; it is marked, and nothing of it is left. Its directory."""
    assert process.wait(timeout=60) == 130, output(process)
    run = run_directory(results, CASE)
    assert read(run / "run.json")["status"] == "aborted"
    assert left(client, run) == []
    assert "could not be removed" not in output(process)
    return run


def test_every_signal_during_a_request_keeps_the_logs(tmp_path: Path) -> None:
    """The trials run side by side and are ended at once; what the app printed until then is there, and nothing else."""
    client = engine()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    started = {number: start(tmp_path / number.name, *RUN, *FROZEN, "--jobs", "2") for number in numbers}
    for number, process in started.items():
        wait_for("a request", lambda number=number: requested(client, tmp_path / number.name), 300)
        process.send_signal(number)
    for number, process in started.items():
        aborted(client, process, tmp_path / number.name)
        log = app_log(tmp_path / number.name)
        assert "request 1 begins" in log
        assert "daemon" not in log and all(line.startswith("20") for line in log.splitlines()), log


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_signal_while_the_stack_goes_down(tmp_path: Path, jobs: str) -> None:
    """The removal goes on to its end, and the record of the trial that has ended is kept."""
    client, results = engine(), tmp_path / "results"
    process = start(results, *RUN, *QUICK, "--jobs", jobs)

    def going_down() -> bool:
        where = trial(results)
        return where is not None and (where / "containers.json").exists()

    wait_for("the evidence of the trial", going_down, 300)
    process.send_signal(signal.SIGTERM)
    assert [row["invalid"] for row in rows(aborted(client, process, results))] == [""]
