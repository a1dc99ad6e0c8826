"""The inspector's text about the processes of a deadlock, and its errors."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from docker.models.containers import Container
from lab import ROOT, engine
from reprolab.baseimage.resolve import policy
from reprolab.core.errors import InvalidTrial
from reprolab.engine import labels
from reprolab.engine.detect import ensure_engine
from reprolab.engine.exec import Commands, Output
from reprolab.processes.inspector import Forensics, ProcessInspector, StackFrame, Stacks, parse_stacks
from reprolab.processes.snapshot import parse_snapshot
from reprolab.scenario import loader
from reprolab.stack.prepare import StackPreparer, StackRequest
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
        ((0, json.dumps({"taken_ns": 1, "machine": "x86_64", "processes": {}}), ""), "there was none"),
    ],
)
def test_a_snapshot_that_fails_makes_the_trial_invalid(output: tuple[int, str, str], reason: str) -> None:
    """An empty tree would mean that the processes have ended."""
    with pytest.raises(InvalidTrial, match=reason):
        FixedInspector(*output).snapshot()


def test_hidden_system_calls_make_the_trial_invalid() -> None:
    """Without system calls, a deadlock cannot be distinguished from a slow process."""

    def with_calls(call: str | None) -> str:
        def change(processes: dict[str, Any]) -> None:
            for process in processes.values():
                for task in process["tasks"].values():
                    task["syscall"] = call

        return changed(change)

    with pytest.raises(InvalidTrial, match="SYS_PTRACE"):
        FixedInspector(0, with_calls(None)).snapshot()
    busy, _ = FixedInspector(0, with_calls("running\n")).snapshot()
    assert not any(thread.syscall for process in busy.processes.values() for thread in process.threads)
    assert FixedInspector(0, FROZEN).snapshot()[0].processes.keys() == {1, 7, 11, 12, 15, 16}


def test_a_missing_stack_is_an_error_text() -> None:
    """py-spy does not know every program; the snapshot is useful without its stacks."""
    assert (
        FixedInspector(1, "", "Error: Failed to find python version\nmore").stacks(1).error.startswith("Error: Failed")
    )
    assert "cannot be read" in FixedInspector(0, "no json").stacks(1).error
    assert replace(Stacks(), error="x").threads == {}


# -- on a real engine ------------------------------------------------------------------------------------

SEVERAL_USERS = """
import os
for user in (33, 1000, 12345):
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setgid(user)
        os.setuid(user)
        os.read(reading, 1)
os.read(reading, 1)
"""
BY_HANDLE = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
handle = ctypes.create_string_buffer(bytes([128, 0, 0, 0]) + bytes(140))
place = os.open("/etc/hosts", os.O_RDONLY)
print(libc.open_by_handle_at(place, handle, os.O_RDONLY), os.strerror(ctypes.get_errno()))
"""


@pytest.fixture(scope="module")
def inspector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessInspector]:
    """An inspector of a container whose processes belong to several users."""
    client = engine()
    preparer = StackPreparer(ensure_engine(print), client, policy(os.environ), print)
    (model,) = preparer.models(loader.load(ROOT, "pool-freeze"), [StackRequest({})], {})
    tool = {"name": model["name"], "services": {"forensics": model["services"]["forensics"]}}
    preparer.build(tool, tmp_path_factory.mktemp("build"))
    image = tool["services"]["forensics"]["image"]
    owner = labels.object_labels("", "test")
    target: Container = client.containers.run(
        image,
        entrypoint=["python", "-c", SEVERAL_USERS],
        user="root",
        init=True,
        detach=True,
        network_disabled=True,
        cap_drop=["ALL"],
        cap_add=["SETUID", "SETGID"],
        labels=owner,
    )
    found = ProcessInspector(client, image, target, owner, Commands())
    try:
        found.start()
        time.sleep(1)
        yield found
    finally:
        for container in (found.container, target):
            if container is not None:
                container.remove(force=True)


@pytest.mark.docker
def test_processes_of_all_users_are_read(inspector: ProcessInspector, tmp_path: Path) -> None:
    """Each with its system call, its files and its Python stack, whoever it belongs to."""
    snapshot, text = inspector.snapshot()
    python = {pid: process for pid, process in snapshot.processes.items() if process.command[0] == "python"}
    users = {entry["status"].split("Uid:")[1].split()[0] for entry in json.loads(text)["processes"].values()}
    assert users == {"0", "33", "1000", "12345"}
    assert len(python) == 4
    for pid, process in python.items():
        assert [thread.syscall.name for thread in process.threads if thread.syscall] == ["read"], process
        assert any(file.target.startswith("pipe:") for file in process.files), process
        stacks = inspector.stacks(pid)
        assert not stacks.error and stacks.threads, stacks


@pytest.mark.docker
def test_the_inspector_has_what_it_needs_and_no_more(inspector: ProcessInspector) -> None:
    """Two capabilities, no network, no mount, nothing to write to, and no way to files of the host."""
    container = inspector.container
    assert container is not None
    container.reload()
    settings = container.attrs["HostConfig"]
    assert sorted(name.removeprefix("CAP_") for name in settings["CapAdd"]) == ["SETUID", "SYS_PTRACE"]
    assert settings["ReadonlyRootfs"] and settings["PidsLimit"] and settings["Memory"]
    assert settings["SecurityOpt"] == ["no-new-privileges"] and not container.attrs["Mounts"]
    assert settings["LogConfig"]["Type"] == "none"
    output = inspector.execute(["python", "-c", BY_HANDLE])
    assert output.out.split()[0] == "-1" and "not permitted" in output.out, output
    assert inspector.execute(["python", "-c", "open('/x', 'w')"]).code != 0
    interfaces = inspector.execute(["python", "-c", "import socket; print(socket.if_nameindex())"]).out
    assert interfaces.strip() == "[(1, 'lo')]"
