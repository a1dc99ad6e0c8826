"""The reader of logs: endless lines, damaged files, and the memory that all readers of a run need."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from cases import lay_out, trial, write_run_json
from click.testing import CliRunner
from hostile import DEMO, UPSTREAM
from hypothesis import given
from hypothesis import strategies as st
from reprolab.cli import main
from reprolab.core.errors import Exit
from reprolab.evidence import lookup
from reprolab.evidence.run_dir import RunDirectory, TrialDirectory
from reprolab.logs import log_file
from reprolab.logs.log_file import MARK, DamagedLog, LogFile, whole_log
from reprolab.report.html.log_digest import digest_log

LINES = b"".join(b"line %d of the log\n" % number for number in range(5000))
STAMPED = b"2026-11-26T01:19:01.000000000Z "
ENDLESS = 300 << 20  # bytes of one line
MOST_MIB = 200

DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "torn": (lambda data: data[:-3000], "torn"),
    "torn in the trailer": (lambda data: data[:-3], "torn"),
    "torn in the header": (lambda data: data[:5], "torn"),
    "empty": (lambda data: b"", "empty"),
    "not gzip": (lambda data: LINES, "not gzip"),
    "another byte": (lambda data: data[:6000] + bytes([data[6000] ^ 255]) + data[6001:], "have changed|torn"),
    "wrong checksum": (lambda data: data[:-8] + bytes(4) + data[-4:], "have changed"),
    "more after the end": (lambda data: data + b"more", "not gzip"),
}


def packed(path: Path, content: bytes = LINES) -> Path:
    """A log of the app with this content."""
    path.write_bytes(gzip.compress(content, 1))
    return path


# -- endless lines ----------------------------------------------------------------------------------


def test_the_rest_of_an_endless_line_is_dropped_and_said(tmp_path: Path) -> None:
    """The lines before and after it are as they were; a line of exactly the limit is whole."""
    content = b"a\n" + b"x" * 5000 + b"\n" + b"y" * 64 + b"\nz\n" + b"w" * 64
    for name in ("app.log.gz", "app.log"):
        path = tmp_path / name
        path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
        log = LogFile(path, longest=64)
        assert list(log.lines()) == [b"a\n", b"x" * 64 + MARK, b"y" * 64 + b"\n", b"z\n", b"w" * 64]
        assert (log.cut_lines, log.damage) == (1, "")
        assert log.remarks == ["1 line longer than 0 KiB cut"]


@given(st.lists(st.binary(max_size=40).map(lambda data: data.replace(b"\n", b" ")), max_size=6), st.integers(1, 12))
def test_short_lines_are_never_changed(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], longest: int
) -> None:
    """A line within the limit is the same, a longer one begins the same, and their number is the same."""
    path = tmp_path_factory.mktemp("log") / "app.log"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    log = LogFile(path, longest=longest)
    read = list(log.lines())
    wanted = [line + b"\n" if len(line) <= longest else line[:longest] + MARK for line in lines]
    assert read == wanted
    assert log.cut_lines == sum(len(line) > longest for line in lines)


def write_endless(path: Path, size: int) -> None:
    """A log with a line of this size; it is written in small parts."""
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(STAMPED + b"hostile begins\n" + STAMPED)
        part = b"x" * (1 << 20)
        for _ in range(size >> 20):
            stream.write(part)
        stream.write(b"\n" + STAMPED + b"hostile ends\n")


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A judged run whose logs of the app and the proxy have an endless line."""
    root = tmp_path_factory.mktemp("home")
    run = run_of(root)
    first = run.trial("lamp", "documented", 1).log_path("app")
    write_endless(first, int(os.environ.get("REPROLAB_TEST_ENDLESS", ENDLESS)))
    for variant in ("documented", "old"):
        for role in ("app", "proxy"):
            path = run.trial("lamp", variant, 1).log_path(role)
            if path != first:
                path.unlink(missing_ok=True)
                path.hardlink_to(first)
    return run


def run_of(root: Path) -> RunDirectory:
    """A checkout with a scenario, and a judged run of it that has a trial of each variant."""
    directory = lay_out(root)
    (directory / "demo.yaml").write_text(yaml.safe_dump(DEMO))
    (directory / "upstream.yaml").write_text(yaml.safe_dump(UPSTREAM).replace("BIND", "RELEASE"))
    run = lookup.create_run(root, "blink")
    write_run_json(run, started="2026-01-02", status="complete", plan=[])
    for variant, shown in (("documented", True), ("old", False)):
        run.append(trial(variant, shown))
        evidence = run.trial("lamp", variant, 1)
        evidence.path.mkdir(parents=True)
        packed(evidence.log_path("app"), STAMPED + b"hostile begins\n" + STAMPED + LINES)
    assert lab(root, "judge", str(run.path))[0] == 0
    return run


def lab(root: Path, *words: str) -> tuple[int, str]:
    """The exit status of a command, and what it prints."""
    done = CliRunner().invoke(main.main, list(words), env={"REPROLAB_ROOT": str(root), "REPROLAB_RESULTS": None})
    return done.exit_code, done.output


READERS = {
    "html": ["html", "RUN"],
    "compare": ["compare", "RUN", "documented", "old"],
    "bugreport": ["bugreport", "RUN", "--output", "-"],
    "demo": ["demo", "blink", "--replay", "RUN"],
}
# Not ru_maxrss: it begins with the memory of the process that started this one.
MEASURE = """
import atexit, re
from pathlib import Path
from reprolab.cli.main import main
atexit.register(lambda: print(re.search("VmHWM.*", Path("/proc/self/status").read_text())[0]))
main()
"""


@pytest.mark.parametrize("reader", READERS)
def test_an_endless_line_takes_no_memory(endless: RunDirectory, reader: str) -> None:
    """Each reader says that the line is cut, or shows its beginning, and stays far below the size of the line."""
    root = endless.path.parents[2]
    words = [str(endless.path) if word == "RUN" else word for word in READERS[reader]]
    environment = {**os.environ, "REPROLAB_ROOT": str(root), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment.pop("REPROLAB_RESULTS", None)
    done = subprocess.run([sys.executable, "-c", MEASURE, *words], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    peak = int(done.stdout.rsplit("VmHWM:", 1)[1].split()[0]) >> 10
    assert peak < MOST_MIB, f"{peak} MiB"
    if reader == "html":
        page = (endless.path / "report.html").read_text(encoding="utf-8")
        assert "app.log.gz: 1 line longer than 1024 KiB cut" in page
    else:
        assert "1 line longer than 1024 KiB cut" in " ".join(done.stdout.split())


# -- damage -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_before_the_damage_is_read(tmp_path: Path, damage: str) -> None:
    """No line that was not in the log, and the reason; whoever counts gets an error that names the file."""
    harm, reason = DAMAGES[damage]
    path = packed(tmp_path / "app.log.gz")
    path.write_bytes(harm(path.read_bytes()))
    log = LogFile(path)
    read = b"".join(log.lines())
    assert re.search(reason, log.damage)
    assert LINES.startswith(read) or damage == "another byte"
    with pytest.raises(DamagedLog, match=rf"app.log.gz is damaged: .*({reason})"):
        list(whole_log(path))
    with pytest.raises(DamagedLog):
        list(TrialDirectory(tmp_path).lines("app"))
    assert any(re.search(reason, remark) for remark in digest_log(path, 0).remarks)


def test_a_missing_log_is_an_error_of_the_system(tmp_path: Path) -> None:
    """It is no damage: who calls knows whether the log must be there."""
    with pytest.raises(FileNotFoundError):
        list(whole_log(tmp_path / "app.log.gz"))


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_reader_names_a_damaged_log(tmp_path: Path, damage: str) -> None:
    """Page, comparison and bug report say what is wrong with which file; nothing ends with a traceback."""
    run = run_of(tmp_path)
    path = run.trial("lamp", "documented", 1).log_path("app")
    path.write_bytes(DAMAGES[damage][0](path.read_bytes()))
    for reader, words in READERS.items():
        status, printed = lab(tmp_path, *(str(run.path) if word == "RUN" else word for word in words))
        assert status == Exit.AS_RECORDED, printed
        if reader == "html":
            assert "app.log.gz: damaged: " in (run.path / "report.html").read_text(encoding="utf-8")
        else:
            assert "damaged: " in " ".join(printed.split())


@given(st.binary(max_size=200), st.integers(0, 200), st.sampled_from([b"", gzip.compress(LINES[:2000])]))
def test_any_bytes_are_read_or_named(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, at: int, log: bytes
) -> None:
    """Foreign bytes in or in place of a log never raise anything but the damage."""
    path = tmp_path_factory.mktemp("log") / "app.log.gz"
    path.write_bytes(log[:at] + data + log[at + len(data) :])
    reader = LogFile(path)
    read = b"".join(reader.lines())
    try:
        wanted = gzip.decompress(path.read_bytes()) if path.stat().st_size else None
    except (EOFError, OSError, zlib.error):
        wanted = None
    assert (reader.damage == "") == (wanted is not None)
    assert wanted is None or read == wanted
    digest_log(path, 1)
    assert log_file.LONGEST_LINE == 1 << 20
