"""Waits for the output of a service, and for a stack to be up."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
import pytest
from reprolab import InvalidTrial
from reprolab.core.subprocesses import CommandError, Finished
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.stack import containers
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


def test_a_front_that_does_not_answer_is_named_with_its_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault may be the proxy's, or the port may be the wrong one: its lines are shown beside the server's."""
    up = stack(tmp_path)
    proxy = {"ports": [{"target": 80}, {"target": 443}]}
    up.model["services"]["blink-proxy"] = proxy
    up.roles["proxy"] = "blink-proxy"
    monkeypatch.setattr(Printing, "_ask", lambda *_: (False, "ConnectionError"))
    reason = (
        r"last state: ConnectionError, asked at port 80 of proxy; app's last lines: its last words; "
        r"proxy's last lines: its last words"
    )
    with pytest.raises(InvalidTrial, match=reason):
        up.wait_ready(0.1)


def test_an_image_that_cannot_be_had_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose passes on the registry's error, which names no image."""
    up = stack(tmp_path)
    up.model["services"] = {"blink-app": {"image": "there:1"}, "blink-db": {"image": "postgres:15"}}

    def refuse(command: Any, **_: Any) -> None:
        raise CommandError(Finished(("docker",), 1, "", "dial tcp: lookup registry: no such host"))

    monkeypatch.setattr(containers, "run", refuse)
    monkeypatch.setattr(containers, "raise_if_engine_gone", lambda _: None)
    monkeypatch.setattr(containers, "has_image", lambda _, image: image == "there:1")
    with pytest.raises(InvalidTrial, match=r"compose up failed; this engine does not have postgres:15: .*no such host"):
        up._compose("up", variables={})
