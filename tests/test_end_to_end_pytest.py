"""The plugin for pytest on real containers, where a signal ends it: nothing stays on the engine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from cases import LOADED
from lab import engine, environment, left, read, run_directory, wait_for

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

# Without load, so that no other test has to wait.
CASE = "split-request"
TESTS = f"""
import os, time
from pathlib import Path
import pytest

@pytest.mark.parametrize("number", [1, 2])
def test_it(reprolab_stack, number):
    stack = reprolab_stack("{CASE}")
    assert stack.get("/").status_code == 200
    Path(f"{{number}}.up").write_text(stack.project)
    time.sleep(120)
"""


@pytest.fixture
def client() -> docker.DockerClient:
    """The real engine."""
    return engine()


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """The processes that a test has started; they have ended after it."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def start(started: list[subprocess.Popen[str]], directory: Path, *words: str) -> subprocess.Popen[str]:
    """Start pytest in a process group of its own, as a terminal does."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *LOADED, *words],
        cwd=directory,
        env=environment(directory / "results"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    started.append(process)
    return process


def of_project(client: docker.DockerClient, project: str) -> list[str]:
    """The containers and networks of a stack."""
    filters = {"label": f"com.docker.compose.project={project}"}
    containers = client.containers.list(all=True, ignore_removed=True, filters=filters)
    return [str(item.name) for item in (*containers, *client.networks.list(filters=filters))]


@pytest.mark.parametrize("words", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_signal_removes_the_stacks_of_tests(
    tmp_path: Path, client: docker.DockerClient, started: list[subprocess.Popen[str]], words: tuple[str, ...]
) -> None:
    """Two workers had the same stack up at the same time. The evidence is kept."""
    (tmp_path / "test_it.py").write_text(TESTS, encoding="utf-8")
    process = start(started, tmp_path, "test_it.py", *words)
    number = 2 if words else 1
    projects = wait_for(
        f"{number} stacks", lambda: len(files := [*tmp_path.glob("*.up")]) == number and files, limit=150
    )
    names = {path.read_text() for path in projects}
    assert len(names) == number and all(of_project(client, name) for name in names)
    os.killpg(process.pid, signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, printed
    assert [of_project(client, name) for name in names] == [[]] * number
    kept = list((tmp_path / "results/pytest" / CASE).glob("*/app.log.gz"))
    assert len(kept) == number
    assert words or f"evidence: results/pytest/{CASE}/{kept[0].parent.name}/" in printed


def test_a_signal_ends_the_run_of_a_case(
    tmp_path: Path, client: docker.DockerClient, started: list[subprocess.Popen[str]]
) -> None:
    """As it ends `reprolab run`: the stacks are down, the evidence says aborted, and the last lines name it."""
    process = start(started, tmp_path, "--reprolab", f"{CASE}::SR-2")
    wait_for("a stack of the run", lambda: [*(tmp_path / "results" / CASE).glob("2*/*/*/*/compose.json")], limit=150)
    os.kill(process.pid, signal.SIGTERM)
    printed, _ = process.communicate(timeout=60)
    run = run_directory(tmp_path / "results", CASE)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, printed
    assert f"evidence so far: results/{CASE}/{run.name}/" in printed
    assert read(run / "run.json")["status"] == "aborted"
    assert left(client, run) == []
