"""The inspector's text about the processes of a deadlock, and its errors."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from reprolab.core.errors import InvalidTrial
from reprolab.engine.exec import Output
from reprolab.processes.inspector import Forensics, ProcessInspector, StackFrame, Stacks, parse_stacks
from reprolab.processes.snapshot import parse_snapshot
from test_snapshot import FROZEN, changed

PRINTED = [
    {
        "pid": 15,
        "thread_id": 139647568599936,
        "os_thread_id": None,
        "frames": [
            {"name": "SemLock.__enter__", "filename": "/usr/lib/a.py", "short_filename": "a.py", "line": 95},
            {"name": "get", "filename": "/usr/lib/b.py", "short_filename": None, "line": 334},
        ],
    }
]


def test_stacks_of_py_spy() -> None:
    """The innermost frame is first; without the kernel's thread id, py-spy's own id is used."""
    stacks = parse_stacks(PRINTED)
    assert stacks.threads == {
        139647568599936: (StackFrame("SemLock.__enter__", "a.py", 95), StackFrame("get", "/usr/lib/b.py", 334))
    }
    with pytest.raises(KeyError):
        parse_stacks([{"pid": 1}])


def test_the_summary_of_a_deadlock() -> None:
    """The tree, each wait, the place in Python, SIGTERM, and the readers and writers of pipes."""
    forensics = Forensics(parse_snapshot(FROZEN), {15: parse_stacks(PRINTED)})
    lines = forensics.lines()
    (child,) = [n for n, line in enumerate(lines) if line.strip().startswith("15 ")]
    assert lines[child].startswith("      15 (the same command line)  (sleeping; SIGTERM caught")
    assert lines[child + 1].strip().startswith("futex: a semaphore in shared memory")
    assert "in SemLock.__enter__ a.py:95 < get b.py:334" in lines[child + 1]
    assert any(line.startswith("pipe:[") and line.endswith("read by 12 15 16, written by 12") for line in lines)
    assert forensics.functions(15) == [["SemLock.__enter__", "get"]]


def test_a_pending_signal_is_in_the_summary() -> None:
    """A pending SIGTERM is shown, and only for its process."""

    def pend(processes: dict[str, Any]) -> None:
        processes["15"]["status"] = processes["15"]["status"].replace(
            "ShdPnd:\t0000000000000000", "ShdPnd:\t0000000000004000"
        )

    lines = Forensics(parse_snapshot(changed(pend)), {}).lines()
    assert [line.split()[0] for line in lines if "SIGTERM pending" in line] == ["15"]


class FixedInspector(ProcessInspector):
    """An inspector whose commands all have the same output."""

    def __init__(self, code: int, out: str, err: str = "") -> None:
        self.output = Output(code, out, err)

    def execute(self, command: Any) -> Output:
        return self.output


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ((137, "", ""), "exit code 137"),
        ((0, "{}", ""), "cannot be read"),
        ((0, json.dumps({"taken_ns": 1, "machine": "x86_64", "processes": {}}), ""), "is SYS_PTRACE forbidden"),
    ],
)
def test_a_snapshot_that_fails_makes_the_trial_invalid(output: tuple[int, str, str], reason: str) -> None:
    """An empty tree would mean that the processes have ended."""
    with pytest.raises(InvalidTrial, match=reason):
        FixedInspector(*output).snapshot()


def test_hidden_system_calls_make_the_trial_invalid() -> None:
    """Without system calls, a deadlock cannot be distinguished from a slow process."""

    def hide(processes: dict[str, Any]) -> None:
        for process in processes.values():
            for task in process["tasks"].values():
                task["syscall"] = None

    with pytest.raises(InvalidTrial, match="SYS_PTRACE"):
        FixedInspector(0, changed(hide)).snapshot()
    assert FixedInspector(0, FROZEN).snapshot()[0].processes.keys() == {1, 7, 11, 12, 15, 16}


def test_a_missing_stack_is_an_error_text() -> None:
    """py-spy does not know every program; the snapshot is useful without its stacks."""
    assert (
        FixedInspector(1, "", "Error: Failed to find python version\nmore").stacks(1).error.startswith("Error: Failed")
    )
    assert "cannot be read" in FixedInspector(0, "no json").stacks(1).error
    assert replace(Stacks(), error="x").threads == {}
