"""An engine that faults may break: a second dockerd with its own data and socket, in a network namespace of its own.

A second dockerd in the namespace of the first one removes the first one's bridge when it starts again after SIGKILL.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import docker
from docker.errors import DockerException
from reprolab.core.waiting import WaitTimeout, wait_until

START_LIMIT = 120.0  # seconds
UPLINK = "uplink"
HERE, THERE = "10.213.77.1", "10.213.77.2"  # the two ends of a link between the namespaces


@dataclass
class SpareEngine:
    """A dockerd of our own. ``folder`` holds its data; ``host`` is its endpoint.

    Who connects to its containers must run behind ``prefix``, in the same network namespace. ``options`` are further
    ones of dockerd.
    """

    folder: Path
    options: tuple[str, ...] = ()
    namespace: str = field(default_factory=lambda: f"reprolab-chaos-{secrets.token_hex(3)}")
    process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"unix://{self.folder}/docker.sock"

    @property
    def prefix(self) -> tuple[str, ...]:
        return ("nsenter", f"--net=/run/netns/{self.namespace}")

    def client(self) -> docker.DockerClient:
        return docker.DockerClient(base_url=self.host, timeout=60)

    def start(self) -> None:
        """Start dockerd; returns when it answers. Its output goes to a file."""
        command = [
            *(*self.prefix, "dockerd"),
            *("--data-root", str(self.folder / "data"), "--exec-root", str(self.folder / "exec")),
            *("--pidfile", str(self.folder / "docker.pid"), "-H", self.host),
            # A limit that a user's engine may have for all containers. The lab's evidence must be whole nevertheless.
            *("--log-opt", "max-size=2k", "--log-opt", "max-file=1"),
            *self.options,
        ]
        with (self.folder / "dockerd.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        wait_until("the second dockerd answers", self.answers, START_LIMIT)

    def answers(self) -> bool:
        try:
            return bool(self.client().ping())
        except (DockerException, OSError):
            return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to dockerd."""
        assert self.process is not None
        self.process.send_signal(number)
        if number == signal.SIGKILL:
            self.process.wait()
            (self.folder / "docker.pid").unlink(missing_ok=True)

    def restore(self) -> None:
        """Let dockerd answer again, whatever was done to it."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            with suppress(Exception):
                wait_until("the second dockerd answers", self.answers, 10)
        if not self.answers():
            self.stop()
            self.start()

    def stop(self) -> None:
        """End dockerd and the containerd that it started."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        end_containerd(self.folder / "exec" / "containerd" / "containerd.pid")


@contextmanager
def spare_engine(images: Sequence[str], options: Sequence[str] = ()) -> Iterator[SpareEngine]:
    """A second dockerd that has these images of the engine in use. Needs root; everything is removed at the end."""
    if os.geteuid() != 0:
        raise SystemExit("chaos: a second dockerd needs root; ARGS=--shared uses the engine that is there")
    with tempfile.TemporaryDirectory(prefix="reprolab-chaos-", dir="/var/lib", ignore_cleanup_errors=True) as folder:
        engine = SpareEngine(Path(folder), tuple(options))
        subprocess.run(["ip", "netns", "add", engine.namespace], check=True)
        subprocess.run([*engine.prefix, "ip", "link", "set", "lo", "up"], check=True)
        try:
            engine.start()
            copy_images(images, engine)
            yield engine
        finally:
            engine.stop()
            subprocess.run(["ip", "netns", "delete", engine.namespace], check=False)
            unmount(Path(folder))


@contextmanager
def link(spare: SpareEngine) -> Iterator[None]:
    """A link between this network namespace and that of the second engine; it goes with that namespace."""
    name = f"rl{spare.namespace[-6:]}"
    for command in (
        ["ip", "link", "add", name, "type", "veth", "peer", "name", UPLINK, "netns", spare.namespace],
        ["ip", "address", "add", f"{HERE}/30", "dev", name],
        ["ip", "link", "set", name, "up"],
        [*spare.prefix, "ip", "address", "add", f"{THERE}/30", "dev", UPLINK],
        [*spare.prefix, "ip", "link", "set", UPLINK, "up"],
    ):
        subprocess.run(command, check=True)
    try:
        yield
    finally:
        subprocess.run(["ip", "link", "delete", name], check=False)


def end_containerd(pid_file: Path) -> None:
    """End the containerd of a dockerd that was killed. The next dockerd must not take it for its own."""
    with suppress(OSError, ValueError):
        pid = int(pid_file.read_text())
        os.kill(pid, signal.SIGTERM)
        with suppress(WaitTimeout):
            wait_until("containerd ends", lambda: not Path(f"/proc/{pid}").exists(), 15)
        os.kill(pid, signal.SIGKILL)


def copy_images(images: Sequence[str], engine: SpareEngine) -> None:
    """Bring images from the engine in use to the second one."""
    save = subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE)
    subprocess.run(
        ["docker", "--host", engine.host, "load", "--quiet"], stdin=save.stdout, stdout=subprocess.DEVNULL, check=True
    )
    if save.wait() != 0:
        raise SystemExit("chaos: the images could not be saved")


def unmount(folder: Path) -> None:
    """Unmount what a killed dockerd left mounted below a folder, and remove its data."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    for mount in sorted((path for path in mounts if path.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", mount], check=False)
    shutil.rmtree(folder, ignore_errors=True)
