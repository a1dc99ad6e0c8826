"""Looks at a container's processes from a second container that joins its process namespace.

The container under test stays as it is: the tools, and the right to trace (SYS_PTRACE), are the second one's, which
starts when it is first asked and goes with the stack.
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
from reprolab.engine.exec import Commands, Output
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.logs.servers import DIALECTS
from reprolab.processes import snapshot as snapshots
from reprolab.processes.snapshot import Process, Snapshot
from reprolab.processes.wait_graph import pipes, wait_of

SNAPSHOT = ("python", "/usr/local/lib/forensics/snapshot.py")
# Not stopping a process to look at it: a stop could wake it from the very call it hangs in.
STACKS = ("py-spy", "dump", "--nonblocking", "--json", "--pid")
FRAMES = 10
PYTHON_SERVERS = tuple(dialect.name for dialect in DIALECTS if dialect.python)
NOTABLE = ("SIGTERM", "SIGINT", "SIGCHLD")


@dataclass(frozen=True)
class Frame:
    """One frame of a Python stack, outermost last."""

    function: str
    file: str
    line: int


@dataclass(frozen=True)
class Stacks:
    """The Python stacks of one process, by thread id; ``error`` says why there are none."""

    threads: Mapping[int, tuple[Frame, ...]] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class Forensics:
    """All that was seen of a container's processes at one moment."""

    snapshot: Snapshot
    stacks: Mapping[int, Stacks]

    def functions(self, pid: int) -> list[list[str]]:
        """The function names of each thread of a process, innermost first."""
        return [[frame.function for frame in frames] for frames in self.stacks[pid].threads.values()]

    title: str = ""

    def lines(self) -> list[str]:
        """The tree in a few readable lines: what each process waits for, where it is in Python, its signals, pipes."""
        return [*([self.title] if self.title else []), *summary(self.snapshot, self.stacks)]


@dataclass
class ProcessInspector:
    """The second container, beside one container of a stack."""

    client: docker.DockerClient
    image: str
    target: Container
    labels: Mapping[str, str]
    commands: Commands
    container: Container | None = None

    def start(self) -> None:
        """Join the target's process namespace. Raises InvalidTrial if there is none to join."""
        self.container = self.client.containers.create(
            self.image,
            pid_mode=f"container:{self.target.id}",
            network_disabled=True,
            user="root",
            labels=dict(self.labels),
            cap_drop=["ALL"],
            cap_add=["SYS_PTRACE", "DAC_READ_SEARCH"],
            security_opt=["no-new-privileges"],
            pids_limit=64,
            mem_limit="512m",
            init=True,
        )
        try:
            self.container.start()
        except APIError as error:
            raise InvalidTrial(f"the processes cannot be looked at: {error.explanation}") from error

    def ask(self, command: Sequence[str]) -> Output:
        """Run one command in the second container. Raises InvalidTrial if it cannot, or does not end."""
        if self.container is None:
            self.start()
        assert self.container is not None
        return self.commands.run(self.container, command)

    def snapshot(self) -> tuple[Snapshot, str]:
        """Every process of the target, decoded, and the text it was decoded from. Raises InvalidTrial."""
        done = self.ask(SNAPSHOT)
        if done.code != 0:
            raise InvalidTrial(f"the processes cannot be looked at: exit code {done.code} {done.err.strip()[-300:]}")
        try:
            found = snapshots.parse_snapshot(done.out)
        except ValueError as error:
            raise InvalidTrial(f"the snapshot of the processes cannot be read: {error}") from error
        if not any(thread.syscall for process in found.processes.values() for thread in process.threads):
            raise InvalidTrial("the engine lets nobody see what the processes wait for (is SYS_PTRACE forbidden?)")
        return found, done.out

    def stacks(self, pid: int) -> Stacks:
        """A process's Python stacks by py-spy; never raises because there are none."""
        done = self.ask([*STACKS, str(pid)])
        if done.code != 0:
            return Stacks(error=(done.err.strip().splitlines() or [f"exit code {done.code}"])[0])
        try:
            return parse_stacks(json.loads(done.out))
        except (ValueError, KeyError, TypeError) as error:
            return Stacks(error=f"py-spy's answer cannot be read: {error}")


def parse_stacks(threads: Sequence[Mapping[str, Any]]) -> Stacks:
    """What `py-spy dump --json` prints, innermost frame first. Raises KeyError or TypeError for anything else."""
    return Stacks(
        {
            int(thread.get("os_thread_id") or thread["thread_id"]): tuple(
                Frame(frame["name"], frame["short_filename"] or frame["filename"], int(frame["line"]))
                for frame in thread["frames"]
            )
            for thread in threads
        }
    )


def look(inspector: ProcessInspector, evidence: TrialDirectory, name: str, title: str = "") -> Forensics:
    """Take a snapshot and the stacks of every Python process, keep them as evidence below ``name``."""
    snapshot, text = inspector.snapshot()
    evidence.write_text(f"{name}/snapshot.json", text)
    wanted = [process.pid for process in snapshot.processes.values() if is_python(process)]
    stacks = {pid: inspector.stacks(pid) for pid in wanted}
    found = Forensics(snapshot, stacks, title)
    evidence.write(f"{name}/stacks.json", {str(pid): stacks_to_json(one) for pid, one in stacks.items()})
    evidence.write_text(f"{name}/summary.txt", "\n".join(found.lines()) + "\n")
    return found


def is_python(process: Process) -> bool:
    """Whether py-spy can be asked about it: its program is a Python, and it has not ended."""
    # A script's first line makes the kernel put the interpreter first; uWSGI holds one without the name.
    name = process.command[0].rpartition("/")[2] if process.command else ""
    return process.state != "Z" and name.startswith(("python", *PYTHON_SERVERS))


def stacks_to_json(stacks: Stacks) -> dict[str, Any]:
    """Plain data: thread id -> lines, innermost first."""
    threads = {str(tid): [f"{f.function} {f.file}:{f.line}" for f in frames] for tid, frames in stacks.threads.items()}
    return {"threads": threads, "error": stacks.error}


def summary(snapshot: Snapshot, stacks: Mapping[int, Stacks]) -> list[str]:
    """The tree in a few readable lines."""
    found: list[str] = []
    for depth, process in snapshots.walk(snapshot):
        indent = "  " * depth
        state = snapshots.STATES.get(process.state, process.state)
        parent = snapshot.processes.get(process.parent)
        # As a forked process has; saying it once is enough.
        title = "(the same command line)" if parent and parent.command == process.command else process.title
        found.append(f"{indent}{process.pid} {title}  ({state}; {signal_words(process)})")
        for thread in process.threads:
            frames = frames_of(stacks.get(process.pid, Stacks()), process, thread.tid)
            where = frames_text(frames)
            label = "" if len(process.threads) == 1 else f"thread {thread.tid}: "
            wait = wait_of(thread, process, snapshot).text
            found.append(f"{indent}    {label}{wait}{f'   in {where}' if where else ''}")
        found += [f"{indent}    Python: {text}" for text in unplaced(stacks.get(process.pid, Stacks()), process)]
    shared = [(name, readers, writers) for name, readers, writers in pipes(snapshot) if set(readers) != set(writers)]
    found += [f"{name}: read by {_list(readers)}, written by {_list(writers)}" for name, readers, writers in shared]
    return [*found, *shared_sockets(snapshot)]


def shared_sockets(snapshot: Snapshot) -> list[str]:
    """The sockets that several processes have open: who ends a connection is the last of them."""
    targets = {f.target for p in snapshot.processes.values() for f in p.files if f.target.startswith("socket:")}
    held = ((target, snapshot.holders(target)) for target in sorted(targets))
    return [f"{target}: open in {_list(pids)}" for target, pids in held if len(pids) > 1]


def frames_text(frames: Sequence[Frame]) -> str:
    """A stack in one line, innermost first; of a deep one the outer frames are counted."""
    shown = " < ".join(f"{f.function} {f.file.rpartition('/')[2]}:{f.line}" for f in frames[:FRAMES])
    return f"{shown} < … {len(frames) - FRAMES} more" if len(frames) > FRAMES else shown


def unplaced(stacks: Stacks, process: Process) -> list[str]:
    """Stacks whose thread py-spy knows by another number than the kernel's (before Python 3.8)."""
    placed = {thread.tid for thread in process.threads}
    if len(process.threads) == len(stacks.threads) == 1:
        return []
    return [frames_text(frames) for tid, frames in stacks.threads.items() if tid not in placed]


def frames_of(stacks: Stacks, process: Process, tid: int) -> tuple[Frame, ...]:
    """A thread's frames. Of a single thread they are its own, whatever id py-spy knows it by (before 3.8, not the
    kernel's)."""
    if len(process.threads) == len(stacks.threads) == 1:
        return next(iter(stacks.threads.values()))
    return stacks.threads.get(tid, ())


def signal_words(process: Process) -> str:
    """What the signals that matter do in a process, and which are blocked or pending."""
    words = [f"{name} {process.signals.action(name)}" for name in NOTABLE]
    words += [f"{name} blocked" for name in process.signals.blocked if name in NOTABLE]
    words += [f"{name} pending" for name in process.signals.pending]
    return ", ".join(words)


def _list(pids: Sequence[int]) -> str:
    return " ".join(map(str, pids)) or "none"
