"""Running other programs: exit codes, output, time limits, and that none is left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from reprolab.core.errors import Exit
from reprolab.core.subprocesses import TAIL_LINES, CommandError, end, run


def gone(pid: int) -> bool:
    """Whether a process has ended: it does not exist, or it is a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def wait_gone(pid: int) -> bool:
    """Whether a process ends within 5 s."""
    end = time.monotonic() + 5
    while not gone(pid) and time.monotonic() < end:
        time.sleep(0.01)
    return gone(pid)


def wait_pids(file: Path, count: int) -> list[int]:
    """Wait for ``count`` process ids in a file and return them."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        if file.exists() and len(pids := file.read_text().split()) >= count:
            return [int(pid) for pid in pids]
        time.sleep(0.01)
    raise AssertionError(f"{file} holds fewer than {count} process ids")


def test_output_and_code() -> None:
    """Both streams are decoded and separate; bytes that are not UTF-8 are replaced."""
    result = run(["sh", "-c", "printf 'out\\377'; printf err >&2"])
    assert (result.code, result.stdout, result.stderr) == (0, "out\ufffd", "err")
    assert result.command == ("sh", "-c", "printf 'out\\377'; printf err >&2")


def test_an_unexpected_code_shows_everything() -> None:
    """The message has the command in shell syntax, the exit code and the last lines of the output."""
    with pytest.raises(CommandError) as caught:
        run(["sh", "-c", "echo 'one two'; echo three >&2; exit 7"])
    message = str(caught.value)
    assert message.startswith("exit code 7: sh -c 'echo '\"'\"'one two'")
    assert message.endswith("one two\n\nthree")
    assert caught.value.finished.code == 7
    assert caught.value.exit_status is Exit.LAB_FAILED


def test_a_code_may_be_expected() -> None:
    """With check=False the exit code is returned; a signal gives a negative one."""
    assert run(["sh", "-c", "exit 7"], check=False).code == 7
    assert run(["sh", "-c", "kill -9 $$"], check=False).code == -signal.SIGKILL


def test_only_the_last_lines_are_shown() -> None:
    """The message has the last lines only; the result has the whole output."""
    with pytest.raises(CommandError) as caught:
        run(["sh", "-c", "seq 1000; exit 1"])
    assert str(caught.value).endswith("999\n1000")
    assert len(caught.value.finished.tail.splitlines()) == TAIL_LINES
    assert caught.value.finished.stdout.startswith("1\n2\n")


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [(None, 0, "No such file"), ("", 0o644, "Permission denied"), ("", 0o755, "Exec format")],
)
def test_a_program_that_cannot_be_started(tmp_path: Path, content: str | None, mode: int, reason: str) -> None:
    """The message says whether the program is missing, not executable, or not a program."""
    target = tmp_path / "program"
    if content is not None:
        target.write_text(content)
        target.chmod(mode)
    with pytest.raises(CommandError, match="cannot be started: ") as caught:
        run([str(target)])
    assert reason in str(caught.value)
    assert caught.value.finished.code == 127


def test_a_missing_working_directory(tmp_path: Path) -> None:
    """It is a CommandError too."""
    with pytest.raises(CommandError, match="cannot be started"):
        run(["true"], cwd=tmp_path / "none")


def test_environment_folder_and_input(tmp_path: Path) -> None:
    """env replaces the whole environment; stdin has the given text, or is empty."""
    result = run(["/bin/sh", "-c", "echo $ONLY-$HOME; pwd; cat"], env={"ONLY": "1"}, cwd=tmp_path, stdin="é\n")
    assert result.stdout == f"1-\n{tmp_path.resolve()}\né\n"
    assert run(["cat"]).stdout == ""


def test_output_into_a_file(tmp_path: Path) -> None:
    """Standard output goes to the file; standard error is still in the result."""
    with (tmp_path / "out").open("wb") as stream:
        result = run(["sh", "-c", "echo out; echo err >&2"], stdout=stream)
    assert (tmp_path / "out").read_text() == "out\n"
    assert (result.stdout, result.stderr) == ("", "err\n")


def test_the_limit_ends_the_whole_group(tmp_path: Path) -> None:
    """At the limit the program and all its descendants are ended; the output so far is in the error."""
    script = f"echo $$ >>{tmp_path}/pids; (sh -c 'echo $$ >>{tmp_path}/pids; exec sleep 60') & echo begun; wait"
    start = time.monotonic()
    with pytest.raises(CommandError, match=r"not finished after 0\.5 s: sh -c") as caught:
        run(["sh", "-c", script], timeout=0.5)
    assert time.monotonic() - start < 3
    assert caught.value.finished.stdout == "begun\n"
    assert all(wait_gone(pid) for pid in wait_pids(tmp_path / "pids", 2))


def test_a_program_that_ignores_the_signal(tmp_path: Path) -> None:
    """A child that ignores SIGTERM and has closed its output is ended by SIGKILL."""
    # A shell starts within milliseconds, also on a busy machine; sleep keeps its ignored signal.
    stubborn = f"trap '' TERM; echo $$ >{tmp_path}/pids; exec sleep 60"
    script = f'sh -c "{stubborn.replace("$", chr(92) + "$")}" >/dev/null 2>&1 & sleep 60'
    with pytest.raises(CommandError, match="not finished"):
        run(["sh", "-c", script], timeout=1)
    assert wait_gone(wait_pids(tmp_path / "pids", 1)[0])


def test_an_interrupt_ends_it_too(tmp_path: Path) -> None:
    """Ctrl-C reaches only the lab, which ends the program and raises the interrupt again."""
    # A shell that starts the tests in the background ignores SIGINT. The command line resets that too.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt() -> None:
        wait_pids(tmp_path / "pids", 1)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run(["sh", "-c", f"echo $$ >{tmp_path}/pids; exec sleep 60"], timeout=20)
    thread.join()
    signal.signal(signal.SIGINT, before)
    assert wait_gone(wait_pids(tmp_path / "pids", 1)[0])


def test_an_ended_program_gets_no_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program may have its process id."""
    started: list[subprocess.Popen[bytes]] = []
    run([sys.executable, "-c", ""], on_start=started.append)
    sent: list[int] = []
    monkeypatch.setattr(os, "killpg", lambda group, sign: sent.append(group))
    end(started[0])
    assert sent == []


def test_a_program_has_a_group_of_its_own() -> None:
    """Otherwise Ctrl-C would kill docker compose while the lab removes the stack."""
    result = run([sys.executable, "-c", "import os; print(os.getpgrp() == os.getpid(), os.getsid(0) == os.getpid())"])
    assert result.stdout == "True True\n"
