"""Signals: the first ends the run in order, after what must not be broken off; the second within seconds."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from reprolab.core import interrupts
from reprolab.core.interrupts import SIGNALS, allowed, deferred


@pytest.fixture(autouse=True)
def handled() -> Iterator[None]:
    """The lab's handlers, for the time of a test."""
    before = [signal.getsignal(number) for number in SIGNALS]
    with interrupts.handled():
        assert all(signal.getsignal(number) not in before for number in SIGNALS)
        yield
    assert [signal.getsignal(number) for number in SIGNALS] == before


def send(number: signal.Signals = signal.SIGINT) -> None:
    """A signal to this process."""
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [number for number in SIGNALS if number != signal.SIGHUP])
def test_the_first_signal_is_an_interrupt(number: signal.Signals) -> None:
    """Each of them; SIGHUP, which closes the terminal's descriptors, has a test of its own."""
    with pytest.raises(KeyboardInterrupt):
        send(number)


def test_a_signal_waits_for_the_end_of_a_block(capfd: pytest.CaptureFixture[str]) -> None:
    """What the block does is done; the user is told."""
    done = []
    with pytest.raises(KeyboardInterrupt), deferred():
        send()
        with deferred():
            done.append("inner")
        done.append("outer")
    assert done == ["inner", "outer"]
    assert "stopping: the evidence is saved, and the stack is removed" in capfd.readouterr().err


def test_a_part_of_the_block_can_be_interrupted() -> None:
    """The load on a stack ends at once; after it signals wait again."""
    done = []
    with pytest.raises(KeyboardInterrupt), deferred():
        try:
            with allowed():
                send()
                done.append("load")
        finally:
            done.append("logs")
    assert done == ["logs"]


def test_a_signal_before_that_part_keeps_it_from_beginning() -> None:
    """The next trial does not start."""
    done = []
    with pytest.raises(KeyboardInterrupt), deferred():
        send()
        with allowed():
            done.append("load")
    assert done == []


def test_an_error_of_the_block_goes_first() -> None:
    """The signal is not forgotten."""
    with pytest.raises(ValueError), deferred():
        send()
        raise ValueError
    with pytest.raises(KeyboardInterrupt), deferred():
        pytest.fail("it begins")


def test_other_threads_are_not_concerned() -> None:
    """Signals reach the main thread."""
    inside, go = threading.Event(), threading.Event()

    def work() -> None:
        with deferred():
            inside.set()
            go.wait(5)

    thread = threading.Thread(target=work)
    thread.start()
    inside.wait(5)
    with pytest.raises(KeyboardInterrupt):
        send()
    go.set()
    thread.join(5)


LAB = """
import os, subprocess, sys, threading, time
from reprolab.core import interrupts
from reprolab.core.subprocesses import run
interrupts.GRACE = 0.5
interrupts.install()
interrupts.stands("stack reprolab-blink-1")
threading.Thread(target=run, args=(["sh", "-c", "echo $$; sleep 60"],), kwargs={"stdout": 1}).start()
try:
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("first", flush=True)
    while True:
        try:
            time.sleep(60)  # an engine that never answers
        except BaseException as error:
            print("broken off", error)
"""


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_ends_whatever_is_waited_for(second: signal.Signals) -> None:
    """Within the limit, with the names of what is left, and with the programs that the lab started."""
    process = subprocess.Popen(
        [sys.executable, "-c", LAB], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdout and process.stderr
    lines = [process.stdout.readline().strip() for _ in range(2)]
    child = int(next(line for line in lines if line.isdigit()))
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "first\n"
    begun = time.monotonic()
    process.send_signal(second)
    assert process.wait(10) == 130
    assert time.monotonic() - begun < 8
    printed = process.stderr.read()
    assert "already stopping: ends within 0.5 s" in printed
    assert "left on the engine: stack reprolab-blink-1; the next run or `reprolab clean` removes it" in printed
    assert "exit status 130 (interrupted)" in printed
    assert "broken off" not in process.stdout.read()
    end = time.monotonic() + 5
    while Path(f"/proc/{child}").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not Path(f"/proc/{child}").exists()


TERMINAL = """
import sys, time
from pathlib import Path
from reprolab.core import interrupts
interrupts.install()
try:
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("stopping", flush=True)
    print("stopping", file=sys.stderr, flush=True)
    Path(sys.argv[1]).write_text("the run is marked")
"""


def test_a_terminal_that_is_closed(tmp_path: Path) -> None:
    """The run ends in order: nothing that it prints then is an error."""
    mark = tmp_path / "mark"
    pid, terminal = pty.fork()
    if not pid:
        os.execv(sys.executable, [sys.executable, "-c", TERMINAL, str(mark)])
    assert b"ready" in os.read(terminal, 100)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert mark.exists()


def test_a_run_under_nohup_goes_on() -> None:
    """It was started with SIGHUP ignored, to outlive its terminal."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    interrupts.install()
    send(signal.SIGHUP)
    with pytest.raises(KeyboardInterrupt):
        send(signal.SIGTERM)
