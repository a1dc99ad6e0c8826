"""What was seen of frozen processes, in a few lines that a person can read."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from reprolab.core.errors import InvalidTrial
from reprolab.engine.exec import Output
from reprolab.processes.inspector import Forensics, Frame, ProcessInspector, Stacks, parse_stacks
from reprolab.processes.snapshot import parse_snapshot
from test_proc import FROZEN, changed

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
    """Innermost first; before Python 3.8 the thread is known by another number than the kernel's."""
    stacks = parse_stacks(PRINTED)
    assert stacks.threads == {
        139647568599936: (Frame("SemLock.__enter__", "a.py", 95), Frame("get", "/usr/lib/b.py", 334))
    }
    with pytest.raises(KeyError):
        parse_stacks([{"pid": 1}])


def test_the_summary_says_who_waits_where() -> None:
    """The tree, each wait, the place in Python, SIGTERM, and the pipes with both ends."""
    seen = Forensics(parse_snapshot(FROZEN), {15: parse_stacks(PRINTED)})
    lines = seen.lines()
    (child,) = [n for n, line in enumerate(lines) if line.strip().startswith("15 ")]
    assert lines[child].startswith("      15 (the same command line)  (sleeping; SIGTERM caught")
    assert lines[child + 1].strip().startswith("futex: a semaphore in shared memory")
    assert "in SemLock.__enter__ a.py:95 < get b.py:334" in lines[child + 1]
    assert any(line.startswith("pipe:[") and line.endswith("read by 12 15 16, written by 12") for line in lines)
    assert seen.functions(15) == [["SemLock.__enter__", "get"]]


def test_a_pending_signal_shows() -> None:
    """SIGTERM sent, blocked and not yet taken is another story than SIGTERM caught."""

    def pend(processes: dict[str, Any]) -> None:
        processes["15"]["status"] = processes["15"]["status"].replace(
            "ShdPnd:\t0000000000000000", "ShdPnd:\t0000000000004000"
        )

    lines = Forensics(parse_snapshot(changed(pend)), {}).lines()
    assert [line.split()[0] for line in lines if "SIGTERM pending" in line] == ["15"]


class Answering(ProcessInspector):
    """An inspector whose container answers what it is told to."""

    def __init__(self, code: int, out: str, err: str = "") -> None:
        self.answer = Output(code, out, err)

    def ask(self, command: Any) -> Output:
        """The same to every question."""
        return self.answer


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((137, "", ""), "exit code 137"),
        ((0, "{}", ""), "cannot be read"),
        ((0, json.dumps({"taken_ns": 1, "machine": "x86_64", "processes": {}}), ""), "is SYS_PTRACE forbidden"),
    ],
)
def test_a_look_that_fails_makes_the_trial_invalid(answer: tuple[int, str, str], said: str) -> None:
    """Never an empty tree, which would look like processes that ended."""
    with pytest.raises(InvalidTrial, match=said):
        Answering(*answer).snapshot()


def test_hidden_system_calls_are_no_state() -> None:
    """Where the engine lets nobody see what a process waits for, frozen cannot be told from slow."""

    def hide(processes: dict[str, Any]) -> None:
        for process in processes.values():
            for task in process["tasks"].values():
                task["syscall"] = None

    with pytest.raises(InvalidTrial, match="SYS_PTRACE"):
        Answering(0, changed(hide)).snapshot()
    assert Answering(0, FROZEN).snapshot()[0].processes.keys() == {1, 7, 11, 12, 15, 16}


def test_no_stack_is_said_not_raised() -> None:
    """py-spy knows not every program; the rest of the look is worth having."""
    assert Answering(1, "", "Error: Failed to find python version\nmore").stacks(1).error.startswith("Error: Failed")
    assert "cannot be read" in Answering(0, "no json").stacks(1).error
    assert replace(Stacks(), error="x").threads == {}
