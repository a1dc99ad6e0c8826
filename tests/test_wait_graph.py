"""Two snapshots distinguish a deadlock from a slow process."""

from __future__ import annotations

from dataclasses import replace

import pytest
from reprolab.processes.snapshot import File, Process, Signals, Snapshot, Syscall, Thread, parse_snapshot
from reprolab.processes.wait_graph import Wait, deadlocked, lost_lock, pipes, stuck, wait_of
from test_snapshot import FROZEN

WORKER, CHILD, OTHER = 12, 15, 16


def frozen() -> Snapshot:
    """A snapshot of a real server: a worker waits for a child, and the child waits for a semaphore."""
    return parse_snapshot(FROZEN)


def with_thread(snapshot: Snapshot, pid: int, **changes: object) -> Snapshot:
    """The same snapshot with the process's only thread changed."""
    process = snapshot.processes[pid]
    (thread,) = process.threads
    changed = replace(process, threads=(replace(thread, **changes),))  # type: ignore[arg-type]
    return replace(snapshot, processes={**snapshot.processes, pid: changed})


def call(name: str, *arguments: int) -> Syscall:
    """A system call with its first arguments."""
    return Syscall(name, (*arguments, *[0] * (6 - len(arguments))))


def test_the_chain_of_a_frozen_request() -> None:
    """The worker waits for a child; the child waits for a semaphore that only the worker and a sibling share."""
    worker, child = stuck(frozen(), frozen(), WORKER)
    assert (worker.pid, worker.wait.kind, worker.wait.on) == (WORKER, "child", (CHILD,))
    assert (child.pid, child.wait.kind, child.wait.on) == (CHILD, "lock", (WORKER, OTHER))
    assert "semaphore in shared memory" in child.wait.text


def test_an_idle_worker_is_not_stuck() -> None:
    """An idle worker waits for connections with a time limit. An unknown pid is not stuck either."""
    assert stuck(frozen(), frozen(), 11) == []
    assert stuck(frozen(), frozen(), 7) == []
    assert stuck(frozen(), frozen(), 999) == []


@pytest.mark.parametrize("change", [{"ticks": 99}, {"switches": 99}, {"wchan": "elsewhere"}, {"state": "R"}])
def test_a_child_that_moved_is_slow(change: dict[str, object]) -> None:
    """A child is at work if its CPU time, its switches, its wait channel or its state changed between the snapshots."""
    assert stuck(frozen(), with_thread(frozen(), CHILD, **change), WORKER) == []


@pytest.mark.parametrize(
    "syscall",
    [
        call("nanosleep"),
        call("recvfrom", 9),
        call("poll"),
        call("read", 0),
        call("futex", 0x1000, 0, 0, 0x7FFE),
        call("futex", 0x1000, 1, 0, 0),
        None,
    ],
)
def test_a_child_that_waits_for_something_else_is_slow(syscall: Syscall | None) -> None:
    """A clock, the network, a lock with a time limit, a file: the wait can end without the family."""
    snapshot = with_thread(frozen(), CHILD, syscall=syscall)
    assert stuck(snapshot, snapshot, WORKER) == []


def test_a_child_that_ended_is_not_waited_for() -> None:
    """A wait for a zombie ends at once."""
    snapshot = with_thread(frozen(), CHILD, state="Z")
    assert stuck(snapshot, snapshot, WORKER) == []


def test_a_worker_that_just_began_to_wait_is_not_stuck() -> None:
    """The thread that waits must be the same in both snapshots."""
    assert stuck(with_thread(frozen(), WORKER, switches=0), frozen(), WORKER) == []


def test_a_lock_shared_with_a_stranger_may_be_released() -> None:
    """A process outside the family that maps the semaphore can post it."""
    snapshot = frozen()
    stranger = replace(snapshot.processes[11], shared=snapshot.processes[CHILD].shared)
    snapshot = replace(snapshot, processes={**snapshot.processes, 11: stranger})
    assert stuck(snapshot, snapshot, WORKER) == []


def process(pid: int, parent: int, syscall: Syscall | None, *files: File) -> Process:
    """A process of one thread."""
    thread = Thread(pid, "python", "S", "somewhere", syscall, 1, 1)
    return Process(pid, parent, "S", ("python",), pid, Signals(), (thread,), files)


def test_a_pipe_that_only_the_family_writes_to() -> None:
    """Its reader is stuck, unless a process outside the family can write to the pipe."""
    worker = process(1, 0, call("wait4", 2), File(4, "pipe:[7]", "w"))
    child = process(2, 1, call("read", 3), File(3, "pipe:[7]", "r"))
    family = Snapshot(1, {1: worker, 2: child})
    assert [link.wait.kind for link in stuck(family, family, 1)] == ["child", "pipe"]
    other = replace(family, processes={**family.processes, 9: process(9, 0, None, File(1, "pipe:[7]", "w"))})
    assert stuck(other, other, 1) == []
    assert list(pipes(other)) == [("pipe:[7]", [2], [1, 9])]


def test_a_pipe_that_nobody_empties() -> None:
    """The child writes, and no process of the family reads; a thread of a worker that waits for the child might."""
    alone = lost_lock_server()
    worker = replace(alone.processes[1], files=(File(3, "pipe:[7]", "r"),))
    child = process(2, 1, call("write", 4), File(4, "pipe:[7]", "w"))
    family = Snapshot(1, {1: worker, 2: child})
    assert [link.wait.kind for link in deadlocked(family, family, 1)] == ["lock", "lock", "full-pipe"]
    assert lost_lock(family, family, 1)[2].wait.text == "write: pipe:[7], which is full and 1 can read"
    other = replace(family, processes={**family.processes, 9: process(9, 0, None, File(1, "pipe:[7]", "r"))})
    assert deadlocked(other, other, 1) == []
    waiting = replace(family, processes={1: replace(worker, threads=(thread_of(1, 1, call("wait4", 2)),)), 2: child})
    assert stuck(waiting, waiting, 1) == []
    socket = replace(family, processes={1: worker, 2: process(2, 1, call("write", 4), File(4, "socket:[8]", "rw"))})
    assert deadlocked(socket, socket, 1) == []


@pytest.mark.parametrize("name", ["write", "read"])
def test_a_pipe_to_outside_of_the_container_is_no_deadlock(name: str) -> None:
    """The engine reads what a service prints. It may be slow, and it is in no snapshot."""
    worker = process(1, 0, call(name, 1), File(1, "pipe:[7]", "w" if name == "write" else "r"))
    alone = Snapshot(1, {1: worker})
    assert deadlocked(alone, alone, 1) == []
    child = process(2, 1, call(name, 1), File(1, "pipe:[7]", "w" if name == "write" else "r"))
    family = Snapshot(1, {1: lost_lock_server().processes[1], 2: child})
    assert lost_lock(family, family, 1) == []


def test_waits_for_any_child_and_for_one() -> None:
    """wait4(-1) waits for any child; waitid has its child in the second argument."""
    snapshot = Snapshot(1, {1: process(1, 0, call("wait4", (1 << 32) - 1)), 2: process(2, 1, call("pause"))})
    (thread,) = snapshot.processes[1].threads
    assert wait_of(thread, snapshot.processes[1], snapshot).on == (2,)
    thread = replace(thread, syscall=call("waitid", 1, 2))
    assert wait_of(thread, snapshot.processes[1], snapshot) == Wait("child", "waitid: until child 2 ends", (2,), True)


def thread_of(pid: int, tid: int, syscall: Syscall) -> Thread:
    """A thread that sleeps in a system call."""
    return Thread(tid, "python", "S", "somewhere", syscall, 1, 1)


def lost_lock_server(*children: Process) -> Snapshot:
    """A process whose threads wait for each other, and for a shared semaphore whose holder may have ended."""
    semaphore = frozen().processes[CHILD].shared[0]
    own_lock, shared_lock = call("futex", 0x1000, 0x80), call("futex", semaphore.start, 0)
    threads = (thread_of(1, 1, own_lock), thread_of(1, 5, shared_lock))
    worker = replace(process(1, 0, own_lock), threads=threads, shared=(semaphore,))
    return Snapshot(1, {1: worker, **{child.pid: child for child in children}})


def test_a_lock_whose_holder_ended() -> None:
    """No thread waits for a child, and no living process can release the lock; a zombie cannot."""
    alone = lost_lock_server(replace(process(2, 1, call("read", 3)), state="Z"))
    assert stuck(alone, alone, 1) == []
    assert [link.wait.kind for link in deadlocked(alone, alone, 1)] == ["lock", "lock"]
    assert "shared with no process" in deadlocked(alone, alone, 1)[1].wait.text


def test_a_lock_that_a_living_child_may_release() -> None:
    """A child at work, a process that changed between the snapshots, an unknown pid: no deadlock."""
    at_work = lost_lock_server(process(2, 1, call("recvfrom", 9)))
    assert deadlocked(at_work, at_work, 1) == []
    alone = lost_lock_server()
    moved = replace(alone.processes[1], threads=(replace(alone.processes[1].threads[0], switches=99),))
    assert deadlocked(replace(alone, processes={1: moved}), alone, 1) == []
    assert deadlocked(alone, alone, 999) == []


@pytest.mark.parametrize(
    "syscall", [call("poll", 0x7F, 1, 500), call("epoll_wait", 5), call("accept4", 3), call("nanosleep")]
)
def test_a_servers_loop_releases_no_lock(syscall: Syscall) -> None:
    """The thread with the loop changes all the time, but no process can release the lock of a process that ended."""
    before = serving(syscall, 1)
    after = serving(syscall, 99)
    assert deadlocked(before, after, 1) == []
    assert [link.wait.kind for link in lost_lock(before, after, 1)] == ["lock", "lock"]
    busy = Snapshot(1, {**after.processes, 2: process(2, 1, call("recvfrom", 9))})
    assert lost_lock(before, busy, 1) == [], "a child at work may release it"


@pytest.mark.parametrize("syscall", [None, call("recvfrom", 4), call("futex", 0x1000, 0x80, 0, 9)])
def test_a_server_that_does_something_else_may_continue(syscall: Syscall | None) -> None:
    """A thread that runs, reads, or waits for a lock with a time limit is not in a server's loop."""
    assert lost_lock(serving(syscall, 1), serving(syscall, 99), 1) == []


def test_a_server_that_shares_no_lock_may_continue() -> None:
    """The threads of every idle server wait for each other while one waits for connections."""
    idle = serving(call("poll"), 1)
    without_memory = replace(idle.processes[1], shared=())
    idle = replace(idle, processes={1: without_memory})
    assert lost_lock(idle, idle, 1) == []
    restarted = replace(serving(call("poll"), 1).processes[1], started=7)
    assert lost_lock(replace(idle, processes={1: restarted}), serving(call("poll"), 1), 1) == []


def serving(syscall: Syscall | None, switches: int) -> Snapshot:
    """The process of the lost lock with one thread more, in this system call and with so many switches."""
    alone = lost_lock_server()
    thread = replace(thread_of(1, 9, call("pause")), syscall=syscall, switches=switches)
    server = replace(alone.processes[1], threads=(*alone.processes[1].threads, thread))
    return replace(alone, processes={1: server})
