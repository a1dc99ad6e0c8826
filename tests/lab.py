"""Helpers of the tests on real containers: run the lab as a user does, and wait for a state."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import docker
from reprolab.baseimage.resolve import policy, resolve_base
from reprolab.core.waiting import wait_until
from reprolab.engine import labels
from reprolab.engine.detect import client as connect

ROOT = Path(__file__).resolve().parents[1]
REPROLAB = Path(sys.executable).with_name("reprolab")
TRIAL_LABEL = "reprolab.object=trial"


def environment(results: Path, **more: str) -> dict[str, str]:
    """The environment of the tests with another results directory."""
    return {**os.environ, "REPROLAB_RESULTS": str(results), "REPROLAB_ROOT": str(ROOT), **more}


def start(results: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """Start the lab's command line; its output goes to a file beside the results."""
    results.parent.mkdir(parents=True, exist_ok=True)
    log = results.parent / f"{results.name}.{time.monotonic_ns()}.out"
    stream = log.open("w", encoding="utf-8")
    process = subprocess.Popen(
        [str(REPROLAB), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=stream,
        stderr=subprocess.STDOUT,
        env=environment(results, **more),
        text=True,
    )
    process.log = log  # type: ignore[attr-defined]
    return process


def output(process: subprocess.Popen[str]) -> str:
    """The output of a started lab so far."""
    log: Path = process.log  # type: ignore[attr-defined]
    return log.read_text(encoding="utf-8")


def lab(results: Path, *arguments: str, limit: float = 900, **more: str) -> tuple[int, str]:
    """Run the lab to its end; returns its exit status and output."""
    process = start(results, *arguments, **more)
    try:
        process.wait(timeout=limit)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return process.returncode, output(process)


def wait_for(what: str, state: Callable[[], Any], limit: float = 60.0) -> Any:
    """Wait until ``state()`` is true and return it. Raises WaitTimeout, with what was awaited and the last state."""
    return wait_until(what, state, limit)


def engine() -> docker.DockerClient:
    """A client of the engine. Without an engine the test fails; it is not skipped."""
    client = connect()
    client.ping()
    return client


def base(official: str) -> str:
    """The image that the lab uses for an official image on this machine; built if it is missing."""
    return resolve_base(official, engine(), policy=policy(os.environ), on_progress=print).reference


def of_run(run: Path) -> list[str]:
    """The labels of a run's objects."""
    return labels.of_run(run.name, read(run / "run.json")["pid"])


def left(client: docker.DockerClient, run: Path | None = None) -> list[str]:
    """Names of all trial objects on the engine; only those of one run if ``run`` is set."""
    filters: dict[str, Any] = {"label": of_run(run) if run else [TRIAL_LABEL]}
    containers = [c.name for c in client.containers.list(all=True, ignore_removed=True, filters=filters)]
    networks = [n.name for n in client.networks.list(filters=filters)]
    volumes = [v.name for v in client.volumes.list(filters=filters)]
    return [str(name) for name in containers + networks + volumes]


def run_directory(results: Path, scenario: str = "socket-vanish") -> Path:
    """The only run below ``results``."""
    runs = sorted((results / scenario).glob("2*"))
    assert len(runs) == 1, f"expected one run below {results}, found {runs}"
    return runs[0]


def read(path: Path) -> Any:
    """A JSON file of a run."""
    return json.loads(path.read_text(encoding="utf-8"))


def shown_in_pair(
    results: Path, scenario: str, pair: tuple[str, str], claims: Iterable[str] = (), experiment: str = ""
) -> dict[str, list[int]]:
    """Run one trial of each of two variants: claim -> whether its sign showed in the one and in the other, 1 or 0.

    Without ``claims`` those of all claims of the run.
    """
    options = [word for name in pair for word in ("--variant", name)]
    what = f"{scenario}/{experiment}" if experiment else scenario
    status, printed = lab(results, "run", what, *options, "--trials", "1")
    assert status == 0, printed
    signs = read(run_directory(results, scenario) / "verdict.json")["signs"]
    keys = [f"{experiment}/{name}" if experiment else name for name in pair]
    return {claim: [signs[claim][key]["shown"] for key in keys] for claim in claims or signs}
