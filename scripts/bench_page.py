"""Measures the page of a run whose logs hold a million lines: seconds, memory, size. Needs no Docker."""

from __future__ import annotations

import gzip
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from reprolab.core import files
from reprolab.evidence import run_dir
from reprolab.evidence.run_dir import RunDirectory
from reprolab.scenario import loader
from reprolab.scenario.trial import TrialRecord

ROOT = Path(__file__).resolve().parents[1]
SCENARIO, EXPERIMENT = "socket-vanish", "vanish"
START = 1_795_000_000_000_000  # microseconds since the epoch
LOAD = 10_000_000  # microseconds
ANSWER = '127.0.0.1 - - [21/Nov/2026:03:20:00 +0000] "GET / HTTP/1.1" {} 25 "-" "-" {} 0.000123\n'
REFUSED = "2026-11-18T07:06:40.{:09d}Z [lib/core/proxy.c] in request:/:failed to connect to host\n"
SERVED = '2026-11-18T07:06:40.{:09d}Z  - - [21/Nov/2026:03:20:00 +0000] "GET / HTTP/1.1" 200 11 "-" "-"\n'
BOOTED = "2026-11-18T07:06:40.{:09d}Z [2026-11-18 07:06:40 +0000] [{}] [INFO] Booting worker with pid: {}\n"
GONE = (
    '2026-11-18T07:06:41.000000000Z {"witness": "watch", "t_ns": 1795000001000000000, "event": "gone", "name": "x"}\n'
)
# A process of its own, so that its peak memory is that of `reprolab html`.
PROGRAM = """
import resource, sys, time
from pathlib import Path
from reprolab.evidence.run_dir import RunDirectory
from reprolab.report.write import write_page
from reprolab.scenario import loader
begun = time.monotonic()
run = RunDirectory(Path(sys.argv[1]))
path = write_page(loader.load(Path(sys.argv[2]), sys.argv[3]), run)
print(time.monotonic() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, path.stat().st_size / 1e6)
"""


def measure_page(lines: int, trials: int) -> None:
    """Build a run with so many lines in the logs of so many trials, and print the cost of its page."""
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory(Path(folder) / "20260101T000000Z")
        total = build_run(run, lines, trials)
        command = [sys.executable, "-c", PROGRAM, str(run.path), str(ROOT), SCENARIO]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        charts = (run.path / run_dir.PAGE).read_text(encoding="utf-8").count('class="chart"')
    assert charts == trials, f"{charts} of {trials} trials have a timeline"
    seconds, memory, size = map(float, done.stdout.split())
    print(
        f"report.html of {trials} trials with {total:,} lines: {seconds:.1f} s, peak memory {memory:.0f} MiB, "
        f"{size:.1f} MB (aims: 20 s, 500 MiB, 5 MB for a million lines)"
    )


def build_run(run: RunDirectory, lines: int, trials: int) -> int:
    """Write a run of socket-vanish with generated logs; returns their number of lines."""
    scenario = loader.load(ROOT, SCENARIO)
    run.path.mkdir(parents=True)
    files.write_json(run.path / "run.json", {"scenario": SCENARIO, "status": "complete"})
    names = list(scenario.experiments[EXPERIMENT].variants)
    lines_per_trial = lines // trials
    for index in range(trials):
        name, number = names[index % len(names)], index // len(names) + 1
        write_logs(run.trial(EXPERIMENT, name, number).path, lines_per_trial)
        run.append(TrialRecord(EXPERIMENT, name, number, {}, observation(lines_per_trial)))
    return lines_per_trial * trials


def observation(lines: int) -> dict[str, object]:
    """An observation without responses, so that the page has to read them from the proxy's log."""
    load = {"started_ns": START * 1000, "finished_ns": (START + LOAD) * 1000, "requests": lines, "connections": 200}
    return {"load": load, "unlinks": []}


def write_logs(directory: Path, lines: int) -> None:
    """Write the logs of one trial: 70 % access log, 20 % error log of the proxy, 10 % log of the server."""
    directory.mkdir(parents=True)
    parts = {"proxy.log.gz": 7, "proxy.streams.log.gz": 2, "app.log.gz": 1}
    makers = {"proxy.log.gz": access_lines, "proxy.streams.log.gz": error_lines, "app.log.gz": server_lines}
    for name, part in parts.items():
        with gzip.open(directory / name, "wt", compresslevel=1) as stream:
            stream.writelines(makers[name](lines * part // 10))
    with gzip.open(directory / "witness.log.gz", "wt") as stream:
        stream.write(GONE)


def access_lines(count: int) -> Iterator[str]:
    """The proxy's access log."""
    return (ANSWER.format(200 if n % 3 else 502, START + n * LOAD // count) for n in range(count))


def error_lines(count: int) -> Iterator[str]:
    """The proxy's error log."""
    return (REFUSED.format(n * 999_999_999 // count) for n in range(count))


def server_lines(count: int) -> Iterator[str]:
    """The server's log: a line for each request, and a worker that starts after every thousand requests."""
    for n in range(count):
        moment = n * 999_999_999 // count
        yield BOOTED.format(moment, n, n) if n % 1000 == 0 else SERVED.format(moment)
