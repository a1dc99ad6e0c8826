"""Who waits for whom: what each thread of a snapshot waits for, and whether a process can ever go on.

Frozen is told from slow by two snapshots: a process is stuck if one of its threads waits for a child, and that child,
unchanged between the two, waits in all its threads for nothing but a lock, a child or a pipe, without a time limit,
and only on processes of that family. A process none of whose threads waits for a child is deadlocked if every thread of
it and of all its living descendants waits in that way: the lock that one of them needs went away with its holder.

A server may have threads that move whatever happens: they look for connections, or sleep between two looks at files.
For it there is the weaker `lost_lock`, which lets them pass; its two snapshots should be seconds apart.
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


@dataclass(frozen=True)
class Wait:
    """What one thread waits for.

    ``kind``: child, lock, pipe, time, other or none (it runs); ``on`` the pids that could end the wait, where known;
    ``closed`` whether only processes, and no clock and no network, can end it.
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
    """What a thread waits for, by the system call it is in; by its wait channel where that is not told."""
    call = thread.syscall
    if thread.state == "Z":
        return Wait("none", "ended, and nobody has asked for its exit code")
    if call is None:
        return Wait("other" if thread.wchan else "none", thread.wchan or "running")
    if call.name in ("wait4", "waitid"):
        return _child_wait(call.name, call.arguments, process, snapshot)
    if call.name == "futex":
        return _lock_wait(call.arguments, process, snapshot)
    if call.name == "read":
        return _read_wait(call.arguments[0], process, snapshot)
    if call.name in ("nanosleep", "clock_nanosleep"):
        return Wait("time", f"{call.name}: sleeps")
    return Wait("other", f"{call.name} ({thread.wchan})" if thread.wchan else call.name)


def _child_wait(name: str, arguments: tuple[int, ...], process: Process, snapshot: Snapshot) -> Wait:
    wanted = arguments[0] if name == "wait4" else arguments[1]
    if 0 < wanted < NO_PID:
        return Wait("child", f"{name}: until child {wanted} ends", (wanted,), closed=True)
    children = tuple(child.pid for child in snapshot.children(process.pid))
    return Wait("child", f"{name}: until any child ends", children, closed=True)


def _lock_wait(arguments: tuple[int, ...], process: Process, snapshot: Snapshot) -> Wait:
    address, operation, _, timeout = arguments[:4]
    timed = operation & FUTEX_COMMAND not in FUTEX_WAITS or timeout != 0
    limit = ", with a time limit" if timed else ""
    place = next((m for m in process.shared if m.start <= address < m.end), None)
    if place is None:
        kind = "" if operation & FUTEX_PRIVATE else " that may be shared"
        return Wait("lock", f"futex: a lock of its own process{kind}{limit}", (process.pid,), closed=not timed)
    sharers = tuple(pid for pid in snapshot.sharers(place.file) if pid != process.pid)
    words = f"futex: a semaphore in shared memory ({place.file}), shared with {_pids(sharers)}{limit}"
    return Wait("lock", words, sharers, closed=not timed)


def _read_wait(number: int, process: Process, snapshot: Snapshot) -> Wait:
    file = next((file for file in process.files if file.number == number), None)
    if file is None or not file.target.startswith("pipe:"):
        return Wait("other", f"read: {file.target if file else f'descriptor {number}'}")
    writers = tuple(snapshot.holders(file.target, "w"))
    return Wait("pipe", f"read: {file.target}, which {_pids(writers)} can write to", writers, closed=True)


def _pids(pids: tuple[int, ...]) -> str:
    return " ".join(map(str, pids)) or "no process"


def unchanged(before: Process, after: Process) -> bool:
    """Whether nothing at all happened in a process between two snapshots: no CPU time, no switch, no other call."""
    return before.started == after.started and before.threads == after.threads


def stuck(before: Snapshot, after: Snapshot, pid: int) -> list[Link]:
    """The chain that holds a process for ever: it, the child it waits for, what that waits for; empty if none.

    A thread that waits for a child counts; others of the same process may do what they like.
    """
    process, earlier = after.processes.get(pid), before.processes.get(pid)
    if process is None or earlier is None:
        return []
    for thread in process.threads:
        wait = wait_of(thread, process, after)
        if wait.kind != "child" or thread not in earlier.threads:
            continue
        family = {pid, *(one.pid for one in after.descendants(pid))}
        for child in wait.on:
            if links := _held(before, after, child, family):
                return [Link(pid, thread.tid, wait), *links]
    return []


def deadlocked(before: Snapshot, after: Snapshot, pid: int) -> list[Link]:
    """The waits of a process and its living descendants, if none of their threads can ever go on; empty if one may."""
    return _family_waits(before, after, pid, _held)


def lost_lock(before: Snapshot, after: Snapshot, pid: int) -> list[Link]:
    """The waits of a server that needs a lock which its family shares, if none of that family moves; else empty.

    The server's own threads wait in the closed way, or are in a loop that a server has anyway. Those of the second kind
    are taken not to hold the lock, which cannot be seen from outside; so there must be time between the two snapshots.
    """
    links = _family_waits(before, after, pid, partial(_closed, passing=LOOPS))
    own = [link.wait for link in links if link.pid == pid]
    return links if any(wait.kind == "lock" and pid not in wait.on for wait in own) else []


def _family_waits(before: Snapshot, after: Snapshot, pid: int, own: Callable[..., list[Link]]) -> list[Link]:
    """A process's waits, as ``own`` finds them, and those of its living descendants; empty where one may go on."""
    children = [one.pid for one in after.descendants(pid) if one.state != "Z"]
    family = {pid, *children}
    waits = [own(before, after, pid, family), *(_held(before, after, one, family) for one in children)]
    return [link for links in waits for link in links] if all(waits) else []


def _held(before: Snapshot, after: Snapshot, pid: int, family: set[int]) -> list[Link]:
    """The waits of a process all of whose threads wait for the family only; empty where one may go on."""
    process, earlier = after.processes.get(pid), before.processes.get(pid)
    if process is None or earlier is None or not unchanged(earlier, process):
        return []
    return _closed(before, after, pid, family)


def _closed(before: Snapshot, after: Snapshot, pid: int, family: set[int], passing: Container[str] = ()) -> list[Link]:
    """The waits for the family of a process's unchanged threads; empty if another is in no call of ``passing``."""
    process, earlier = after.processes.get(pid), before.processes.get(pid)
    if process is None or earlier is None or earlier.started != process.started:
        return []
    links = []
    for thread in process.threads:
        wait = wait_of(thread, process, after)
        if thread in earlier.threads and wait.closed and family.issuperset(wait.on):
            links.append(Link(pid, thread.tid, wait))
        elif thread.syscall is None or thread.syscall.name not in passing:
            return []
    return links


def pipes(snapshot: Snapshot) -> Iterator[tuple[str, list[int], list[int]]]:
    """Each pipe with the pids that can read it and those that can write to it."""
    targets = {f.target for p in snapshot.processes.values() for f in p.files if f.target.startswith("pipe:")}
    for target in sorted(targets):
        yield target, snapshot.holders(target, "r"), snapshot.holders(target, "w")
