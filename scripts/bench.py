"""Measures the cost of the lab itself. Prints ratios and seconds; no result makes it fail.

1. Throughput of a healthy stack (socket-vanish, MAX_REQUESTS=0) under the lab, compared with the same gunicorn,
   h2o and wrk without it: no witness, no reporting script, no logs.
2. The time of a trial in addition to its load, and the time and memory for an access log of a million lines.
3. The page of a run whose logs hold a million lines: time, memory, size (`--page`: only this, without Docker).

`--judge` measures no cost: it counts the judge's verdicts on simulated runs (bench_judge.py).
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import resource
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import bench_judge
import bench_page
from reprolab.cli.common import show_progress
from reprolab.engine import labels
from reprolab.engine.detect import client, ensure_engine
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.logs import access_log, capture
from reprolab.scenario import loader
from reprolab.stack.containers import remove_container

ROOT = Path(__file__).resolve().parents[1]
REPROLAB = Path(sys.executable).with_name("reprolab")
SCENARIO = "socket-vanish"
HEALTHY = "MAX_REQUESTS=0"
LOAD = ("-t10", "-c200", "-d10s", "http://127.0.0.1:18080/")
MILLION = 1_000_000
LINE = '127.0.0.1 - - [21/Nov/2026:03:20:00 +0000] "GET / HTTP/1.1" 502 25 "-" "-" {} 0.000123\n'


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


@contextmanager
def bare_stack(references: dict[str, str]) -> Iterator[tuple[Any, str]]:
    """The same images and settings without the lab and without logs; yields the engine and the proxy's id."""
    engine = client()
    owner = labels.object_labels(SCENARIO, "bench")
    volume = engine.volumes.create(labels=owner, driver_opts={"type": "tmpfs", "device": "tmpfs", "o": "mode=1777"})
    socket = {volume.name: {"bind": "/tmp", "mode": "rw"}}
    settings = {**loader.load(ROOT, SCENARIO).factors, **dict([HEALTHY.split("=")]), "WITNESS": "off"}
    common: dict[str, Any] = {
        "detach": True,
        "init": True,
        "labels": owner,
        "log_config": {"Type": "none"},
        "environment": {**settings, "HOME": "/var/tmp", "ACCESS_LOG": "/dev/null"},
    }
    conf = str(ROOT / "scenarios" / SCENARIO / "h2o.conf")
    containers = []
    try:
        proxy = engine.containers.run(
            references[f"{SCENARIO}-proxy"],
            volumes={
                **socket,
                conf: {"bind": "/etc/h2o/scenario.conf", "mode": "ro"},
                "/dev/null": {"bind": "/srv/proxy/access.log", "mode": "rw"},
            },
            name=f"reprolab-bench-{secrets.token_hex(4)}",
            **common,
        )
        containers.append(proxy)
        containers.append(
            engine.containers.run(
                references[f"{SCENARIO}-app"], volumes=socket, network_mode=f"container:{proxy.id}", **common
            )
        )
        yield engine, str(proxy.id)
    finally:
        for container in reversed(containers):
            remove_container(container)
        volume.remove(force=True)


def without_the_lab(references: dict[str, str]) -> float:
    """wrk's requests per second on the bare stack. Exits if an answer has another status than 2xx."""
    with bare_stack(references) as (engine, proxy):
        common = {
            "network_mode": f"container:{proxy}",
            "remove": True,
            "labels": labels.object_labels(SCENARIO, "bench"),
        }
        end = time.monotonic() + 30
        while time.monotonic() < end:
            printed = engine.containers.run(references["wrk"], ["-t1", "-c1", "-d1s", LOAD[-1]], **common).decode()
            if "Non-2xx" not in printed and "requests in" in printed:
                break
        printed = engine.containers.run(references["wrk"], list(LOAD), **common).decode()
    if "Non-2xx" in printed:
        raise SystemExit(f"bench: the bare stack was not healthy:\n{printed}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", printed)
    if rate is None:
        raise SystemExit(f"bench: wrk printed no rate:\n{printed}")
    return float(rate[1])


def throughput(rounds: int, results: Path) -> list[dict[str, Any]]:
    """Measure both in turn and print their ratio for each round; returns the trials' records."""
    records = []
    ratios = []
    under_the_lab(results)
    references = images(results)
    for number in range(1, rounds + 1):
        record = under_the_lab(results)
        lab, bare = record["observation"]["ok_per_second"], without_the_lab(references)
        ratios.append(lab / bare)
        records.append(record)
        print(f"  round {number}: under the lab {lab:8.0f} 2xx/s   without {bare:8.0f} req/s   ratio {lab / bare:.2f}")
    print(f"throughput under the lab / without it: median ratio {median(ratios):.2f} of {rounds} (aim: 0.9 or better)")
    return records


def overhead(records: list[dict[str, Any]]) -> None:
    """Print the time of a trial in addition to its load, by stage."""
    spent = [
        {**r["seconds"], "drive": r["seconds"]["drive"] - r["observation"]["load"]["duration_us"] / 1e6}
        for r in records
    ]
    stages = "  ".join(f"{name} {median(s[name] for s in spent):.2f} s" for name in spent[0])
    total = median(sum(s.values()) for s in spent)
    lines = median(sum(r["observation"]["statuses"].values()) for r in records)
    print(f"a trial on top of its load: median {total:.2f} s ({stages}; {lines:,.0f} log lines; aim: 5 s at most)")


def log_size(container: Any) -> int:
    """The size of the log in bytes; 0 while there is none."""
    code, printed = container.exec_run(["stat", "-c", "%s", "/srv/proxy/access.log"])
    return int(printed) if code == 0 else 0


def million_lines(reference: str) -> None:
    """Fetch, compress and read a log of a million lines from a real container; print time and peak memory."""
    engine = client()
    script = f"awk 'BEGIN {{ for (i = 0; i < {MILLION}; i++) printf \"{_awk(LINE)}\", 1795000000000000 + i * 10 }}'"
    container = engine.containers.run(
        reference,
        ["-c", f"{script} > /srv/proxy/access.log; sleep 600"],
        entrypoint=["sh"],
        detach=True,
        init=True,
        labels=labels.object_labels(SCENARIO, "bench"),
    )
    try:
        with tempfile.TemporaryDirectory() as folder:
            size = len(LINE.format(1795000000000000)) * MILLION
            end = time.monotonic() + 60
            while log_size(container) < size and time.monotonic() < end:
                time.sleep(0.2)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            begun = time.monotonic()
            trial = TrialDirectory(Path(folder))
            capture.capture_file(container, "/srv/proxy/access.log", trial.log_path("proxy"))
            fetched = time.monotonic()
            summary = access_log.access_summary(trial.lines("proxy"), 1795000000000000000)
            done = time.monotonic()
            growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
            with gzip.open(trial.log_path("proxy")) as packed:
                assert packed.readline().decode() == LINE.format(1795000000000000)
    finally:
        remove_container(container)
    assert summary.lines == MILLION, summary.lines
    print(
        f"a log of {MILLION:,} lines: fetched and compressed in {fetched - begun:.2f} s, "
        f"read in {done - fetched:.2f} s, peak memory {growth:+.0f} MiB"
    )


def _awk(line: str) -> str:
    return line.replace("{}", "%.0f").replace('"', '\\"').replace("\n", "\\n")


def main() -> None:
    """Run all measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3, help="number of measurements (default 3)")
    parser.add_argument("--page", action="store_true", help="measure only report.html, without Docker")
    parser.add_argument(
        "--judge", action="store_true", help="only count the verdicts on simulated runs, without Docker"
    )
    options = parser.parse_args()
    if options.judge:
        bench_judge.print_tables()
        return
    bench_page.measure_page(MILLION, 5)
    bench_page.measure_page(MILLION, 50)
    if options.page:
        return
    ensure_engine(show_progress)
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results"
        records = throughput(options.rounds, results)
        overhead(records)
        million_lines(images(results)[f"{SCENARIO}-proxy"])


if __name__ == "__main__":
    main()
