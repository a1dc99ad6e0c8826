"""What goes wrong in mid-run: one clear message, the right exit status, nothing left, evidence kept."""

import errno
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import docker
import pytest
from lab import engine, lab, left, of_run, output, read, run_directory, start, wait_for
from reprolab.baseimage.resolve import policy, resolve_base
from reprolab.cli.machine import COMMON_BASE
from reprolab.core.errors import EvidenceError, InvalidTrial
from reprolab.core.subprocesses import run as run_program
from reprolab.engine.exec import Commands, Output
from reprolab.logs import capture
from reprolab.stack.containers import remove_container

pytestmark = pytest.mark.docker

ONE = ("run", "socket-vanish", "--variant", "documented", "--trials", "1")


@pytest.fixture
def client() -> docker.DockerClient:
    """The real engine."""
    return engine()


def base(client: docker.DockerClient) -> str:
    """The plain base that every machine has: images made of it bear its labels too, and may have an entry point."""
    return resolve_base(COMMON_BASE, client, policy=policy(os.environ), on_progress=print).reference


def loading(client: docker.DockerClient, results: Path) -> Path | None:
    """The run whose wrk is at work, if there is one."""
    runs = list(results.glob("socket-vanish/2*/run.json"))
    if not runs:
        return None
    run = runs[0].parent
    mine = client.containers.list(ignore_removed=True, filters={"label": of_run(run)})
    images = [str(c.attrs["Config"]["Image"]) for c in mine]
    return run if any("/wrk:" in image for image in images) else None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_takes_the_stack_down_and_keeps_the_evidence(
    client: docker.DockerClient, tmp_path: Path, number: signal.Signals
) -> None:
    """Ctrl-C (and SIGTERM) under load: exit 130, nothing on the engine, the run marked aborted, its logs kept."""
    results = tmp_path / "results"
    process = start(results, *ONE)
    run = wait_for("load of the run", lambda: loading(client, results), 300)
    process.send_signal(number)
    assert process.wait(timeout=60) == 130, output(process)
    assert "interrupted" in output(process)
    assert left(client, run) == []
    assert read(run / "run.json")["status"] == "aborted"
    assert (run / "vanish/documented/1/app.log.gz").stat().st_size > 0


@pytest.mark.alone
def test_leftovers_of_a_killed_run_are_removed_and_nothing_else(client: docker.DockerClient, tmp_path: Path) -> None:
    """After SIGKILL `clean` removes exactly what the lab made; a stranger's container and volume stay."""
    results = tmp_path / "results"
    process = start(results, *ONE)
    run = wait_for("load of the run", lambda: loading(client, results), 300)
    process.kill()
    process.wait(timeout=30)
    assert left(client, run) != []
    stranger = client.containers.create(base(client), ["sleep", "60"], labels={"somebody": "else"})
    volume = client.volumes.create(labels={"somebody": "else"})
    try:
        status, printed = lab(results, "clean")
        assert status == 0 and "container" in printed, printed
        assert left(client, run) == []
        stranger.reload()
        volume.reload()
    finally:
        stranger.remove(force=True)
        volume.remove()


@pytest.mark.alone
def test_the_next_run_removes_what_a_killed_one_left(client: docker.DockerClient, tmp_path: Path) -> None:
    """Nobody needs to know `make clean`: the next run says what it removed."""
    process = start(tmp_path / "first", *ONE)
    run = wait_for("load of the run", lambda: loading(client, tmp_path / "first"), 300)
    process.kill()
    process.wait(timeout=30)
    status, printed = lab(tmp_path / "second", *ONE)
    assert status == 0, printed
    assert "removed the leftovers of an earlier run that was killed" in printed
    assert left(client, run) == []


def test_two_runs_at_once_do_not_collide(client: docker.DockerClient, tmp_path: Path) -> None:
    """Both come to their end, in directories of their own; one waits while the other measures."""
    results = tmp_path / "results"
    both = [start(results, *ONE) for _ in range(2)]
    assert [process.wait(timeout=300) for process in both] == [0, 0], [output(p) for p in both]
    runs = sorted((results / "socket-vanish").glob("2*"))
    assert len(runs) == 2
    assert [read(run / "run.json")["status"] for run in runs] == ["complete"] * 2
    assert "measures load on this machine: waiting for process" in "".join(output(p) for p in both)
    assert all(left(client, run) == [] for run in runs)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB: less than the logs of a load on the slowest machine."""
    place = tmp_path / "small"
    place.mkdir()
    run_program(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)])
    try:
        yield place
    finally:
        run_program(["umount", str(place)])


def test_full_disk_is_said_and_fails_the_lab(client: docker.DockerClient, small_disk: Path) -> None:
    """No space for the evidence: exit 4, the file is named, the stack is down, what was written stays."""
    process = subprocess.run(
        [str(Path(os.sys.executable).with_name("reprolab")), *ONE],  # type: ignore[attr-defined]
        env={**os.environ, "REPROLAB_RESULTS": str(small_disk)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert process.returncode == 4, process.stdout + process.stderr
    assert "evidence could not be written: No space left on device" in process.stderr
    assert "REPROLAB_RESULTS" in process.stderr
    run = run_directory(small_disk)
    assert left(client, run) == []
    assert (run / "run.json").exists()


def test_a_log_that_could_not_be_written_does_not_hold_its_container(
    client: docker.DockerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine does not remove a container while a file of it is half read; the lab waited for a minute."""

    class FullDisk:
        def write(self, _: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(capture.gzip, "open", lambda *_, **__: nullcontext(FullDisk()))
    script = "head -c 20000000 /dev/zero > /log; echo written; sleep 600"
    container = client.containers.run(base(client), ["sh", "-c", script], entrypoint="", detach=True)
    try:
        wait_for("its log", lambda: b"written" in container.logs(), 30)
        # The error is kept while the container is removed, as it is in a run; it holds what was open.
        with pytest.raises(EvidenceError) as kept:
            capture.capture_file(container, "/log", tmp_path / "app.log.gz")
        client.api.timeout = 10
        container.remove(force=True)
        assert kept
    finally:
        client.api.timeout = 60
        remove_container(container)


class Gateway:
    """A socket that passes everything on to the engine, until it is cut: an engine that stops in mid-run."""

    def __init__(self, path: Path, engine_socket: str) -> None:
        self.path, self.target = path, engine_socket
        self.open: list[socket.socket] = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self.target)
            self.open += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pass_on(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def cut(self) -> None:
        """Stop listening and end every connection."""
        self.listener.close()
        self.path.unlink()
        for one in self.open:
            with closing(one):
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue


def test_an_engine_that_stops_in_mid_run_is_said(client: docker.DockerClient, tmp_path: Path) -> None:
    """Exit 4 and one message; the evidence is marked failed; once the engine is back `clean` removes the rest."""
    results = tmp_path / "results"
    gateway = Gateway(tmp_path / "engine.sock", client.api._custom_adapter.socket_path)
    process = start(results, *ONE, DOCKER_HOST=f"unix://{gateway.path}")
    run = wait_for("load of the run", lambda: loading(client, results), 300)
    gateway.cut()
    assert process.wait(timeout=120) == 4, output(process)
    assert "the Docker Engine stopped answering during the run" in output(process)
    assert read(run_directory(results) / "run.json")["status"] == "failed"
    status, printed = lab(results, "clean")
    assert status == 0, printed
    assert left(client, run) == []


def test_a_command_that_does_not_end_is_broken_off(client: docker.DockerClient) -> None:
    """At its limit, by another thread, or because its container went away: never a wait without an end."""
    box = client.containers.run(base(client), ["sleep", "600"], detach=True, init=True, network_disabled=True)
    try:
        commands = Commands()
        assert commands.run(box, ["sh", "-c", "echo out; echo err >&2; exit 3"]) == Output(3, "out\n", "err\n")
        with pytest.raises(InvalidTrial, match="sleep did not end"):
            commands.run(box, ["sleep", "60"], limit=1)
        assert commands.run(box, ["no-such-program"]).code == 126
        breaker = threading.Timer(1, commands.break_off)
        breaker.start()
        with pytest.raises(InvalidTrial, match="sleep did not end"):
            commands.run(box, ["sleep", "60"])
        breaker.join()
    finally:
        box.remove(force=True)
    with pytest.raises(InvalidTrial, match="true cannot run"):
        Commands().run(box, ["true"])
