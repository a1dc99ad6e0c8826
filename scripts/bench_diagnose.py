"""Measures `reprolab diagnose`: right, wrong and no answers of the test set, lines per second, peak memory.

The lines are made, not recorded: mostly requests, with lines of workers and of errors between them. `grep -E` gets
the texts that all signatures search for, over the same lines. Needs no Docker.
"""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from diagnose_excerpts import cases, excerpts, verdict

LINES, MANY = 1_000_000, 10_000_000
ROOT = Path(__file__).resolve().parents[1]
REQUEST = '203.0.113.{} - - [27/Nov/2026:01:{:02d}:{:02d} +0000] "GET /item/{} HTTP/1.1" {} {} "-" "curl/8.1"\n'
WORKER = "[2026-11-27 01:49:34 +0000] [{0}] [INFO] {1} worker with pid: {0}\n"
FAILED = '2026/11/27 01:52:42 [error] 12#12: *{} open() "/srv/www/a.ico" failed (2: No such file or directory)\n'
SPECIAL = re.compile(r"[][\\^$.|?*+(){}]")
DIAGNOSE = "import sys; from reprolab.cli.main import main; sys.argv = ['reprolab', 'diagnose', *sys.argv[1:]]; main()"


def lines(number: int) -> Iterator[bytes]:
    """Made lines in blocks of a thousand."""
    for block in range(number // 1000):
        rows = [
            REQUEST.format(n % 250, n % 60, block % 60, n * 7 % 997, 502 if n % 50 == 0 else 200, n) for n in range(997)
        ]
        rows += [WORKER.format(block % 30000, "Booting"), WORKER.format(block % 30000, "Exiting"), FAILED.format(block)]
        yield "".join(rows).encode()


def print_answers() -> None:
    """How the excerpts of the test set are answered. We wrote both, so this is no measure for logs at large."""
    counts = Counter((verdict(excerpt, excerpt.answer()), excerpt.expected is None) for excerpt in excerpts())
    for none, what in ((False, "excerpts of a known case"), (True, "excerpts of no known case")):
        words = ", ".join(f"{counts[word, none]} {word}" for word in ("right", "wrong", "none"))
        print(f"diagnose, {what}: {words}")


def print_speed(file: Path) -> None:
    """Lines per second on one core, and those of grep for the same texts."""
    texts = {line.has for case in cases() for step in case.signature.every_step for line in (*step.lines, *step.resets)}
    pattern = "|".join(SPECIAL.sub(r"\\\g<0>", text) for text in sorted(texts))
    nothing = file.with_name("empty.log")
    nothing.touch()
    start = _seconds([sys.executable, "-c", DIAGNOSE, str(nothing)])
    taken = _seconds([sys.executable, "-c", DIAGNOSE, str(file)])
    grep = _seconds(["grep", "-E", "-c", "-a", "-e", pattern, str(file)])
    print(
        f"diagnose, {LINES:,} lines: {taken:.2f} s of one core, {start:.2f} s of them to start: "
        f"{LINES / max(taken - start, 0.01):,.0f} lines a second; grep -E of its {len(texts)} texts: "
        f"{LINES / max(grep, 0.01):,.0f}"
    )


def print_memory() -> None:
    """Peak memory for many lines on standard input, beside that for few."""
    peaks = [_peak(number) for number in (1000, MANY)]
    print(f"diagnose, peak memory: {peaks[0]:.0f} MiB for 1,000 lines, {peaks[1]:.0f} MiB for {MANY:,}")


def _seconds(command: list[str]) -> float:
    """The processor time of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Not /dev/null: there grep stops at the first line.
    subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


# A process of its own for each, so that its peak is not that of another.
PEAK = (
    "import atexit, resource; "
    "peak = lambda: sys.stderr.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)); "
    f"atexit.register(peak); {DIAGNOSE}"
)


def _peak(number: int) -> float:
    """Peak memory in MiB."""
    program = subprocess.Popen(
        [sys.executable, "-c", f"import sys; {PEAK}", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    assert program.stdin
    assert program.stderr
    for block in lines(number):
        program.stdin.write(block)
    program.stdin.close()
    return int(program.stderr.read().split()[-1]) / 1024


def measure_diagnose() -> None:
    """Print all of it."""
    print_answers()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "made.log"
        with file.open("wb") as stream:
            stream.writelines(lines(LINES))
        print_speed(file)
    print_memory()


if __name__ == "__main__":
    measure_diagnose()
