"""An engine that faults may break: a second dockerd with its own data, sockets and networks."""

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
BRIDGE_ADDRESS, POOL = "10.213.255.1/24", "10.213.0.0/17"


@dataclass
class SpareEngine:
    """A dockerd of our own. ``folder`` holds its data; ``host`` is its endpoint."""

    folder: Path
    bridge: str = field(default_factory=lambda: f"chaos{secrets.token_hex(3)}")
    process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"unix://{self.folder}/docker.sock"

    def client(self) -> docker.DockerClient:
        return docker.DockerClient(base_url=self.host, timeout=60)

    def start(self) -> None:
        """Start dockerd; returns when it answers. Its output goes to a file."""
        command = [
            "dockerd",
            *("--data-root", str(self.folder / "data"), "--exec-root", str(self.folder / "exec")),
            *("--pidfile", str(self.folder / "docker.pid"), "-H", self.host),
            *("--bridge", self.bridge, "--default-address-pool", f"base={POOL},size=24"),
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
def spare_engine(images: Sequence[str]) -> Iterator[SpareEngine]:
    """A second dockerd that has these images of the engine in use. Needs root; everything is removed at the end."""
    if os.geteuid() != 0:
        raise SystemExit("chaos: a second dockerd needs root; ARGS=--shared uses the engine that is there")
    with tempfile.TemporaryDirectory(prefix="reprolab-chaos-", dir="/var/lib", ignore_cleanup_errors=True) as folder:
        engine = SpareEngine(Path(folder))
        subprocess.run(["ip", "link", "add", "name", engine.bridge, "type", "bridge"], check=True)
        subprocess.run(["ip", "addr", "add", BRIDGE_ADDRESS, "dev", engine.bridge], check=True)
        try:
            engine.start()
            copy_images(images, engine)
            yield engine
        finally:
            engine.stop()
            subprocess.run(["ip", "link", "delete", engine.bridge], check=False)
            remove_rules(engine.bridge)
            unmount(Path(folder))


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


def remove_rules(bridge: str) -> None:
    """Delete the packet filter's rules for a bridge, which dockerd leaves when it ends."""
    for table in ("filter", "nat"):
        rules = subprocess.run(["iptables", "-t", table, "-S"], capture_output=True, text=True, check=True).stdout
        for words in (rule.split() for rule in rules.splitlines()):
            if bridge in words and words[0] == "-A":
                subprocess.run(["iptables", "-t", table, "-D", *words[1:]], check=False)


def unmount(folder: Path) -> None:
    """Unmount what a killed dockerd left mounted below a folder, and remove its data."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    for mount in sorted((path for path in mounts if path.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", mount], check=False)
    shutil.rmtree(folder, ignore_errors=True)
