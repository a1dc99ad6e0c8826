"""Measures how much throughput the lab costs: the whole lab, and each part of it alone.

The stack is socket-vanish with MAX_REQUESTS=0, so that no worker restarts. Each round measures, in a random order, the
same gunicorn, h2o and wrk without the lab, with one part of the lab added, and under the lab. Ratios are of one round,
so that a machine that changes between the rounds does no harm.
"""

from __future__ import annotations

import json
import os
import random
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from docker.types import LogConfig
from reprolab.engine import labels
from reprolab.engine.detect import client
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.machine.containers import PROJECT, SERVICE
from reprolab.machine.watch import watching
from reprolab.scenario import loader
from reprolab.stack.containers import remove_container
from reprolab.stack.load import SCRIPT_DIRECTORY
from wrk_wrapper import Wrk

ROOT = Path(__file__).resolve().parents[1]
REPROLAB = Path(sys.executable).with_name("reprolab")
SCENARIO = "socket-vanish"
HEALTHY = "MAX_REQUESTS=0"
URL = "http://127.0.0.1:18080/"
LOAD = Wrk(script_dir=SCRIPT_DIRECTORY, threads=10, connections=200, duration=10)
PLAIN_LOAD = (f"-t{LOAD.threads}", f"-c{LOAD.connections}", f"-d{LOAD.duration:.0f}s", URL)
AIM = 0.9
# What the lab adds to a stack. "watch" reads /proc and cgroups from outside the containers.
PARTS = {
    "witness": "the witness of the socket file",
    "logs": "the access logs of gunicorn and h2o",
    "script": "wrk's reporting script",
    "watch": "samples of the machine and the services",
}
LAB, BARE = "lab", "bare"


def under_the_lab(results: Path) -> dict[str, Any]:
    """One trial of the healthy stack; its record from trials.jsonl."""
    command = [str(REPROLAB), "run", SCENARIO, "--set", HEALTHY, "--trials", "1"]
    subprocess.run(
        command,
        env={**os.environ, "REPROLAB_RESULTS": str(results)},
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    lines = (results / SCENARIO / "latest" / "trials.jsonl").read_text(encoding="utf-8").splitlines()
    record: dict[str, Any] = json.loads(lines[-1])
    return record


def images(results: Path) -> dict[str, str]:
    """The images of the last run, by service."""
    content = json.loads((results / SCENARIO / "latest" / "run.json").read_text(encoding="utf-8"))
    return {service: row["reference"] for service, row in content["images"]["custom"].items()}


@dataclass(frozen=True)
class BareStack:
    """A running stack without the lab."""

    engine: Any
    project: str
    proxy: Any

    def wrk(self, image: str, *arguments: str) -> str:
        """What wrk prints."""
        printed: bytes = self.engine.containers.run(
            image,
            list(arguments),
            network_mode=f"container:{self.proxy.id}",
            remove=True,
            labels=labels.object_labels(SCENARIO, "bench"),
        )
        return printed.decode()


@contextmanager
def bare_stack(references: Mapping[str, str], part: str) -> Iterator[BareStack]:
    """The same images and settings without the lab, but with one part of it (a key of PARTS, or BARE for none)."""
    engine, project = client(), f"reprolab-bench-{secrets.token_hex(4)}"
    owner = labels.object_labels(SCENARIO, "bench")
    volume = engine.volumes.create(labels=owner, driver_opts={"type": "tmpfs", "device": "tmpfs", "o": "mode=1777"})
    socket = {volume.name: {"bind": "/tmp", "mode": "rw"}}
    settings = {**loader.load(ROOT, SCENARIO).factors, **dict([HEALTHY.split("=")])}
    settings |= {"WITNESS": "on" if part == "witness" else "off", "HOME": "/var/tmp"}
    logs = part == "logs"
    settings["ACCESS_LOG"] = "/var/tmp/access.log" if logs else "/dev/null"
    containers: list[Any] = []

    def start(role: str, volumes: Mapping[str, Any], network: str | None = None) -> Any:
        options: dict[str, Any] = {
            "volumes": {**socket, **volumes},
            "network_mode": network,
            "environment": settings,
            "labels": owner | {PROJECT: project, SERVICE: f"{SCENARIO}-{role}"},
            "detach": True,
            "init": True,
            "log_config": LogConfig(type="local" if logs else "none"),
        }
        containers.append(engine.containers.run(references[f"{SCENARIO}-{role}"], **options))
        return containers[-1]

    try:
        conf = {str(ROOT / "scenarios" / SCENARIO / "h2o.conf"): {"bind": "/etc/h2o/scenario.conf", "mode": "ro"}}
        no_log = {} if logs else {"/dev/null": {"bind": "/srv/proxy/access.log", "mode": "rw"}}
        proxy = start("proxy", conf | no_log)
        if part == "witness":
            start("witness", {}, "none")
        start("app", {}, f"container:{proxy.id}")
        yield BareStack(engine, project, proxy)
    finally:
        for container in reversed(containers):
            remove_container(container)
        volume.remove(force=True)


def without_the_lab(references: Mapping[str, str], part: str) -> float:
    """wrk's requests per second. Exits if an answer has another status than 2xx."""
    with bare_stack(references, part) as stack, tempfile.TemporaryDirectory() as folder:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            printed = stack.wrk(references["wrk"], "-t1", "-c1", "-d1s", URL)
            if "Non-2xx" not in printed and "requests in" in printed:
                break
        roles = {role: f"{SCENARIO}-{role}" for role in ("app", "proxy")}
        watch = watching(stack.engine, stack.project, roles, TrialDirectory(Path(folder)))
        with watch if part == "watch" else nullcontext():
            printed = stack.wrk(references["wrk"], *(LOAD.command(URL)[1:] if part == "script" else PLAIN_LOAD))
    if "Non-2xx" in printed:
        raise SystemExit(f"bench: the bare stack was not healthy:\n{printed}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", printed)
    if rate is None:
        raise SystemExit(f"bench: wrk printed no rate:\n{printed}")
    return float(rate[1])


def one_round(references: Mapping[str, str], results: Path) -> tuple[dict[str, float], dict[str, Any]]:
    """The requests per second of each kind, and the record of the trial under the lab."""
    kinds = [LAB, BARE, *PARTS]
    random.shuffle(kinds)
    rates, record = {}, {}
    for kind in kinds:
        if kind == LAB:
            record = under_the_lab(results)
            rates[LAB] = record["observation"]["ok_per_second"]
        else:
            rates[kind] = without_the_lab(references, kind)
    return rates, record


def throughput(rounds: int, results: Path) -> list[dict[str, Any]]:
    """Measure so many rounds, and print the ratios; returns the records of the trials under the lab."""
    under_the_lab(results)
    references = images(results)
    records, ratios = [], []
    for number in range(1, rounds + 1):
        rates, record = one_round(references, results)
        records.append(record)
        ratios.append({kind: rate / rates[BARE] for kind, rate in rates.items() if kind != BARE})
        parts = "  ".join(f"{kind} {ratio:.2f}" for kind, ratio in sorted(ratios[-1].items()))
        print(f"  round {number}: without the lab {rates[BARE]:,.0f} requests/s; of that {parts}", flush=True)
    print(f"throughput / throughput without the lab, of {rounds} round(s): median (lowest to highest)")
    for kind, words in {LAB: f"the whole lab (aim: {AIM} or better)", **PARTS}.items():
        values = sorted(ratio[kind] for ratio in ratios)
        print(f"  {kind:8} {median(values):.2f} ({values[0]:.2f} to {values[-1]:.2f})  {words}")
    return records
