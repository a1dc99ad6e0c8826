"""One run of the small case with one fault, and what came of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException
from docker.models.containers import Container
from reprolab.core.errors import LabError
from reprolab.core.waiting import wait_until
from reprolab.engine.containers import PROJECT, SERVICE
from reprolab.engine.labels import OBJECT, TRIAL, of_run
from reprolab.engine.leftovers import lab_objects
from reprolab.evidence.run_dir import RunDirectory

ROOT = Path(__file__).resolve().parents[2]
CASE = "chaos"
TRUTH = {"X-1": "confirmed", "X-2": "refuted"}
UNDECIDED = "inconclusive"
STAGE_LIMIT = 120.0  # seconds until a stage is reached
END_LIMIT = 180.0  # seconds from the fault to the end of the lab
REQUESTS_SEEN = 25  # so many requests reached the server of a trial "in drive"; it fails from the 21st on


def lay_out(root: Path) -> None:
    """A checkout that has the small case only."""
    shutil.copytree(ROOT / "scripts" / "chaos" / "case", root / "scenarios" / CASE)
    shutil.copytree(ROOT / "images", root / "images")
    shutil.copytree(ROOT / "scripts" / "wrk_wrapper", root / "scripts" / "wrk_wrapper")
    (root / "compose.yaml").write_text(f"name: reprolab\ninclude:\n  - scenarios/{CASE}/compose.yaml\n")


@dataclass
class Attempt:
    """A lab that runs the small case in ``root``; ``results`` and ``client`` are of this attempt alone."""

    root: Path
    results: Path
    client: docker.DockerClient
    environ: Mapping[str, str]
    wrapper: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    # Known from the moment of the fault on: the fault may remove the directory of the run.
    labels: list[str] = field(default_factory=list)

    @property
    def log(self) -> Path:
        return self.results.with_suffix(".out")

    @property
    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def _popen(self, wrapper: tuple[str, ...], arguments: tuple[str, ...]) -> subprocess.Popen[bytes]:
        """Start the lab; its output is added to a file. ``wrapper`` is a shell command that has the lab's as "$@"."""
        places = {"REPROLAB_ROOT": str(self.root), "REPROLAB_RESULTS": str(self.results)}
        with self.log.open("ab") as stream:
            return subprocess.Popen(
                [*self.prefix, *wrapper, str(Path(sys.executable).with_name("reprolab")), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env={**os.environ, **places, **self.environ},
                start_new_session=True,
            )

    def start(self, *arguments: str) -> None:
        """Start the lab in its surroundings."""
        self.process = self._popen(self.wrapper, arguments)

    def call(self, *arguments: str) -> int:
        """Run another command of the lab, without the wrapper, to its end."""
        with self._popen((), arguments) as process:
            try:
                return process.wait(END_LIMIT)
            finally:
                process.kill()

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def end(self, limit: float = END_LIMIT) -> int | None:
        """The exit status; None if the lab did not end within the limit, and then it is killed."""
        assert self.process is not None
        try:
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            return None

    @property
    def run(self) -> RunDirectory:
        """The only run of this attempt."""
        (path,) = (self.results / CASE).glob("2*")
        return RunDirectory(path)

    def evidence(self, name: str, variant: str = "documented") -> Path:
        """A file of the evidence of a variant's first trial."""
        return self.run.path / "failing" / variant / "1" / name

    def wait_for(self, what: str, state: Callable[[], Any], limit: float = STAGE_LIMIT) -> Any:
        """Wait for a state of the run. Raises RuntimeError if the lab ends before."""

        def look() -> Any:
            if self.process is not None and self.process.poll() is not None:
                raise RuntimeError(f"the lab ended before {what}: status {self.process.returncode}")
            with suppress(OSError, ValueError, KeyError, DockerException):
                return state()
            return None

        return wait_until(what, look, limit, interval=0.02)

    def container(self, role: str, variant: str = "documented") -> Container | None:
        """The container of a service in a variant's stack, in whatever state."""
        project = json.loads(self.evidence("compose.json", variant).read_text(encoding="utf-8"))["name"]
        labels = [f"{PROJECT}={project}", f"{SERVICE}={CASE}-{role}"]
        matches = self.client.containers.list(all=True, ignore_removed=True, filters={"label": labels})
        return matches[0] if matches else None

    def in_drive(self, variant: str = "documented") -> Container | None:
        """The app of a variant, once it has got a few requests."""
        app = self.container("app", variant)
        return app if app and app.logs().count(b"GET /") > REQUESTS_SEEN else None

    def verdicts(self) -> dict[str, str]:
        """The verdicts in verdict.json, by claim; empty without one."""
        with suppress(OSError, ValueError, TypeError):
            content = json.loads((self.run.path / "verdict.json").read_text(encoding="utf-8"))
            return {row["id"]: row["verdict"] for row in content["claims"]}
        return {}

    def status(self) -> str:
        """What run.json says of the run; "" without one."""
        try:
            return self.run.info().status
        except (LabError, OSError, ValueError):
            return ""

    def left(self) -> list[str]:
        """The names of all objects of the lab that are on the engine and belong to this attempt's run."""
        try:
            wanted = self.labels or self.labels_of_run()
        except (LabError, OSError, ValueError):
            wanted = [f"{OBJECT}={TRIAL}"]
        return [item.name for item in lab_objects(self.client, wanted)]

    def labels_of_run(self) -> list[str]:
        """The labels of the run's objects. Raises LabError, OSError or ValueError if there is no run.json to read."""
        return of_run(self.run.name, self.run.info().pid)


@dataclass(frozen=True)
class Outcome:
    """What came of a fault; ``broken`` has the promises that were not kept."""

    name: str
    exit_status: int | None
    verdicts: Mapping[str, str]
    left: tuple[str, ...]
    message: str
    seconds: float
    broken: tuple[str, ...]


def wrong(verdicts: Mapping[str, str]) -> list[str]:
    """The decided verdicts that are not true."""
    return [
        f"{claim} {verdict}, in truth {TRUTH[claim]}"
        for claim, verdict in verdicts.items()
        if verdict not in (UNDECIDED, TRUTH[claim])
    ]


def message_of(output: str, says: str) -> str:
    """The line of the output with the expected words, else the last line that the lab printed as an error."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    hits = [line for line in lines if says and re.search(says, line, re.IGNORECASE)]
    errors = [line for line in lines if line.startswith("reprolab:")]
    return (hits or errors[-2:-1] or errors or lines[-1:] or [""])[0]
