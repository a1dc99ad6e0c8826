"""KEEP=1 on real containers: the stack of an invalid trial stays up, and the look at it is in the evidence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import engine, lab, run_directory
from reprolab.engine import leftovers

pytestmark = pytest.mark.docker

CASE = "gunicorn-settings"


@pytest.fixture
def results(tmp_path: Path) -> Iterator[Path]:
    """Where the stack has its files; it is taken down afterwards."""
    yield tmp_path
    lab(tmp_path, "down", CASE, "--as", "kept")


def test_the_stack_of_an_invalid_trial_stays(results: Path) -> None:
    """The server does not start. Its container is no leftover for the next run, and `down` removes it."""
    status, printed = lab(
        results, "run", f"{CASE}/pidfile", "--set", "WORKERS=none", "--trials", "2", "--jobs", "1", "--keep"
    )
    assert status == 3, printed
    assert printed.count("invalid int value: 'none' (its processes then: failure/)") >= 1
    assert "[  2/2]" not in printed, "the run ends with the first invalid trial"
    folder = run_directory(results, CASE) / "pidfile/custom/1/failure"
    assert "invalid int value" in (folder / "reason.txt").read_text()
    assert (folder / "app/last-lines.txt").exists()
    assert "python" in (folder / "app/summary.txt").read_text(), "the process that starts gunicorn still runs"
    name = printed.partition("docker exec ")[2].split()[0]
    client = engine()
    leftovers.remove_leftovers(client)
    assert client.containers.get(name).status == "running"
    project = {"label": f"com.docker.compose.project={name.rpartition('-gunicorn-settings-app')[0]}"}
    assert len(client.containers.list(all=True, ignore_removed=True, filters=project)) == 1, (
        "the containers that looked at it are gone"
    )
    assert lab(results, "down", CASE, "--as", "kept") == (0, f"down: {CASE} --as kept\n")
    assert client.containers.list(all=True, ignore_removed=True, filters=project) == []
    assert client.networks.list(filters=project) == []
