"""Measures the cost of the lab itself. Prints ratios and seconds; no result makes it fail.

1. Throughput of a healthy stack under the lab, and with each part of the lab, compared with the same stack without it.
2. The time of a trial in addition to its load, and the time and memory for an access log of a million lines.
3. The page of a run whose logs hold a million lines: time, memory, size (`--page`: only this, without Docker).
4. Several workers: the speed-up of a matrix of waiting trials, and the cost of a trial there (`--cluster`: only this).

`--diagnose`: only the answers, the speed and the memory of `reprolab diagnose` (bench_diagnose.py), without Docker.

`--judge` measures no cost: it counts the judge's verdicts on simulated runs (bench_judge.py).
"""

from __future__ import annotations

import argparse
import gzip
import resource
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import bench_cluster
import bench_diagnose
import bench_judge
import bench_page
from bench_throughput import SCENARIO, images, throughput
from reprolab.cli.common import show_progress
from reprolab.engine import labels
from reprolab.engine.detect import client, ensure_engine
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.logs import access_log, capture
from reprolab.stack.containers import remove_container

MILLION = 1_000_000
LINE = '127.0.0.1 - - [21/Nov/2026:03:20:00 +0000] "GET / HTTP/1.1" 502 25 "-" "-" {} 0.000123\n'


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
    shares = [r["machine"]["watch_s"] / r["machine"]["seconds"] / r["machine"]["processors"] for r in records]
    print(f"samples of machine and services: {median(shares):.1%} of the processors' time, at most {max(shares):.1%}")


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
    parser.add_argument("--rounds", type=int, default=10, help="number of measurements (default 10)")
    parser.add_argument("--page", action="store_true", help="measure only report.html, without Docker")
    parser.add_argument(
        "--judge", action="store_true", help="only count the verdicts on simulated runs, without Docker"
    )
    parser.add_argument("--cluster", action="store_true", help="only measure several workers, without Docker")
    parser.add_argument("--hosts", type=int, default=0, help="simulate a matrix on so many hosts, and nothing else")
    parser.add_argument("--cells", type=int, default=10_000, help="with --hosts: the number of cells (default 10000)")
    parser.add_argument("--wait", type=float, default=0.2, help="with --hosts: the seconds of a trial (default 0.2)")
    parser.add_argument("--diagnose", action="store_true", help="measure only `reprolab diagnose`, without Docker")
    options = parser.parse_args()
    if options.diagnose:
        bench_diagnose.measure_diagnose()
        return
    if options.judge:
        bench_judge.print_tables()
        return
    if options.hosts:
        bench_cluster.print_simulation(options.hosts, options.cells, options.wait)
        return
    bench_cluster.print_speed_up()
    if options.cluster:
        return
    bench_page.measure_page(MILLION, 5)
    bench_page.measure_page(MILLION, 50)
    if options.page:
        return
    bench_diagnose.measure_diagnose()
    ensure_engine(show_progress)
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results"
        records = throughput(options.rounds, results)
        overhead(records)
        million_lines(images(results)[f"{SCENARIO}-proxy"])


if __name__ == "__main__":
    main()
