"""pool-freeze on real containers: what must not be taken for a freeze, and what must."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import docker
import pytest
from lab import engine, lab, left, of_run, output, read, run_directory, start, wait_for

pytestmark = pytest.mark.docker


def trials(run: Path) -> dict[str, dict[str, Any]]:
    """Each trial by experiment/variant."""
    lines = (run / "trials.jsonl").read_text(encoding="utf-8").splitlines()
    return {f"{row['experiment']}/{row['variant']}": row for row in map(json.loads, lines)}


def container(client: docker.DockerClient, results: Path, role: str) -> Any:
    """The running container of a role in the only run below ``results``; None while there is none."""
    runs = list(results.glob("pool-freeze/2*/run.json"))
    labels = [*of_run(runs[0].parent), f"com.docker.compose.service=pool-freeze-{role}"] if runs else []
    found = client.containers.list(ignore_removed=True, filters={"label": labels}) if labels else []
    return found[0] if found else None


def printed_by(client: docker.DockerClient, results: Path, words: str) -> Any:
    """The app's container once it has printed ``words``."""
    found = container(client, results, "app")
    return found if found and words in found.logs().decode() else None


@pytest.mark.parametrize("role", ["app", "upstream"])
def test_a_container_that_dies_is_no_freeze(tmp_path: Path, role: str) -> None:
    """The server killed under a frozen request, or its neighbour killed: invalid with a reason, exit status 3."""
    client, results = engine(), tmp_path / "results"
    process = start(results, "run", "pool-freeze/freeze", "--variant", "documented", "--trials", "1")
    begun = wait_for("the second request", lambda: printed_by(client, results, "request 2 begins"), 300)
    if role == "app":
        wait_for("task 5", lambda: printed_by(client, results, "request 2 begins") and time.sleep(0.5) is None)
        begun.kill()
    else:
        container(client, results, role).kill()
    assert process.wait(timeout=120) == 3, output(process)
    run = run_directory(results, "pool-freeze")
    (row,) = trials(run).values()
    assert row["invalid"], row
    assert left(client, run) == []


@pytest.mark.parametrize(
    "settings",
    [("SERVER=runserver-noreload", "RUNNER=sending"), ("WORKER_CLASS=gthread", "RUNNER=sending-initializer")],
    ids=["runserver", "gthread"],
)
def test_a_lost_lock_is_found_beside_a_loop_for_connections(tmp_path: Path, settings: tuple[str, ...]) -> None:
    """The server's main thread moves on; the request never will. Where nobody starts another server, that was all."""
    results = tmp_path / "results"
    options = [word for one in (*settings, "TASK=nothing", "ATTEMPTS=4") for word in ("--set", one)]
    status, printed = lab(results, "run", "pool-freeze/freeze", *options)
    assert status == 0, printed
    (row,) = trials(run_directory(results, "pool-freeze")).values()
    assert not row["invalid"]
    lost = [one["lock_lost"] for one in row["observation"]["attempts"]]
    # About one request in ten gets by.
    assert any(lost)
    assert lost.index(True) == len(lost) - 1 if "SERVER=runserver-noreload" in settings else len(lost) == 4


def test_an_upstream_that_is_not_there_is_no_freeze(tmp_path: Path) -> None:
    """Its bad setting ends it; the trial is invalid and says so."""
    results = tmp_path / "results"
    status, printed = lab(results, "run", "pool-freeze/freeze", "--set", "LATENCY_MS=soon")
    assert status == 3, printed
    (row,) = trials(run_directory(results, "pool-freeze")).values()
    assert "LATENCY_MS is milliseconds" in row["invalid"]


def test_a_package_that_does_not_exist_is_no_freeze(tmp_path: Path) -> None:
    """The index has no such release: nothing is built or run, and the message has the nearest ones."""
    results = tmp_path / "results"
    status, printed = lab(results, "run", "pool-freeze/freeze", "--set", "GUNICORN=20.99.0")
    assert status == 2, printed
    assert "no gunicorn 20.99.0 can be installed" in printed and "20.1.0" in printed
    assert not list(results.rglob("trials.jsonl"))


def test_interrupt_ends_trials_that_run_side_by_side(tmp_path: Path) -> None:
    """Ctrl-C does not wait for requests that never end: the lab stops within seconds and leaves nothing."""
    client, results = engine(), tmp_path / "results"
    process = start(results, "run", "pool-freeze/freeze", "--trials", "3", "--variant", "documented", "--jobs", "3")
    wait_for("a request", lambda: printed_by(client, results, "request 1 begins"), 300)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=40) == 130, output(process)
    run = run_directory(results, "pool-freeze")
    assert read(run / "run.json")["status"] == "aborted"
    assert left(client, run) == []
