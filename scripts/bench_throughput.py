"""Measures how much throughput the lab costs: the whole lab, and each part of it alone.

The application is socket-vanish with MAX_REQUESTS=0, so that no worker restarts. Stacks without the lab, with one part
of it and with all parts are up at the same time; an idle stack takes no CPU. Each round drives each stack for a few
seconds, in a random order, and has one trial under the lab. Ratios are of one round, so that a machine that becomes
slower or faster from round to round does no harm. A second stack without the lab shows how far a ratio is from 1 by
chance.
"""

from __future__ import annotations

import json
import math
import os
import random
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from docker.types import LogConfig
from reprolab.core.waiting import wait_until
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
SLICE = 5  # seconds of load for each stack in each round
AIM = 0.9
# What the lab adds to a stack. "watch" reads /proc and cgroups from outside the containers.
PARTS = {
    "witness": "the witness of the socket file",
    "logs": "the access logs of gunicorn and h2o",
    "script": "wrk's reporting script",
    "watch": "samples of the machine and the services",
}
LAB, ALL, BARE, AGAIN = "lab", "parts", "bare", "again"
STACKS = {BARE: (), AGAIN: (), ALL: tuple(PARTS), **{part: (part,) for part in PARTS}}
WORDS = {
    AGAIN: "without the lab, a second time: 1 but for chance",
    **PARTS,
    ALL: "these four together",
    LAB: f"a trial under the lab (aim: {AIM} or better)",
}


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
    parts: tuple[str, ...]

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
def bare_stack(references: Mapping[str, str], parts: tuple[str, ...]) -> Iterator[BareStack]:
    """The same images and settings without the lab, but with these parts of it (keys of PARTS)."""
    engine, project = client(), f"reprolab-bench-{secrets.token_hex(4)}"
    owner = labels.object_labels(SCENARIO, "bench")
    volume = engine.volumes.create(labels=owner, driver_opts={"type": "tmpfs", "device": "tmpfs", "o": "mode=1777"})
    socket = {volume.name: {"bind": "/tmp", "mode": "rw"}}
    settings = {**loader.load(ROOT, SCENARIO).factors, **dict([HEALTHY.split("=")])}
    settings |= {"WITNESS": "on" if "witness" in parts else "off", "HOME": "/var/tmp"}
    logs = "logs" in parts
    settings["ACCESS_LOG"] = "/var/tmp/access.log" if logs else "/dev/null"
    containers: list[Any] = []

    def start(role: str, volumes: Mapping[str, Any], network: str | None = None) -> Any:
        marks = owner | {PROJECT: project, SERVICE: f"{SCENARIO}-{role}"}
        options: dict[str, Any] = {
            "volumes": {**socket, **volumes},
            "network_mode": network,
            "environment": settings,
            "detach": True,
            "init": True,
            "log_config": LogConfig(type="local" if logs else "none"),
        }
        containers.append(engine.containers.run(references[f"{SCENARIO}-{role}"], labels=marks, **options))
        return containers[-1]

    try:
        conf = {str(ROOT / "scenarios" / SCENARIO / "h2o.conf"): {"bind": "/etc/h2o/scenario.conf", "mode": "ro"}}
        no_log = {} if logs else {"/dev/null": {"bind": "/srv/proxy/access.log", "mode": "rw"}}
        proxy = start("proxy", conf | no_log)
        if "witness" in parts:
            start("witness", {}, "none")
        start("app", {}, f"container:{proxy.id}")
        yield BareStack(engine, project, proxy, parts)
    finally:
        for container in reversed(containers):
            remove_container(container)
        volume.remove(force=True)


def wait_until_healthy(stack: BareStack, wrk: str) -> None:
    """Drive the stack until it answers with 2xx. Raises WaitTimeout."""

    def healthy() -> bool:
        printed = stack.wrk(wrk, "-t1", "-c1", "-d1s", URL)
        return "Non-2xx" not in printed and "requests in" in printed

    wait_until("the stack without the lab answers", healthy, 30)


def one_slice(stack: BareStack, wrk: str) -> float:
    """wrk's requests per second. Exits if an answer has another status than 2xx."""
    load = replace(LOAD, duration=SLICE)
    plain = (f"-t{load.threads}", f"-c{load.connections}", f"-d{SLICE}s", URL)
    roles = {role: f"{SCENARIO}-{role}" for role in ("app", "proxy")}
    with tempfile.TemporaryDirectory() as folder:
        watch = watching(stack.engine, stack.project, roles, TrialDirectory(Path(folder)))
        with watch if "watch" in stack.parts else nullcontext():
            printed = stack.wrk(wrk, *(load.command(URL)[1:] if "script" in stack.parts else plain))
    if "Non-2xx" in printed:
        raise SystemExit(f"bench: the stack without the lab was not healthy:\n{printed}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", printed)
    if rate is None:
        raise SystemExit(f"bench: wrk printed no rate:\n{printed}")
    return float(rate[1])


def one_round(stacks: Mapping[str, BareStack], wrk: str, results: Path) -> tuple[dict[str, float], dict[str, Any]]:
    """The requests per second of each kind, and the record of the trial under the lab."""
    kinds = [LAB, *stacks]
    random.shuffle(kinds)
    rates, record = {}, {}
    for kind in kinds:
        if kind == LAB:
            record = under_the_lab(results)
            rates[LAB] = record["observation"]["ok_per_second"]
        else:
            rates[kind] = one_slice(stacks[kind], wrk)
    return rates, record


def ratios_of(rates: Mapping[str, float]) -> dict[str, float]:
    """Each kind's rate divided by the mean of the two stacks without the lab; AGAIN by that of the other one."""
    bare = math.sqrt(rates[BARE] * rates[AGAIN])
    return {kind: rate / bare for kind, rate in rates.items()} | {AGAIN: rates[AGAIN] / rates[BARE]}


def summary(ratios: list[float]) -> str:
    """The median, with its 95 % interval from the ranks; fewer than six rounds have none."""
    values, count = sorted(ratios), len(ratios)
    text = f"{median(values):.2f}"
    # The rank below which the true median lies by a chance of at most 2.5 %.
    below = sum(sum(math.comb(count, k) for k in range(rank + 1)) / 2**count <= 0.025 for rank in range(count))
    return f"{text} ({values[below - 1]:.2f} to {values[-below]:.2f})" if below else f"{text} (no interval)"


def throughput(rounds: int, results: Path) -> list[dict[str, Any]]:
    """Measure so many rounds, and print the ratios; returns the records of the trials under the lab."""
    under_the_lab(results)
    references = images(results)
    records, ratios = [], []
    with ExitStack() as up:
        stacks = {kind: up.enter_context(bare_stack(references, parts)) for kind, parts in STACKS.items()}
        for stack in stacks.values():
            wait_until_healthy(stack, references["wrk"])
        for number in range(1, rounds + 1):
            rates, record = one_round(stacks, references["wrk"], results)
            records.append(record)
            ratios.append(ratios_of(rates))
            words = "  ".join(f"{kind} {ratios[-1][kind]:.2f}" for kind in WORDS)
            print(f"  round {number}: without the lab {rates[BARE]:,.0f} requests/s; ratios: {words}", flush=True)
    print(f"throughput / throughput without the lab, median of {rounds} round(s) (95 % interval)")
    for kind, words in WORDS.items():
        print(f"  {kind:8} {summary([ratio[kind] for ratio in ratios])}  {words}")
    return records
