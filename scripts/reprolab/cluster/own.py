"""A cluster of the driver's own: a scheduler in this process, and one worker process for each engine."""

from __future__ import annotations

import json
import logging
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import dask
from distributed import Client, LocalCluster
from distributed.security import Security

from reprolab.cluster.engines import NamedEngine, results_of
from reprolab.core.files import writing

GRACE = 50.0  # seconds for a worker to remove its stacks and end
MACHINE_GRACE = 10.0  # the same where the stacks end with their virtual machine
LAST_LINES = 3
SSH = (
    "ssh",
    *("-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes"),
    *("-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=3"),
)
# A worker that has not been heard of for so long is lost, and its trials go to others.
SCHEDULER = {"distributed.scheduler.worker-ttl": "60s", "distributed.scheduler.http.routes": []}
LOOPBACK = "127.0.0.1"


@dataclass
class OwnWorkers:
    """The worker processes, by name."""

    root: Path
    results: Path
    engines: Sequence[NamedEngine]
    threads: int
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _deadlines: dict[str, float] = field(default_factory=dict)
    _address: str = ""
    _security: Mapping[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return [engine.name for engine in self.engines]

    def start(self, address: str, security: Mapping[str, Any]) -> None:
        """Start a worker for each engine; returns before they are ready."""
        self._address, self._security = address, security
        for engine in self.engines:
            self._begin(engine)

    def add(self, engine: NamedEngine) -> None:
        """Start a worker for one more engine, as `start` did for the others."""
        self.engines = [*self.engines, engine]
        self._begin(engine)

    def _begin(self, engine: NamedEngine) -> None:
        folder = results_of(self.results, engine)
        port = _free_port()
        settings = {
            "scheduler": self._address,
            "name": engine.name,
            "threads": self.threads,
            "port": port,
            "security": dict(self._security),
            "environ": self._environ(engine, folder),
        }
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with self._log(engine.name).open("wb") as log:
                self.processes[engine.name] = self._start(engine, self._address, port, log)
        self._send(self.processes[engine.name], settings)

    def _start(self, engine: NamedEngine, address: str, port: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "reprolab.cluster.worker"]
        if engine.ssh:
            command = ssh_command(engine, int(address.rpartition(":")[2]), port, self.root)
        # A process group of its own: Ctrl-C reaches the driver only.
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=self.root, start_new_session=True
        )

    def _environ(self, engine: NamedEngine, folder: Path) -> dict[str, str]:
        if engine.ssh:
            # The machine's own engine and results; no secret of this environment goes there.
            return {"REPROLAB_ROOT": str(self.root), "REPROLAB_ENGINE": "external"}
        return {
            "DOCKER_HOST": engine.endpoint,
            "REPROLAB_RESULTS": str(folder),
            "REPROLAB_ROOT": str(self.root),
            "REPROLAB_ENGINE": "external",
            **dict(engine.environ),
        }

    def _send(self, process: subprocess.Popen[bytes], settings: Mapping[str, Any]) -> None:
        # A worker that has ended says why in its log.
        with suppress(BrokenPipeError):
            assert process.stdin is not None
            process.stdin.write(json.dumps(settings).encode() + b"\n")
            process.stdin.flush()

    def _log(self, name: str) -> Path:
        engine = next(engine for engine in self.engines if engine.name == name)
        return results_of(self.results, engine) / "worker.log"

    def left(self, name: str) -> str:
        """Why a worker ended, with the last lines of its log; "" if it runs or is not one of these."""
        process = self.processes.get(name)
        if process is None or process.poll() is None:
            return ""
        lines = self._log(name).read_text(encoding="utf-8", errors="replace").splitlines()
        last = " | ".join(line.strip() for line in lines[-LAST_LINES:])
        return f"its process ended with status {process.returncode}" + (f" ({last})" if last else "")

    def ended(self) -> dict[str, str]:
        """Name -> why it ended, of the workers that have."""
        return {name: why for name in self.processes if (why := self.left(name))}

    def end(self, name: str) -> None:
        """Let a worker end; returns at once. `stop` kills it if it has not ended in time."""
        if (process := self.processes.get(name)) and name not in self._deadlines:
            self._deadlines[name] = time.monotonic() + self._grace(name)
            # The end of its input tells a worker to end, on other machines too.
            with suppress(OSError):
                if process.stdin:
                    process.stdin.close()

    def _grace(self, name: str) -> float:
        in_machine = any(engine.environ for engine in self.engines if engine.name == name)
        return MACHINE_GRACE if in_machine else GRACE

    def stop(self) -> None:
        """End all workers."""
        for name in self.processes:
            self.end(name)
        for name, process in self.processes.items():
            try:
                process.wait(max(0.0, self._deadlines[name] - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def ssh_command(engine: NamedEngine, scheduler: int, port: int, root: Path) -> list[str]:
    """Start a worker on an engine's machine, in a checkout at the same place.

    Both connections go through ssh: the scheduler's port is there on the loopback too, and the worker's port here.
    """
    remote = f"cd {shlex.quote(str(root))} && exec .venv/bin/python -m reprolab.cluster.worker"
    here, there = f"{LOOPBACK}:{port}:{LOOPBACK}:{port}", f"{LOOPBACK}:{scheduler}:{LOOPBACK}:{scheduler}"
    return [*SSH, "-L", here, "-R", there, *engine.ssh, remote]


@contextmanager
def own_cluster(workers: OwnWorkers) -> Iterator[Client]:
    """Start scheduler and workers, and end them with the block. All connections are encrypted, on the loopback only.

    Who can connect to a scheduler can run any program as its user, so only the workers get the key.
    """
    security: Any = Security.temporary()  # type: ignore[no-untyped-call]
    with dask.config.set(SCHEDULER), _scheduler(security) as cluster, connected(cluster) as client:
        try:
            workers.start(cluster.scheduler_address, _of_worker(security))
            yield client
        finally:
            workers.stop()


def _scheduler(security: Any) -> AbstractContextManager[Any]:
    cluster: AbstractContextManager[Any] = LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=0,
        processes=False,
        host=LOOPBACK,
        protocol="tls://",
        security=security,
        dashboard_address=f"{LOOPBACK}:0",
        silence_logs=logging.CRITICAL,
    )
    return cluster


def connected(cluster: Any, **options: Any) -> AbstractContextManager[Client]:
    """A client of a cluster, or of the scheduler at an address."""
    client: AbstractContextManager[Client] = Client(cluster, set_as_default=False, **options)  # type: ignore[no-untyped-call]
    return client


def _of_worker(security: Any) -> dict[str, Any]:
    """The settings of a worker, with certificate and key as texts."""
    names = "require_encryption tls_ca_file tls_worker_cert tls_worker_key tls_client_cert tls_client_key"
    return {name: getattr(security, name) for name in names.split()}


def _free_port() -> int:
    """A port on the loopback that is free now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
