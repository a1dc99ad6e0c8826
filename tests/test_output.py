"""Standard output whose reader ends first, or that cannot be written: no such status means drift."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cases import lay_out, trials, write_run_json
from reprolab.core.errors import Exit
from reprolab.evidence.run_dir import RunDirectory

REPROLAB = [sys.executable, "-m", "reprolab.cli.main"]


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run that differs from the record: judging it ends with 1."""
    lay_out(tmp_path)
    path = tmp_path / "results" / "blink" / "20260101T000000Z"
    path.mkdir(parents=True)
    run = RunDirectory(path)
    write_run_json(run, status="complete")
    for row in trials(documented="---", old="---"):
        run.append(row)
    claim = '{"id": "B-1", "text": "It blinks since 1.0.", "verdict": "confirmed"}'
    record = f'{{"scenario": "blink", "run": "r", "claims": [{claim}]}}'
    (tmp_path / "scenarios" / "blink" / "recorded.json").write_text(record, encoding="utf-8")
    return run


def lab(tmp_path: Path, stdout: int, *arguments: str) -> tuple[int, str]:
    """Run the lab with this standard output; returns its exit status and what it wrote to standard error."""
    environment = {**os.environ, "REPROLAB_ROOT": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    environment.pop("REPROLAB_RESULTS", None)
    done = subprocess.run(
        [*REPROLAB, *arguments], stdout=stdout, stderr=subprocess.PIPE, env=environment, text=True, timeout=60
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("command", ["judge", "list"])
def test_a_reader_that_has_ended(tmp_path: Path, run: RunDirectory, command: str) -> None:
    """The status is that of SIGPIPE; verdict and report are on disk all the same."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        status, errors = lab(tmp_path, writer, command, *([str(run.path)] if command == "judge" else []))
    finally:
        os.close(writer)
    assert (status, "Traceback" in errors, "BrokenPipe" in errors) == (Exit.BROKEN_PIPE, False, False)
    if command == "judge":
        assert "DRIFT" in (run.path / "report.txt").read_text(encoding="utf-8")


def test_a_terminal_that_was_closed(tmp_path: Path, run: RunDirectory) -> None:
    """Nobody reads what is written to it; that is no fault of the run."""
    master, terminal = os.openpty()
    os.close(master)
    try:
        status, errors = lab(tmp_path, terminal, "judge", str(run.path))
    finally:
        os.close(terminal)
    assert (status, "Input/output error" in errors) == (Exit.DRIFT, False), errors
    assert "DRIFT" in (run.path / "report.txt").read_text(encoding="utf-8")


def test_no_standard_output_at_all(tmp_path: Path, run: RunDirectory) -> None:
    """As under a program that closed it. The next file that is opened must not take its place."""
    environment = {**os.environ, "REPROLAB_ROOT": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = ["sh", "-c", '"$@" >&-', "sh", *REPROLAB, "judge", str(run.path)]
    done = subprocess.run(command, stderr=subprocess.PIPE, env=environment, text=True, timeout=60, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (Exit.DRIFT, False), done.stderr
    assert "DRIFT" in (run.path / "report.txt").read_text(encoding="utf-8")


def test_with_a_reader_the_same_command_tells_drift(tmp_path: Path, run: RunDirectory) -> None:
    """The status above is not the one of the verdict."""
    assert lab(tmp_path, subprocess.DEVNULL, "judge", str(run.path))[0] == Exit.DRIFT


def test_output_that_cannot_be_written(tmp_path: Path, run: RunDirectory) -> None:
    """A full disk is no error in the lab: a message, and status 4."""
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        status, errors = lab(tmp_path, full, "judge", str(run.path))
    finally:
        os.close(full)
    assert (status, "Traceback" in errors) == (Exit.LAB_FAILED, False)
    assert "No space left on device" in errors
    assert (run.path / "verdict.json").exists() and (run.path / "report.txt").exists()


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["judge", "{run}"], Exit.DRIFT),
        (["html", "{run}"], Exit.LAB_FAILED),
        (["compare", "{run}", "documented", "old", "--html", "/proc/none/page.html"], Exit.USAGE),
        (["bugreport", "{run}", "--output", "/proc/none/x"], Exit.USAGE),
        (["judge", "a" * 300], Exit.LAB_FAILED),
    ],
)
def test_places_that_cannot_be_written(tmp_path: Path, run: RunDirectory, arguments: list[str], status: Exit) -> None:
    """A message that names the place, and no traceback."""
    (run.path / "report.html").mkdir()
    code, errors = lab(tmp_path, subprocess.DEVNULL, *(text.format(run=run.path) for text in arguments))
    assert (code, "Traceback" in errors) == (status, False), errors


def test_a_link_to_a_run_that_is_gone(tmp_path: Path, run: RunDirectory) -> None:
    """`latest` may point nowhere, or to itself; the newest run is found without it."""
    latest = run.path.parent / "latest"
    for target in ("20250101T000000Z", "latest"):
        latest.symlink_to(target)
        for name, status in (("blink", Exit.DRIFT), ("blink/latest", Exit.USAGE)):
            code, errors = lab(tmp_path, subprocess.DEVNULL, "judge", name)
            assert (code, "Traceback" in errors) == (status, False), errors
        latest.unlink()


def test_results_where_no_directory_can_be(tmp_path: Path, run: RunDirectory) -> None:
    """REPROLAB_RESULTS below a file."""
    environment = {**os.environ, "REPROLAB_ROOT": str(tmp_path), "REPROLAB_RESULTS": "/dev/null/results"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    for arguments in (["judge", "blink"], ["down", "blink"], ["bugreport", "blink"]):
        done = subprocess.run([*REPROLAB, *arguments], capture_output=True, env=environment, text=True, timeout=60)
        assert done.returncode in (Exit.AS_RECORDED, Exit.USAGE, Exit.LAB_FAILED), done.stderr
        assert "Traceback" not in done.stderr
