"""Excerpts: what a page shows of a log, however long it is."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.report.html.log_digest import LONGEST, MOST_LINES, excerpt, excerpts

STAMP = "2026-11-21T05:52:26.500000000Z "
ZERO = 1_795_240_346_000_000_000


def log(path: Path, lines: Iterable[str]) -> Path:
    """A compressed log."""
    with gzip.open(path, "wt", compresslevel=1) as stream:
        stream.writelines(f"{line}\n" for line in lines)
    return path


def test_a_short_log_is_shown_whole(tmp_path: Path) -> None:
    """Lines alike are not left out where there is room for all."""
    found = excerpt(log(tmp_path / "app.log.gz", [f"{STAMP}tick {n}" for n in range(MOST_LINES)]), ZERO)
    assert [line.number for line in found.lines] == list(range(1, MOST_LINES + 1))
    assert found.counted == ()
    assert found.lines[0].at_ms == 500.0
    assert found.lines[0].text == "tick 0"


def test_of_lines_alike_few_are_shown_and_all_are_counted(tmp_path: Path) -> None:
    """The first two and the last answer of each status stand for thousands; the one line that differs is there."""
    lines = [f'127.0.0.1 "GET / HTTP/1.1" {200 if n < 600 else 502} {n}' for n in range(1000)]
    lines.insert(600, "FileNotFoundError: the socket")
    found = excerpt(log(tmp_path / "proxy.log.gz", lines), ZERO)
    assert [line.number for line in found.lines] == [1, 2, 600, 601, 602, 603, 1001]
    assert [found.gap_before(n) for n in range(len(found.lines) + 1)] == [0, 0, 597, 0, 0, 0, 397, 0]
    assert [n for n, _ in found.counted] == [597, 397]
    assert sum(n for n, _ in found.counted) + len(found.lines) == found.total == 1001
    assert [line.hot for line in found.lines] == [False, False, False, True, False, False, False]


def test_where_every_line_differs_the_beginning_and_the_end_are_shown(tmp_path: Path) -> None:
    """An excerpt has a most of lines, two thirds of them from the beginning."""
    words = [f"{a}{b}" for a in "abcdefghijklmnopqrst" for b in "abcdefghijklmnopqrst"]
    found = excerpt(log(tmp_path / "app.log.gz", words), 0, 30)
    assert len(found.lines) == 30
    assert (found.lines[19].text, found.lines[-1].text) == ("at", "tt")
    assert found.lines[0].at_ms is None


def test_a_line_that_no_page_could_show_is_cut(tmp_path: Path) -> None:
    """Very long lines and control characters are no part of a page."""
    found = excerpt(log(tmp_path / "app.log.gz", ["x" * 100_000, "a\x1b[31mred\x07"]), 0)
    assert len(found.lines[0].text) <= LONGEST + 2
    assert found.lines[1].text == "a�[31mred�"


def test_a_torn_log_is_shown_as_far_as_it_goes(tmp_path: Path) -> None:
    """A log that ends within its compression costs its end alone."""
    path = log(tmp_path / "app.log.gz", [f"line {n}" for n in range(20_000)])
    path.write_bytes(path.read_bytes()[:-5000])
    assert 0 < excerpt(path, 0).total < 20_000


def test_the_logs_of_a_trial(tmp_path: Path) -> None:
    """Every log that holds anything, the server's first; other evidence is no log."""
    log(tmp_path / "proxy.log.gz", ["x"])
    log(tmp_path / "app.log.gz", ["x"])
    log(tmp_path / "browser.log.gz", [])
    (tmp_path / "gunicorn.err").write_text("said\n")
    (tmp_path / "wrk.json").write_text("{}")
    assert [one.file for one in excerpts(TrialDirectory(tmp_path), 0)] == [
        "app.log.gz",
        "gunicorn.err",
        "proxy.log.gz",
    ]


@pytest.mark.slow
def test_memory_does_not_grow_with_a_log(tmp_path: Path) -> None:
    """Ten times the lines, and as many shapes as one likes, take no more memory: the process's own peak says so."""

    def peak(count: int) -> int:
        words = ("x" * (n % 300) for n in range(count))
        lines = (f'{STAMP}127.0.0.1 "GET /{word} HTTP/1.1" {200 + n % 5} {n}' for n, word in enumerate(words))
        path = log(tmp_path / f"{count}.log.gz", lines)
        program = (
            "import resource, sys, pathlib; from reprolab.report.html.log_digest import excerpt; "
            "found = excerpt(pathlib.Path(sys.argv[1]), 1); assert found.total == int(sys.argv[2]); "
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, str(path), str(count)], capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    small = peak(20_000)
    assert peak(200_000) < small + 30
