"""Decides what each thread of a snapshot waits for, and whether a process can ever continue.

Two snapshots distinguish a deadlock from a slow process. A wait is *closed* if it is a wait for a lock, a child or a
pipe, has no time limit, and only processes of the same family (a process and its descendants) can end it.

- `stuck`: one thread of a process waits for a child. The child did not change between the snapshots, and the waits of
  all its threads are closed.
- `deadlocked`: no thread changed, and every wait of the process and of its living descendants is closed. For example,
  the holder of the lock that one of them needs has ended.
- `lost_lock`: a weaker form for servers. Some threads of a server always run again: they wait for connections, or they
  sleep between two checks of files. These threads are ignored. The two snapshots should be seconds apart.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from functools import partial

from reprolab.processes.snapshot import Process, Snapshot, Thread

FUTEX_COMMAND = 0x7F
FUTEX_PRIVATE = 0x80
FUTEX_WAITS = (0, 9)  # FUTEX_WAIT, FUTEX_WAIT_BITSET
LOOPS = (
    *("poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait", "accept", "accept4"),
    *("nanosleep", "clock_nanosleep"),
)
NO_PID = 1 << 31
# System call -> the kind of its wait, the access of those who can end it, and that in words.
PIPE_WAITS = {
    "read": ("pipe", "w", "which {} can write to"),
    "write": ("full-pipe", "r", "which is full and {} can read"),
}


@dataclass(frozen=True)
class Wait:
    """What one thread waits for.

    ``kind`` is child, lock, pipe, full-pipe, time, other, or none for a thread that runs. ``on`` are the pids that can
    end the wait, if known. ``closed``: only processes can end the wait, no clock and no network.
    """

    kind: str
    text: str
    on: tuple[int, ...] = ()
    closed: bool = False


@dataclass(frozen=True)
class Link:
    """One step of a chain: a thread of a process, and what it waits for."""

    pid: int
    tid: int
    wait: Wait


def wait_of(thread: Thread, process: Process, snapshot: Snapshot) -> Wait:
    """What a thread waits for: from its system call, or from its wait channel if the call is unknown."""
    call = thread.syscall
    if thread.state == "Z":
        return Wait("none", "ended, and its parent has not read its exit code")
    if call is None:
        return Wait("other" if thread.wchan else "none", thread.wchan or "running")
    if call.name in ("wait4", "waitid"):
        return _child_wait(call.name, call.arguments, process, snapshot)
    if call.name == "futex":
        return _lock_wait(call.arguments, process, snapshot)
    if call.name in PIPE_WAITS:
        return _pipe_wait(call.name, call.arguments[0], process, snapshot)
    if call.name in ("nanosleep", "clock_nanosleep"):
        return Wait("time", f"{call.name}: sleeps")
    return Wait("other", f"{call.name} ({thread.wchan})" if thread.wchan else call.name)


def _child_wait(name: str, arguments: tuple[int, ...], process: Process, snapshot: Snapshot) -> Wait:
    pid = arguments[0] if name == "wait4" else arguments[1]
    if 0 < pid < NO_PID:
        return Wait("child", f"{name}: until child {pid} ends", (pid,), closed=True)
    children = tuple(child.pid for child in snapshot.children(process.pid))
    return Wait("child", f"{name}: until any child ends", children, closed=True)


def _lock_wait(arguments: tuple[int, ...], process: Process, snapshot: Snapshot) -> Wait:
    address, operation, _, timeout = arguments[:4]
    timed = operation & FUTEX_COMMAND not in FUTEX_WAITS or timeout != 0
    limit = ", with a time limit" if timed else ""
    memory = next((m for m in process.shared if m.start <= address < m.end), None)
    if memory is None:
        kind = "" if operation & FUTEX_PRIVATE else " that may be shared"
        return Wait("lock", f"futex: a lock of its own process{kind}{limit}", (process.pid,), closed=not timed)
    sharers = tuple(pid for pid in snapshot.sharers(memory.file) if pid != process.pid)
    text = f"futex: a semaphore in shared memory ({memory.file}), shared with {_pids(sharers)}{limit}"
    return Wait("lock", text, sharers, closed=not timed)


def _pipe_wait(name: str, number: int, process: Process, snapshot: Snapshot) -> Wait:
    kind, access, words = PIPE_WAITS[name]
    target = next((file.target for file in process.files if file.number == number), f"descriptor {number}")
    if not target.startswith("pipe:"):
        return Wait("other", f"{name}: {target}")
    others = tuple(snapshot.holders(target, access))
    # Where no process here has the other end, one outside of the container has it: the engine reads what a service
    # prints. Without any other end such a call would end at once.
    return Wait(kind, f"{name}: {target}, {words.format(_pids(others))}", others, closed=bool(others))


def _pids(pids: tuple[int, ...]) -> str:
    return " ".join(map(str, pids)) or "no process"


def unchanged(before: Process, after: Process) -> bool:
    """Whether a process did nothing between two snapshots: no CPU time, no context switch, no other system call."""
    return before.started == after.started and before.threads == after.threads


def stuck(before: Snapshot, after: Snapshot, pid: int) -> list[Link]:
    """The chain of waits that never ends: of the process, and of the child that it waits for; empty if there is none.

    One thread that waits for its child in this way is enough; the other threads of the process do not matter.
    """
    process, earlier = after.processes.get(pid), before.processes.get(pid)
    if process is None or earlier is None:
        return []
    for thread in process.threads:
        wait = wait_of(thread, process, after)
        if wait.kind != "child" or thread not in earlier.threads:
            continue
        family = {pid, *(process.pid for process in after.descendants(pid))}
        for child in wait.on:
            links = _closed_waits_if_unchanged(before, after, child, family)
            # Another thread of the process may read from the pipe, and these threads are not looked at here.
            if links and not any(link.wait.kind == "full-pipe" for link in links):
                return [Link(pid, thread.tid, wait), *links]
    return []


def deadlocked(before: Snapshot, after: Snapshot, pid: int) -> list[Link]:
    """The waits of a process and its living descendants if none of them can continue; empty if one of them can."""
    return _family_waits(before, after, pid, _closed_waits_if_unchanged)


def lost_lock(before: Snapshot, after: Snapshot, pid: int) -> list[Link]:
    """The waits of a server that needs a lock which its family shares, if no process of the family can release it.

    Empty otherwise. Each wait of the server's threads is closed, or its system call is one of `LOOPS`. A thread of the
    second kind is assumed not to hold the lock, which cannot be checked from outside. So the snapshots must be seconds
    apart.
    """
    links = _family_waits(before, after, pid, partial(_closed_waits, ignored_calls=LOOPS))
    server_waits = [link.wait for link in links if link.pid == pid]
    return links if any(wait.kind == "lock" and pid not in wait.on for wait in server_waits) else []


def _family_waits(before: Snapshot, after: Snapshot, pid: int, parent_waits: Callable[..., list[Link]]) -> list[Link]:
    """The waits of a process, by ``parent_waits``, and of its living descendants; empty if one of them can continue."""
    descendants = [process.pid for process in after.descendants(pid) if process.state != "Z"]
    family = {pid, *descendants}
    waits = [parent_waits(before, after, pid, family)]
    waits += [_closed_waits_if_unchanged(before, after, child, family) for child in descendants]
    return [link for links in waits for link in links] if all(waits) else []


def _closed_waits_if_unchanged(before: Snapshot, after: Snapshot, pid: int, family: set[int]) -> list[Link]:
    """The waits of a process that did nothing, if all of them are closed; empty otherwise."""
    process, earlier = after.processes.get(pid), before.processes.get(pid)
    if process is None or earlier is None or not unchanged(earlier, process):
        return []
    return _closed_waits(before, after, pid, family)


def _closed_waits(
    before: Snapshot, after: Snapshot, pid: int, family: set[int], ignored_calls: Container[str] = ()
) -> list[Link]:
    """The closed waits of a process's unchanged threads; empty if another thread is in no call of ``ignored_calls``."""
    process, earlier = after.processes.get(pid), before.processes.get(pid)
    if process is None or earlier is None or earlier.started != process.started:
        return []
    links = []
    for thread in process.threads:
        wait = wait_of(thread, process, after)
        if thread in earlier.threads and wait.closed and family.issuperset(wait.on):
            links.append(Link(pid, thread.tid, wait))
        elif thread.syscall is None or thread.syscall.name not in ignored_calls:
            return []
    return links


def pipes(snapshot: Snapshot) -> Iterator[tuple[str, list[int], list[int]]]:
    """Each pipe with the pids that can read it and those that can write to it."""
    targets = {f.target for p in snapshot.processes.values() for f in p.files if f.target.startswith("pipe:")}
    for target in sorted(targets):
        yield target, snapshot.holders(target, "r"), snapshot.holders(target, "w")
