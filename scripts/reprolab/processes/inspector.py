"""Inspects a container's processes from a second container that joins its process namespace.

The container under test does not change: only the second container has the tools and the right to trace (SYS_PTRACE).
It starts at its first command, and it is removed with the stack.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import docker
from docker.errors import APIError
from docker.models.containers import Container

from reprolab.core.errors import InvalidTrial
from reprolab.engine.containers import state_words
from reprolab.engine.exec import Commands, Output
from reprolab.engine.helpers import NO_LOG
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.logs.servers import DIALECTS
from reprolab.processes import snapshot as snapshots
from reprolab.processes.snapshot import Process, Snapshot
from reprolab.processes.wait_graph import pipes, wait_of

SNAPSHOT = ("python", "/usr/local/lib/forensics/snapshot.py")
# --nonblocking: py-spy does not stop the process. A stop can interrupt the call in which the process hangs.
STACKS = ("py-spy", "dump", "--nonblocking", "--json", "--pid")
SHOWN_FRAMES = 10
PYTHON_SERVERS = tuple(dialect.name for dialect in DIALECTS if dialect.python)
NOTABLE = ("SIGTERM", "SIGINT", "SIGCHLD")


@dataclass(frozen=True)
class StackFrame:
    """One frame of a Python stack."""

    function: str
    file: str
    line: int


@dataclass(frozen=True)
class Stacks:
    """The Python stacks of one process: thread id -> frames, innermost first. ``error`` says why there are none."""

    threads: Mapping[int, tuple[StackFrame, ...]] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class Forensics:
    """A container's processes at one moment, and the Python stacks by process id."""

    snapshot: Snapshot
    stacks: Mapping[int, Stacks]
    title: str = ""

    def functions(self, pid: int) -> list[list[str]]:
        """The function names of each thread of a process, innermost first."""
        return [[frame.function for frame in frames] for frames in self.stacks[pid].threads.values()]

    def lines(self) -> list[str]:
        """The process tree as text: what each thread waits for, its place in Python, signals, pipes."""
        return [*([self.title] if self.title else []), *summary(self.snapshot, self.stacks)]


@dataclass
class ProcessInspector:
    """The second container for one container of a stack, which messages call ``name``."""

    client: docker.DockerClient
    image: str
    target: Container
    labels: Mapping[str, str]
    commands: Commands
    name: str = "the service"
    container: Container | None = None

    def start(self) -> None:
        """Join the target's process namespace. Raises InvalidTrial if this fails."""
        try:
            self.container = self.client.containers.create(
                self.image,
                pid_mode=f"container:{self.target.id}",
                network_disabled=True,
                user="root",
                labels=dict(self.labels),
                cap_drop=["ALL"],
                # SETUID: snapshot.py reads each process's files as their owner. Everything that these two do not give
                # is out of reach; see "Processes" in docs/architecture.md.
                cap_add=["SYS_PTRACE", "SETUID"],
                security_opt=["no-new-privileges"],
                read_only=True,
                log_config=NO_LOG,
                pids_limit=64,
                mem_limit="512m",
                init=True,
            )
            self.container.start()
        except APIError as error:
            raise InvalidTrial(f"{self._failure}: {self._target_state() or error.explanation}") from error

    def execute(self, command: Sequence[str]) -> Output:
        """Run one command in the second container. Raises InvalidTrial if it does not start or does not end."""
        if self.container is None:
            self.start()
        assert self.container is not None
        try:
            return self.commands.run(self.container, command, name=f"the container that looks at {self.name}")
        except InvalidTrial as error:
            # The second container ends with the process namespace that it joined.
            if state := self._target_state():
                raise InvalidTrial(f"{self._failure}: {state}") from error
            raise

    @property
    def _failure(self) -> str:
        return f"the processes of {self.name} cannot be inspected"

    def _target_state(self) -> str:
        words = state_words(self.target)
        return f"it {words}" if words else ""

    @property
    def joined(self) -> bool:
        """Whether the target is in the process namespace of another container, where its first process is any."""
        return str(self.target.attrs["HostConfig"].get("PidMode") or "").startswith("container:")

    def snapshot(self) -> tuple[Snapshot, str]:
        """Every process of the target, and the text of snapshot.py from which it was parsed. Raises InvalidTrial."""
        output = self.execute(SNAPSHOT)
        if output.code != 0:
            raise InvalidTrial(f"{self._failure}: exit code {output.code} {output.err.strip()[-300:]}")
        try:
            snapshot = snapshots.parse_snapshot(output.out)
        except ValueError as error:
            raise InvalidTrial(f"the snapshot of the processes cannot be read: {error}") from error
        if not snapshot.processes:
            raise InvalidTrial(f"{self._failure}: there was none")
        # On a busy machine all of them may run at one moment. That is no reason.
        if all(thread.hidden for process in snapshot.processes.values() for thread in process.threads):
            raise InvalidTrial("the engine does not show what the processes wait for (is SYS_PTRACE forbidden?)")
        return snapshot, output.out

    def stacks(self, pid: int) -> Stacks:
        """A process's Python stacks by py-spy. If py-spy finds none, the result has an ``error``."""
        output = self.execute([*STACKS, str(pid)])
        if output.code != 0:
            return Stacks(error=(output.err.strip().splitlines() or [f"exit code {output.code}"])[0])
        try:
            return parse_stacks(json.loads(output.out))
        except (ValueError, KeyError, TypeError) as error:
            return Stacks(error=f"the output of py-spy cannot be read: {error}")


def parse_stacks(threads: Sequence[Mapping[str, Any]]) -> Stacks:
    """Parse the output of `py-spy dump --json`. Raises KeyError or TypeError for anything else."""
    return Stacks(
        {
            int(thread.get("os_thread_id") or thread["thread_id"]): tuple(
                StackFrame(frame["name"], frame["short_filename"] or frame["filename"], int(frame["line"]))
                for frame in thread["frames"]
            )
            for thread in threads
        }
    )


def look(inspector: ProcessInspector, evidence: TrialDirectory, name: str, title: str = "") -> Forensics:
    """Take a snapshot and the stacks of every Python process, and write them into the evidence below ``name``."""
    snapshot, text = inspector.snapshot()
    evidence.write_text(f"{name}/snapshot.json", text)
    stacks = {pid: inspector.stacks(pid) for pid, process in snapshot.processes.items() if is_python(process)}
    forensics = Forensics(snapshot, stacks, title)
    evidence.write(f"{name}/stacks.json", {str(pid): stacks_to_json(threads) for pid, threads in stacks.items()})
    evidence.write_text(f"{name}/summary.txt", "\n".join(forensics.lines()) + "\n")
    return forensics


def is_python(process: Process) -> bool:
    """Whether py-spy can read the process: it runs Python, and it has not ended."""
    # A script with a #! line has the interpreter as its first word. uWSGI embeds an interpreter.
    name = process.command[0].rpartition("/")[2] if process.command else ""
    return process.state != "Z" and name.startswith(("python", *PYTHON_SERVERS))


def stacks_to_json(stacks: Stacks) -> dict[str, Any]:
    """The content of stacks.json for one process: thread id -> lines, innermost first."""
    threads = {str(tid): [f"{f.function} {f.file}:{f.line}" for f in frames] for tid, frames in stacks.threads.items()}
    return {"threads": threads, "error": stacks.error}


def summary(snapshot: Snapshot, stacks: Mapping[int, Stacks]) -> list[str]:
    """The process tree as text."""
    lines: list[str] = []
    for depth, process in snapshots.walk(snapshot):
        indent = "  " * depth
        state = snapshots.STATES.get(process.state, process.state)
        parent = snapshot.processes.get(process.parent)
        # A forked process has the command line of its parent.
        title = "(the same command line)" if parent and parent.command == process.command else process.title
        lines.append(f"{indent}{process.pid} {title}  ({state}; {signal_words(process)})")
        for thread in process.threads:
            frames = frames_of(stacks.get(process.pid, Stacks()), process, thread.tid)
            where = frames_text(frames)
            label = "" if len(process.threads) == 1 else f"thread {thread.tid}: "
            wait = wait_of(thread, process, snapshot).text
            lines.append(f"{indent}    {label}{wait}{f'   in {where}' if where else ''}")
        lines += [
            f"{indent}    Python: {text}" for text in unmatched_stacks(stacks.get(process.pid, Stacks()), process)
        ]
    shared = [(name, readers, writers) for name, readers, writers in pipes(snapshot) if set(readers) != set(writers)]
    lines += [f"{name}: read by {_join(readers)}, written by {_join(writers)}" for name, readers, writers in shared]
    return [*lines, *shared_sockets(snapshot)]


def shared_sockets(snapshot: Snapshot) -> list[str]:
    """The sockets that several processes have open. Such a connection ends when the last of them closes it."""
    targets = {f.target for p in snapshot.processes.values() for f in p.files if f.target.startswith("socket:")}
    holders = ((target, snapshot.holders(target)) for target in sorted(targets))
    return [f"{target}: open in {_join(pids)}" for target, pids in holders if len(pids) > 1]


def frames_text(frames: Sequence[StackFrame]) -> str:
    """A stack in one line, innermost first; a deep stack ends with the number of its other frames."""
    shown = " < ".join(f"{f.function} {f.file.rpartition('/')[2]}:{f.line}" for f in frames[:SHOWN_FRAMES])
    return f"{shown} < … {len(frames) - SHOWN_FRAMES} more" if len(frames) > SHOWN_FRAMES else shown


def unmatched_stacks(stacks: Stacks, process: Process) -> list[str]:
    """The stacks whose thread id is no id of the kernel: py-spy prints such ids before Python 3.8."""
    known = {thread.tid for thread in process.threads}
    if len(process.threads) == len(stacks.threads) == 1:
        return []
    return [frames_text(frames) for tid, frames in stacks.threads.items() if tid not in known]


def frames_of(stacks: Stacks, process: Process, tid: int) -> tuple[StackFrame, ...]:
    """A thread's frames. A single thread's frames are found whatever id py-spy gives it (see `unmatched_stacks`)."""
    if len(process.threads) == len(stacks.threads) == 1:
        return next(iter(stacks.threads.values()))
    return stacks.threads.get(tid, ())


def signal_words(process: Process) -> str:
    """The actions of the notable signals in a process, and which signals are blocked or pending."""
    words = [f"{name} {process.signals.action(name)}" for name in NOTABLE]
    words += [f"{name} blocked" for name in process.signals.blocked if name in NOTABLE]
    words += [f"{name} pending" for name in process.signals.pending]
    return ", ".join(words)


def _join(pids: Sequence[int]) -> str:
    return " ".join(map(str, pids)) or "none"
