"""Digests: what a page shows of a log of any length."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.report.html.log_digest import LONGEST, MOST_LINES, digest_log, digest_logs

STAMP = "2026-11-21T05:52:26.500000000Z "
ZERO = 1_795_240_346_000_000_000


def log(path: Path, lines: Iterable[str]) -> Path:
    """A compressed log."""
    with gzip.open(path, "wt", compresslevel=1) as stream:
        stream.writelines(f"{line}\n" for line in lines)
    return path


def test_a_short_log_is_shown_whole(tmp_path: Path) -> None:
    """Similar lines are not left out if there is room for all lines."""
    digest = digest_log(log(tmp_path / "app.log.gz", [f"{STAMP}tick {n}" for n in range(MOST_LINES)]), ZERO)
    assert [line.number for line in digest.lines] == list(range(1, MOST_LINES + 1))
    assert digest.counted == ()
    assert digest.lines[0].at_ms == 500.0
    assert digest.lines[0].text == "tick 0"


def test_few_similar_lines_are_shown_and_all_are_counted(tmp_path: Path) -> None:
    """Of each status, the first two lines and the last are shown. The single line of another kind is shown too."""
    lines = [f'127.0.0.1 "GET / HTTP/1.1" {200 if n < 600 else 502} {n}' for n in range(1000)]
    lines.insert(600, "FileNotFoundError: the socket")
    digest = digest_log(log(tmp_path / "proxy.log.gz", lines), ZERO)
    assert [line.number for line in digest.lines] == [1, 2, 600, 601, 602, 603, 1001]
    assert [digest.gap_before(n) for n in range(len(digest.lines) + 1)] == [0, 0, 597, 0, 0, 0, 397, 0]
    assert [n for n, _ in digest.counted] == [597, 397]
    assert sum(n for n, _ in digest.counted) + len(digest.lines) == digest.total == 1001
    assert [line.hot for line in digest.lines] == [False, False, False, True, False, False, False]


def test_the_beginning_and_the_end_are_shown_if_all_lines_differ(tmp_path: Path) -> None:
    """A digest has a maximum of lines; two thirds of them are from the beginning."""
    words = [f"{a}{b}" for a in "abcdefghijklmnopqrst" for b in "abcdefghijklmnopqrst"]
    digest = digest_log(log(tmp_path / "app.log.gz", words), 0, 30)
    assert len(digest.lines) == 30
    assert (digest.lines[19].text, digest.lines[-1].text) == ("at", "tt")
    assert digest.lines[0].at_ms is None


def test_a_very_long_line_is_cut(tmp_path: Path) -> None:
    """The rest of a long line is left out, and control characters are replaced."""
    digest = digest_log(log(tmp_path / "app.log.gz", ["x" * 100_000, "a\x1b[31mred\x07"]), 0)
    assert len(digest.lines[0].text) <= LONGEST + 2
    assert digest.lines[1].text == "a�[31mred�"


def test_a_torn_log_is_shown_up_to_the_tear(tmp_path: Path) -> None:
    """The lines before the tear can be read."""
    path = log(tmp_path / "app.log.gz", [f"line {n}" for n in range(20_000)])
    path.write_bytes(path.read_bytes()[:-5000])
    assert 0 < digest_log(path, 0).total < 20_000


def test_the_logs_of_a_trial(tmp_path: Path) -> None:
    """All logs that are not empty, the server's first. Other evidence is not a log."""
    log(tmp_path / "proxy.log.gz", ["x"])
    log(tmp_path / "app.log.gz", ["x"])
    log(tmp_path / "browser.log.gz", [])
    (tmp_path / "gunicorn.err").write_text("said\n")
    (tmp_path / "wrk.json").write_text("{}")
    assert [digest.file for digest in digest_logs(TrialDirectory(tmp_path), 0)] == [
        "app.log.gz",
        "gunicorn.err",
        "proxy.log.gz",
    ]


@pytest.mark.slow
def test_memory_does_not_grow_with_a_log(tmp_path: Path) -> None:
    """The peak memory of a process stays the same for ten times the lines, with any number of shapes."""

    def peak(count: int) -> int:
        words = ("x" * (n % 300) for n in range(count))
        lines = (f'{STAMP}127.0.0.1 "GET /{word} HTTP/1.1" {200 + n % 5} {n}' for n, word in enumerate(words))
        path = log(tmp_path / f"{count}.log.gz", lines)
        program = (
            "import resource, sys, pathlib; from reprolab.report.html.log_digest import digest_log; "
            "digest = digest_log(pathlib.Path(sys.argv[1]), 1); assert digest.total == int(sys.argv[2]); "
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, str(path), str(count)], capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    small = peak(20_000)
    assert peak(200_000) < small + 30
