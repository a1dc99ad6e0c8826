"""An engine that hangs: it accepts requests and never answers, or it stops in the middle of a run."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
import pytest
from lab import engine, left, output, read, run_directory, start, wait_for
from reprolab.core import interrupts
from reprolab.core.errors import EngineError, Exit
from reprolab.core.waiting import wait_until
from reprolab.engine import detect, failures, heartbeat, leftovers
from reprolab.engine.detect import client
from reprolab.engine.failures import guarded, no_answer


class Gateway:
    """A socket that passes everything on to an engine until it is frozen: then it accepts, and answers nothing."""

    def __init__(self, path: Path, target: str = "") -> None:
        self.path, self.target, self.frozen = path, target, threading.Event()
        if not target:
            self.frozen.set()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(64)
        self.open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        """For DOCKER_HOST."""
        return f"unix://{self.path}"

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                self.open.append(near)
                if self.target:
                    far = socket.socket(socket.AF_UNIX)
                    far.connect(self.target)
                    self.open.append(far)
                    for source, sink in ((near, far), (far, near)):
                        threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self.frozen.is_set():
                    return
                sink.sendall(data)
            if not self.frozen.is_set():
                sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End everything."""
        for each in (self.listener, *self.open):
            each.close()


@pytest.fixture
def deaf(tmp_path: Path) -> Iterator[Gateway]:
    """An engine that accepts and never answers."""
    gateway = Gateway(tmp_path / "engine.sock")
    yield gateway
    gateway.close()


@pytest.fixture
def connected(deaf: Gateway, monkeypatch: pytest.MonkeyPatch) -> docker.DockerClient:
    """A client that knew the engine before it hung."""
    for name, value in {"PING_LIMIT": 0.2, "SHORT_LIMIT": 0.1, "_hung_until": 0.0}.items():
        monkeypatch.setattr(failures, name, value)
    return docker.DockerClient(deaf.address, version="1.41", timeout=1)


def test_the_set_up_says_that_the_engine_does_not_answer(deaf: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the limit, with the address."""
    monkeypatch.setattr(detect, "CLIENT_LIMIT", 1)
    begun = time.monotonic()
    with pytest.raises(EngineError, match=r"no Docker Engine answers at unix://.*engine\.sock.*timed out"):
        client({**os.environ, "DOCKER_HOST": deaf.address})
    assert time.monotonic() - begun < 10


def test_a_stage_of_a_trial_ends_with_the_engine(connected: docker.DockerClient) -> None:
    """Not with an invalid trial: the run ends, with what to do."""
    with pytest.raises(EngineError, match=r"(?s)stopped answering during the run: no answer within 0\.2 s.*kill -CONT"):
        guarded(connected.info, connected)


def test_looking_for_leftovers_has_a_limit(connected: docker.DockerClient) -> None:
    """The first thing that a run does."""
    with pytest.raises(EngineError, match="the engine failed while looking for what killed runs left"):
        leftovers.remove_leftovers(connected)


def test_an_answer_is_told_from_none(connected: docker.DockerClient) -> None:
    """A refused connection has a reason at once."""
    assert no_answer(connected) == "no answer within 0.2 s"
    assert no_answer(connected) == "no answer within 0.1 s", "it is not waited for so long again"
    gone: Any = SimpleNamespace(ping=lambda: docker.DockerClient("unix:///nowhere.sock", version="1.41").ping())
    assert no_answer(gone) == "No such file or directory", "and none of the libraries' wrappings"
    assert no_answer(SimpleNamespace(ping=lambda: True)) == ""  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "reason"),
    [("unix:///nowhere.sock", "No such file or directory"), ("tcp://127.0.0.1:9", "Connection refused")],
)
def test_a_command_without_an_engine_is_told_by_the_systems_words(host: str, reason: str) -> None:
    """The first thing that a user without an engine sees."""
    for connect in (client, lambda environ: detect.ensure_engine(print, environ)):
        with pytest.raises(EngineError) as raised:
            connect({**os.environ, "DOCKER_HOST": host})
        assert raised.value.args[0] == f"no Docker Engine answers at {host}: {reason}"


def test_a_wait_without_a_limit_is_ended(connected: docker.DockerClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user is told first. The main thread may be in a system call that never returns."""
    for name, value in {"STEP": 0.05, "TELL": 0.2, "LIMIT": 0.6}.items():
        monkeypatch.setattr(heartbeat, name, value)
    # Other tests send signals to this process.
    monkeypatch.setattr(interrupts, "received", lambda: False)
    called_off: list[float] = []
    monkeypatch.setattr(interrupts, "end_after", lambda seconds, status: called_off.append(seconds))
    # Another test may have received a signal.
    monkeypatch.setattr(interrupts, "received", lambda: False)
    messages: list[str] = []
    here, there = socket.socketpair()
    here.settimeout(20)
    with (
        pytest.raises(EngineError, match=r"(?s)does not answer: nothing came for 0\.6 s.*kill -CONT"),
        heartbeat.heartbeat(connected, messages.append),
    ):
        here.recv(1)
    assert len(messages) == 1 and "the Docker Engine has not answered for 0 s" in messages[0]
    assert called_off == [heartbeat.AFTER]
    there.close()


def test_after_an_interrupt_the_command_ends_as_interrupted(
    connected: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What still waits for the engine is not waited for."""
    for name, value in {"STEP": 0.05, "TELL": 0.2, "LIMIT": 0.3}.items():
        monkeypatch.setattr(heartbeat, name, value)
    ends: list[tuple[float, Exit]] = []
    monkeypatch.setattr(interrupts, "end_after", lambda seconds, status: ends.append((seconds, status)))
    monkeypatch.setattr(interrupts, "received", lambda: True)
    with heartbeat.heartbeat(connected, lambda message: None):
        wait_until("its end", lambda: ends, 5)
    assert ends == [(0, Exit.INTERRUPTED)]


@pytest.mark.docker
def test_a_run_whose_engine_stops_answering(tmp_path: Path) -> None:
    """Ctrl-C ends the run although nothing answers, and names the stack; the next `clean` removes it."""
    real, results = engine(), tmp_path / "results"
    gateway = Gateway(tmp_path / "engine.sock", real.api._custom_adapter.socket_path)  # type: ignore[attr-defined]
    words = ("run", "pool-freeze/freeze", "--set", "TASK=nothing", "--trials", "1", "--jobs", "1")
    process = start(results, *words, DOCKER_HOST=gateway.address)
    wait_for("a stack", lambda: list(results.glob("pool-freeze/2*/freeze/*/1/series.jsonl")), 300)
    run = run_directory(results, "pool-freeze")
    wait_for("its containers", lambda: len(left(real, run)) >= 3, 120)
    gateway.frozen.set()
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    time.sleep(2)
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130, output(process)
    assert time.monotonic() - begun < 10
    assert "left on the engine: stack reprolab-pool-freeze-" in output(process), output(process)
    gateway.close()
    assert left(real, run) != []
    leftovers.remove_leftovers(real)
    assert left(real, run) == []
    assert read(run / "run.json")["status"] in ("running", "aborted")
