"""Waits for the output of a service, and for a stack to be up."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
import pytest
from reprolab import InvalidTrial
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.stack.stack import Stack


class Printing(Stack):
    """A stack whose app has one more line each time its output is read."""

    count = 0
    paths: tuple[str, ...] = ()

    def printed(self, role: str) -> list[str]:
        self.count += 1
        return [f"worker {n} is up" for n in range(self.count)]

    def get(self, path: str = "/", role: str = "", **options: Any) -> Any:
        """A response with status 200; the path is kept."""
        self.paths += (path,)
        return SimpleNamespace(status_code=200)

    def _fail_if_exited(self, *, started: bool = False) -> None:
        """Every service runs."""

    def _tail(self, role: str, lines: int = 8) -> str:
        return "its last words"


def stack(tmp_path: Path, **labels: str) -> Printing:
    """One service with these labels."""
    model = {"name": "blink", "services": {"blink-app": {"labels": labels}}}
    client = docker.DockerClient.__new__(docker.DockerClient)
    return Printing("blink", model, tmp_path / "c.json", client, ("compose",), TrialDirectory(tmp_path), {})


def test_waiting_for_a_line_to_come_several_times(tmp_path: Path) -> None:
    """It returns the lines as soon as the pattern is printed often enough."""
    assert len(stack(tmp_path).wait_printed(r"worker \d+ is up", 3)) == 3


def test_a_line_that_never_comes(tmp_path: Path) -> None:
    """The trial is invalid; the reason has the pattern, the limit and the last lines."""
    reason = r"app has printed 'ready' 1 times: not so after 0.1 s; last state: 0 times; .* its last words"
    with pytest.raises(InvalidTrial, match=reason):
        stack(tmp_path).wait_printed("ready", limit=0.1)


@pytest.mark.parametrize(("labels", "path"), [({}, "/"), ({"reprolab.ready": "/health"}, "/health")])
def test_the_path_that_tells_whether_it_is_up(tmp_path: Path, labels: dict[str, str], path: str) -> None:
    """It is in the label of the front, for a server whose first page takes long."""
    up = stack(tmp_path, **labels)
    up.wait_ready()
    assert up.paths == (path,)


def test_the_port_for_load(tmp_path: Path) -> None:
    """It is the first port that the front publishes, inside the container; without one there is an error."""
    up = stack(tmp_path)
    with pytest.raises(InvalidTrial, match="app publishes no port"):
        up.port()
    up.model["services"]["blink-app"]["ports"] = [{"target": 8000, "published": "0"}, {"target": 9000}]
    assert up.port() == up.port("app") == 8000
