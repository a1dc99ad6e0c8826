"""Parsing of /proc: the text of a real server in a deadlock, and unusual text."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from reprolab.processes import snapshot as snapshots
from reprolab.processes.snapshot import Signals, Syscall, parse_snapshot

DATA = Path(__file__).parent / "data" / "proc"
FROZEN = (DATA / "frozen.json").read_text(encoding="utf-8")


def changed(change: Any) -> str:
    """The frozen server's text after ``change(processes)``."""
    content = json.loads(FROZEN)
    change(content["processes"])
    return json.dumps(content)


def test_masks_as_the_kernel_documents_them() -> None:
    """Bit n - 1 stands for signal n; the lowest real-time signal that programs may use is 34."""
    assert snapshots.decode_mask("0000000000000000") == ()
    assert snapshots.decode_mask("0000000000004000") == ("SIGTERM",)
    assert snapshots.decode_mask("0000000000000001") == ("SIGHUP",)
    assert snapshots.decode_mask("0000000180004a03") == (
        *("SIGHUP", "SIGINT", "SIGUSR1", "SIGUSR2", "SIGTERM"),
        *("SIGRTMIN-2", "SIGRTMIN-1"),
    )
    assert snapshots.decode_mask("8000000000000000") == ("SIGRTMIN+30",)
    with pytest.raises(ValueError, match="invalid literal"):
        snapshots.decode_mask("caught")


def test_numbers_are_linux_numbers() -> None:
    """The names are those of Python's signal module; two numbers have two names."""
    for number in range(1, 32):
        assert signal.Signals(number).name == snapshots.signal_name(number) or number in (16, 30)
    assert snapshots.signal_name(34) == "SIGRTMIN"


def test_the_frozen_server() -> None:
    """Master, two workers, the two children of the pool: parents, signal handlers, system calls."""
    snapshot = parse_snapshot(FROZEN)
    assert [(depth, process.pid) for depth, process in snapshots.walk(snapshot)] == [
        *((0, 1), (1, 7), (2, 11), (2, 12), (3, 15), (3, 16)),
    ]
    worker, child = snapshot.processes[12], snapshot.processes[15]
    assert worker.title.startswith("/usr/local/bin/python3 /usr/local/bin/gunicorn lab.wsgi:application")
    assert child.signals.action("SIGTERM") == worker.signals.action("SIGTERM") == "caught"
    assert child.signals.action("SIGCHLD") == "default"
    assert child.signals.action("SIGPIPE") == "ignored"
    assert [process.pid for process in snapshot.descendants(7)] == [11, 12, 15, 16]
    (thread,) = worker.threads
    assert thread.syscall is not None and thread.syscall.name == "wait4" and thread.syscall.arguments[0] == 15
    assert thread.wchan == "do_wait"


def test_holders_of_pipes_and_shared_memory() -> None:
    """Pipes by access, shared memory by its file and inode."""
    snapshot = parse_snapshot(FROZEN)
    shared = [mapping.file for mapping in snapshot.processes[15].shared if "/dev/shm/" in mapping.file]
    assert shared and all(snapshot.sharers(file) == [12, 15, 16] for file in shared)
    targets = {file.target for file in snapshot.processes[12].files if file.target.startswith("pipe:")}
    read_by_children = [pipe for pipe in targets if snapshot.holders(pipe, "r") == [12, 15, 16]]
    # The queue of tasks, and the pipe with which gunicorn wakes the worker.
    assert sorted(snapshot.holders(pipe, "w") for pipe in read_by_children) == [[12], [12, 15, 16]]


def test_a_name_may_contain_any_character() -> None:
    """Brackets and blanks in a process's name do not shift the fields after it."""
    assert snapshots.stat_fields("7 (a) S (b) R 1 2")[0] == "a) S (b"
    assert snapshots.stat_fields("7 (a) S (b) R 1 2")[1] == ["R", "1", "2"]


@pytest.mark.parametrize(
    ("text", "machine", "call"),
    [
        ("61 0xf 0x7ffc 0x0 0x0 0x0 0x0 0x7ff 0x7f1", "x86_64", Syscall("wait4", (15, 0x7FFC, 0, 0, 0, 0))),
        ("98 0xf 0x0 0x0 0x0 0x0 0x0 0x7ff 0x7f1", "aarch64", Syscall("futex", (15, 0, 0, 0, 0, 0))),
        ("999 0x1 0x0 0x0 0x0 0x0 0x0 0x7ff 0x7f1", "x86_64", Syscall("syscall 999", (1, 0, 0, 0, 0, 0))),
        ("61 0xf 0x0 0x0 0x0 0x0 0x0 0x7ff 0x7f1", "riscv64", Syscall("syscall 61", (15, 0, 0, 0, 0, 0))),
        ("running", "x86_64", None),
        ("-1 0x7ffc 0x7f1", "x86_64", None),
        (None, "x86_64", None),
        ("", "x86_64", None),
    ],
)
def test_system_calls(text: str | None, machine: str, call: Syscall | None) -> None:
    """The table of the machine is used; an unknown number stays a number; a running thread has no call."""
    assert snapshots.parse_syscall(text, machine) == call


def test_a_mapping_has_its_inode() -> None:
    """Deleted files may share a name; a name may contain blanks."""
    line = "7f6bff4be000-7f6bff4bf000 rw-s 00000000 00:3a 2                          /dev/shm/sem.A b (deleted)"
    mapping = snapshots.parse_mapping(line)
    assert mapping.file == "/dev/shm/sem.A b (deleted) 00:3a:2"
    assert (mapping.start, mapping.end) == (0x7F6BFF4BE000, 0x7F6BFF4BF000)
    assert snapshots.parse_mapping("7f0-7f1 rw-s 00000000 00:01 4").file == "anonymous 00:01:4"


def test_hidden_values_are_empty() -> None:
    """A thread that ended during the snapshot, a hidden system call, a hidden wait channel."""

    def hide(processes: dict[str, Any]) -> None:
        task = processes["15"]["tasks"]["15"]
        task["syscall"], task["wchan"] = None, "0"
        processes["16"]["tasks"]["16"]["stat"] = None

    snapshot = parse_snapshot(changed(hide))
    (thread,) = snapshot.processes[15].threads
    assert thread.syscall is None and thread.wchan == ""
    assert snapshot.processes[16].threads == ()


@pytest.mark.parametrize(
    "text",
    ["{}", "[]", '{"taken_ns": 1, "machine": "x86_64", "processes": {"1": {}}}', "no json"],
)
def test_other_text_is_refused(text: str) -> None:
    """Other text raises ValueError, whatever is wrong with it."""
    with pytest.raises(ValueError):
        parse_snapshot(text)


def test_pending_signals_of_thread_and_process_count() -> None:
    """A signal is pending if it was sent to the thread or to the process."""
    signals = snapshots.signals_of(
        {"SigPnd": "0000000000004000", "ShdPnd": "0000000000000002", "SigBlk": "0000000000004000"}
    )
    assert signals == Signals(pending=("SIGINT", "SIGTERM"), blocked=("SIGTERM",))
    assert signals.action("SIGTERM") == "default"
