"""The exit status of the lab, kept in a file for callers of make."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cases import ROOT, lay_out
from click.testing import CliRunner
from reprolab.cli import last_status, main


@pytest.mark.parametrize(
    ("end", "status"),
    [(SystemExit(3), "3"), (SystemExit(None), "0"), (SystemExit("words"), "1"), (None, "0"), (RuntimeError(), "1")],
)
def test_whatever_ends_the_lab_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: BaseException | None, status: str
) -> None:
    """While it runs there is no file; the folder is made."""
    path = tmp_path / "results" / "last-status"
    monkeypatch.setenv(last_status.VARIABLE, str(path))
    path.parent.mkdir()
    path.write_text("0\n", encoding="utf-8")
    try:
        with last_status.kept():
            assert not path.exists() and last_status.VARIABLE not in os.environ
            path.parent.rmdir()
            if end:
                raise end
    except BaseException as raised:
        assert raised is end
    assert path.read_text(encoding="utf-8") == f"{status}\n"


def test_a_command_keeps_its_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A usage error of the lab, and a mistake that click finds."""
    lay_out(tmp_path)
    path = tmp_path / "status"
    for words in (["run", "blnk"], ["run", "--nope"], ["judge"]):
        monkeypatch.setenv("REPROLAB_ROOT", str(tmp_path))
        monkeypatch.setenv(last_status.VARIABLE, str(path))
        assert CliRunner().invoke(main.main, words).exit_code == 2
        assert path.read_text(encoding="utf-8") == "2\n"
        path.unlink()


def test_a_file_that_cannot_be_written_changes_no_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said."""
    (tmp_path / "file").touch()
    monkeypatch.setenv(last_status.VARIABLE, str(tmp_path / "file" / "status"))
    with pytest.raises(SystemExit) as end, last_status.kept():
        raise SystemExit(3)
    assert end.value.code == 3 and "the exit status could not be kept" in capsys.readouterr().err


def test_a_lab_that_was_killed_leaves_no_file(tmp_path: Path) -> None:
    """The status of an earlier command would be a wrong one."""
    path, begun = tmp_path / "status", tmp_path / "begun"
    path.write_text("0\n", encoding="utf-8")
    code = (
        "import sys, time, pathlib\nfrom reprolab.cli import last_status\n"
        f"with last_status.kept(): pathlib.Path({str(begun)!r}).touch(); time.sleep(60)"
    )
    environment = {**os.environ, last_status.VARIABLE: str(path), "PYTHONPATH": str(ROOT / "scripts")}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment)
    deadline = time.monotonic() + 20
    while not begun.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL and not path.exists()


def test_targets_that_call_other_programs_keep_none() -> None:
    """`make test` runs `reprolab doctor` too, whose status is not that of the tests."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    without = re.search(r"^([a-z -]+): export REPROLAB_STATUS_FILE :=$", makefile, re.MULTILINE)
    recipes = re.findall(r"^([a-z-]+):.*## .*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    others = [target for target, recipe in recipes if re.search(r"\$\(BIN\)/(?:python|pytest|ruff)", recipe)]
    assert without and sorted(without[1].split()) == sorted(others)
