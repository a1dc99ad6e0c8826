"""Running other programs: codes, output, limits, and nothing left running."""

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
    """Whether a process has ended: it is not there, or only its exit status is."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def wait_gone(pid: int) -> bool:
    """Whether a process ends within some seconds; a kill takes a moment."""
    end = time.monotonic() + 5
    while not gone(pid) and time.monotonic() < end:
        time.sleep(0.01)
    return gone(pid)


def wait_pids(file: Path, count: int) -> list[int]:
    """The process ids in a file, once there are enough of them."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        if file.exists() and len(pids := file.read_text().split()) >= count:
            return [int(pid) for pid in pids]
        time.sleep(0.01)
    raise AssertionError(f"{file} holds fewer than {count} process ids")


def test_output_and_code() -> None:
    """Both streams come decoded and apart; what is no UTF-8 is replaced."""
    done = run(["sh", "-c", "printf 'out\\377'; printf err >&2"])
    assert (done.code, done.stdout, done.stderr) == (0, "out\ufffd", "err")
    assert done.command == ("sh", "-c", "printf 'out\\377'; printf err >&2")


def test_an_unexpected_code_shows_everything() -> None:
    """The command as one could paste it, its code and its last lines."""
    with pytest.raises(CommandError) as caught:
        run(["sh", "-c", "echo 'one two'; echo three >&2; exit 7"])
    told = str(caught.value)
    assert told.startswith("exit code 7: sh -c 'echo '\"'\"'one two'")
    assert told.endswith("one two\n\nthree")
    assert caught.value.finished.code == 7
    assert caught.value.exit_status is Exit.LAB_FAILED


def test_a_code_may_be_expected() -> None:
    """With check=False the caller looks at the code; a signal is a negative one."""
    assert run(["sh", "-c", "exit 7"], check=False).code == 7
    assert run(["sh", "-c", "kill -9 $$"], check=False).code == -signal.SIGKILL


def test_only_the_last_lines_are_shown() -> None:
    """A build's thousand lines do not scroll the reason away; all of them stay in the result."""
    with pytest.raises(CommandError) as caught:
        run(["sh", "-c", "seq 1000; exit 1"])
    assert str(caught.value).endswith("999\n1000")
    assert len(caught.value.finished.tail.splitlines()) == TAIL_LINES
    assert caught.value.finished.stdout.startswith("1\n2\n")


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [(None, 0, "No such file"), ("", 0o644, "Permission denied"), ("", 0o755, "Exec format")],
)
def test_what_cannot_be_started(tmp_path: Path, content: str | None, mode: int, said: str) -> None:
    """A missing program, one without permission and one that is none are told as such."""
    target = tmp_path / "program"
    if content is not None:
        target.write_text(content)
        target.chmod(mode)
    with pytest.raises(CommandError, match="cannot be started: ") as caught:
        run([str(target)])
    assert said in str(caught.value)
    assert caught.value.finished.code == 127


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """A wrong working directory is no traceback either."""
    with pytest.raises(CommandError, match="cannot be started"):
        run(["true"], cwd=tmp_path / "none")


def test_environment_folder_and_input(tmp_path: Path) -> None:
    """env replaces the whole environment; text goes in by stdin, which is empty otherwise."""
    done = run(["/bin/sh", "-c", "echo $ONLY-$HOME; pwd; cat"], env={"ONLY": "1"}, cwd=tmp_path, stdin="é\n")
    assert done.stdout == f"1-\n{tmp_path.resolve()}\né\n"
    assert run(["cat"]).stdout == ""


def test_output_into_a_file(tmp_path: Path) -> None:
    """What is large goes straight to a file; errors are still shown."""
    with (tmp_path / "out").open("wb") as stream:
        done = run(["sh", "-c", "echo out; echo err >&2"], stdout=stream)
    assert (tmp_path / "out").read_text() == "out\n"
    assert (done.stdout, done.stderr) == ("", "err\n")


def test_the_limit_ends_the_whole_group(tmp_path: Path) -> None:
    """At the limit the program ends with its children and theirs; what it printed until then is shown."""
    script = f"echo $$ >>{tmp_path}/pids; (sh -c 'echo $$ >>{tmp_path}/pids; exec sleep 60') & echo begun; wait"
    begun = time.monotonic()
    with pytest.raises(CommandError, match=r"not finished after 0\.5 s: sh -c") as caught:
        run(["sh", "-c", script], timeout=0.5)
    assert time.monotonic() - begun < 3
    assert caught.value.finished.stdout == "begun\n"
    assert all(wait_gone(pid) for pid in wait_pids(tmp_path / "pids", 2))


def test_a_program_that_ignores_the_signal(tmp_path: Path) -> None:
    """A child that ignores SIGTERM and has let go of the output ends too: by SIGKILL."""
    stubborn = f"""
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open({str(tmp_path / "pids")!r}, "w").write(str(os.getpid()))
time.sleep(60)
"""
    (tmp_path / "stubborn.py").write_text(stubborn)
    start = f"{sys.executable} {tmp_path}/stubborn.py >/dev/null 2>&1 &"
    script = f"{start} while ! test -s {tmp_path}/pids; do :; done; sleep 60"
    with pytest.raises(CommandError, match="not finished"):
        run(["sh", "-c", script], timeout=1)
    assert wait_gone(wait_pids(tmp_path / "pids", 1)[0])


def test_an_interrupt_ends_it_too(tmp_path: Path) -> None:
    """Ctrl-C reaches the lab alone; the lab ends the program and passes the interrupt on."""
    # A shell that starts the tests in the background has SIGINT ignored; the command line undoes that too.
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


def test_what_has_ended_is_sent_no_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its number may be another program's by now."""
    started: list[subprocess.Popen[bytes]] = []
    run([sys.executable, "-c", ""], on_start=started.append)
    sent: list[int] = []
    monkeypatch.setattr(os, "killpg", lambda group, sign: sent.append(group))
    end(started[0])
    assert sent == []


def test_a_program_has_a_group_of_its_own() -> None:
    """Otherwise a Ctrl-C would kill docker compose in the middle of the lab's own tidying up."""
    done = run([sys.executable, "-c", "import os; print(os.getpgrp() == os.getpid(), os.getsid(0) == os.getpid())"])
    assert done.stdout == "True True\n"
