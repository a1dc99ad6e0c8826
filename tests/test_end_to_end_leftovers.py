"""What a killed lab leaves, and what belongs to a run that another lab cannot see."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import docker
import pytest
from lab import REPROLAB, base, engine, environment, lab, left, output, run_directory, start, wait_for
from reprolab.engine import labels, leftovers
from reprolab.stack import images

# Any other run of the lab would remove what these tests leave behind for a moment.
pytestmark = [pytest.mark.docker, pytest.mark.alone]

CASE = "pool-freeze"
RUN = ("run", "pool-freeze/freeze", "--set", "TASK=nothing", "--trials", "1", "--jobs", "1")
IMAGE = "debian:bookworm-slim"
LISTING = """
import sys
from reprolab.engine.detect import client
from reprolab.stack import images
images.PACKAGES = "sleep 600"
images._packages(client(), sys.argv[1])
"""


def helpers(client: docker.DockerClient) -> list[Any]:
    """The containers that list packages."""
    filters = {"label": f"{labels.RUN}={images.RUN}"}
    return client.containers.list(all=True, ignore_removed=True, filters=filters)


def test_a_lab_that_is_killed_while_it_lists_packages(tmp_path: Path) -> None:
    """Its helper container has an owner, so `clean` finds it. While the lab lives, it stays."""
    client, reference = engine(), base(IMAGE)
    before = {container.id for container in helpers(client)}
    process = subprocess.Popen([str(REPROLAB.with_name("python")), "-c", LISTING, reference])
    try:
        wait_for("a helper container", lambda: {c.id for c in helpers(client) if c.status == "running"} - before, 60)
        (mine,) = {container.id for container in helpers(client)} - before
        leftovers.remove_leftovers(client)
        assert mine in {container.id for container in helpers(client)}
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    status, printed = lab(tmp_path / "results", "clean")
    assert status == 0, printed
    assert mine not in {container.id for container in helpers(client)}


def test_clean_in_another_pid_namespace_leaves_a_living_run_alone(tmp_path: Path) -> None:
    """As in a container with the engine's socket. It says so; by force it removes what is old enough."""
    client, results = engine(), tmp_path / "results"
    process = start(results, *RUN)
    inside = ["unshare", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc", str(REPROLAB), "clean"]

    def clean(*options: str) -> str:
        done = subprocess.run(
            [*inside, *options], env=environment(results), capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    try:
        wait_for("a trial", lambda: list(results.glob(f"{CASE}/2*/freeze/*/1/series.jsonl")), 300)
        run = run_directory(results, CASE)
        wait_for("its stack", lambda: len(left(client, run)) >= 3, 120)
        printed = clean()
        assert "cannot be seen from here" in printed and "clean --force --older-than 2h" in printed, printed
        clean("--force", "--older-than", "12h")
        assert len(left(client, run)) >= 3
        assert process.poll() is None, output(process)
    finally:
        process.kill()
        process.wait(10)
    time.sleep(1.1)
    # The process has ended, but from inside that cannot be seen. Here it can.
    clean()
    assert len(left(client, run)) >= 3
    removed = leftovers.remove_leftovers(client)
    assert removed.containers >= 2 and left(client, run) == []
