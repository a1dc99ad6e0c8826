"""Parses the text of /proc that images/forensics/snapshot.py collects.

The fields are described in proc(5), signal(7), and in the kernel's syscall tables of x86_64 and arm64.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

NAMES = """
    HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU
    URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS
"""
SIGNALS = NAMES.split()
REALTIME = 34  # SIGRTMIN of glibc, which uses 32 and 33 itself
STATES = {
    "R": "running",
    "S": "sleeping",
    "D": "in disk wait",
    "Z": "zombie",
    "T": "stopped",
    "t": "traced",
    "X": "dead",
    "I": "idle",
}
SYSCALLS: dict[str, dict[int, str]] = {
    "x86_64": {
        0: "read",
        1: "write",
        7: "poll",
        23: "select",
        35: "nanosleep",
        43: "accept",
        45: "recvfrom",
        61: "wait4",
        128: "rt_sigtimedwait",
        202: "futex",
        230: "clock_nanosleep",
        232: "epoll_wait",
        247: "waitid",
        270: "pselect6",
        271: "ppoll",
        281: "epoll_pwait",
        288: "accept4",
    },
    "aarch64": {
        22: "epoll_pwait",
        63: "read",
        64: "write",
        72: "pselect6",
        73: "ppoll",
        95: "waitid",
        98: "futex",
        101: "nanosleep",
        115: "clock_nanosleep",
        137: "rt_sigtimedwait",
        202: "accept",
        207: "recvfrom",
        242: "accept4",
        260: "wait4",
    },
}
ACCESS = {0: "r", 1: "w", 2: "rw"}
FORKED_NO_EXEC = 0x40  # the kernel's PF_FORKNOEXEC, in field 9 of stat
HIDDEN = 1  # the kernel shows this instead of an address to a process that may not trace
KIB = 1024
INITS = ("docker-init", "tini", "podman-init", "catatonit", "init")
PIPE = re.compile(r"pipe:\[(\d+)\]")
FIRST, OUTSIDE = 1, 0  # the pid of a container's first process, and the parent that a command from outside has


@dataclass(frozen=True)
class Signals:
    """The names of the signals in each set of a process; ``caught`` are those with a handler."""

    pending: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    caught: tuple[str, ...] = ()

    def action(self, name: str) -> str:
        """What a signal does in the process: caught, ignored, or default."""
        return "caught" if name in self.caught else "ignored" if name in self.ignored else "default"


@dataclass(frozen=True)
class Syscall:
    """The system call that a thread is in: its name, or "syscall 999" if `SYSCALLS` lacks it, and its six arguments."""

    name: str
    arguments: tuple[int, ...]


@dataclass(frozen=True)
class Thread:
    """One thread; ``ticks`` is its CPU time in clock ticks, ``switches`` its number of context switches.

    ``hidden`` is true if the kernel does not say in which call it is. For a thread that runs, it says "running".
    """

    tid: int
    name: str
    state: str
    wchan: str
    syscall: Syscall | None
    ticks: int
    switches: int
    hidden: bool = False


@dataclass(frozen=True)
class File:
    """An open file descriptor: its number, what it refers to, and its access: "r", "w" or "rw"."""

    number: int
    target: str
    access: str


@dataclass(frozen=True)
class SharedMemory:
    """A shared mapping: its addresses from ``start`` to below ``end``, and its file with device and inode."""

    start: int
    end: int
    file: str


@dataclass(frozen=True)
class Process:
    """One process in a snapshot; ``started`` is its start time in clock ticks since boot.

    ``forked`` is true between a fork and an exec: the process still runs as a copy of its parent. ``layout`` is the
    addresses where its program and its stack begin. A fork copies them, an exec chooses new ones. It is empty if the
    kernel does not show them. ``ticks`` is the CPU time in clock ticks of all its threads, ended ones included.
    ``rss`` is its resident memory in bytes, with the pages that it shares with others.
    """

    pid: int
    parent: int
    state: str
    command: tuple[str, ...]
    started: int
    signals: Signals
    threads: tuple[Thread, ...]
    files: tuple[File, ...] = ()
    shared: tuple[SharedMemory, ...] = ()
    forked: bool = False
    layout: tuple[int, ...] = ()
    ticks: int = 0
    rss: int = 0

    @property
    def title(self) -> str:
        """The command line, or the kernel's name in brackets if there is none."""
        return " ".join(self.command) or f"[{self.threads[0].name if self.threads else '?'}]"


@dataclass(frozen=True)
class Snapshot:
    """All processes of a container at one moment (nanoseconds since the epoch), by pid."""

    taken_ns: int
    processes: Mapping[int, Process] = field(default_factory=dict)

    def children(self, pid: int) -> list[Process]:
        """The processes whose parent is ``pid``, oldest first."""
        children = [process for process in self.processes.values() if process.parent == pid]
        return sorted(children, key=lambda process: (process.started, process.pid))

    def descendants(self, pid: int) -> list[Process]:
        """The children, their children and so on; each parent before its children."""
        descendants = []
        for child in self.children(pid):
            descendants += [child, *self.descendants(child.pid)]
        return descendants

    def roots(self) -> list[Process]:
        """The processes whose parent is not in the snapshot."""
        roots = [process for process in self.processes.values() if process.parent not in self.processes]
        return sorted(roots, key=lambda process: process.pid)

    def server(self) -> Process:
        """The server of the container: the oldest child of its init process, or the first process if it is no init.

        Raises ValueError if there is none.
        """
        for root in self.roots():
            if root.pid == 1 and not _is_init(root):
                return root
            for child in self.children(root.pid):
                return child
        raise ValueError(f"no process has an init process as its parent; the processes are {sorted(self.processes)}")

    def of_service(self) -> Snapshot:
        """The snapshot without the commands that were run in the container from outside (see `from_outside`)."""
        others = from_outside({pid: process.parent for pid, process in self.processes.items()})
        return replace(self, processes={pid: p for pid, p in self.processes.items() if pid not in others})

    def holders(self, target: str, access: str = "") -> list[int]:
        """The pids that have ``target`` ("pipe:[123]") open; with ``access`` "r" or "w", only with this access."""
        return [
            pid
            for pid, process in sorted(self.processes.items())
            if any(file.target == target and access in file.access for file in process.files)
        ]

    def sharers(self, file: str) -> list[int]:
        """The pids that map a shared file."""
        return [pid for pid, process in sorted(self.processes.items()) if any(m.file == file for m in process.shared)]


def from_outside(parents: Mapping[int, int]) -> set[int]:
    """The processes that are none of the service's: health checks, other commands of the engine, and their children.

    ``parents`` is pid -> parent. The parent of such a command is outside of the container, so its number is 0.
    """
    outside = {pid for pid, parent in parents.items() if parent == OUTSIDE and pid != FIRST}
    while children := {pid for pid, parent in parents.items() if parent in outside} - outside:
        outside |= children
    return outside


def _is_init(process: Process) -> bool:
    """Whether a process is the init that the engine adds to a container (`init: true`)."""
    return bool(process.command) and process.command[0].rpartition("/")[2] in INITS


def signal_name(number: int) -> str:
    """The name of a signal by its number on Linux: SIGTERM for 15, SIGRTMIN+1 for 35."""
    if 1 <= number <= len(SIGNALS):
        return f"SIG{SIGNALS[number - 1]}"
    return f"SIGRTMIN{number - REALTIME:+d}" if number != REALTIME else "SIGRTMIN"


def decode_mask(mask: str) -> tuple[str, ...]:
    """The signals in a hexadecimal mask of /proc/PID/status. Raises ValueError for anything else."""
    bits = int(mask, 16)
    return tuple(signal_name(number) for number in range(1, bits.bit_length() + 1) if bits >> (number - 1) & 1)


def parse_status(text: str) -> dict[str, str]:
    """The lines of /proc/PID/status as name -> value."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {name: value.strip() for name, _, value in pairs}


def signals_of(status: Mapping[str, str]) -> Signals:
    """The signal sets in a status; ``pending`` has those of the thread and those of the process."""
    pending = {*decode_mask(status.get("SigPnd", "0")), *decode_mask(status.get("ShdPnd", "0"))}
    return Signals(
        tuple(sorted(pending)),
        decode_mask(status.get("SigBlk", "0")),
        decode_mask(status.get("SigIgn", "0")),
        decode_mask(status.get("SigCgt", "0")),
    )


def stat_fields(text: str) -> tuple[str, list[str]]:
    """The name in brackets, which may contain any character, and the fields after it (from `state`, field 3)."""
    name, _, fields = text.partition("(")[2].rpartition(")")
    return name, fields.split()


def parse_syscall(text: str | None, machine: str) -> Syscall | None:
    """Parse /proc/PID/syscall: a number, six arguments, two addresses. None if it runs, or if the kernel hides it."""
    words = (text or "").split()
    if len(words) < 7 or not words[0].isdigit():
        return None
    number = int(words[0])
    name = SYSCALLS.get(machine, {}).get(number, f"syscall {number}")
    return Syscall(name, tuple(int(word, 16) for word in words[1:7]))


def parse_thread(tid: str, task: Mapping[str, str | None], machine: str) -> Thread | None:
    """Parse one thread; None if it ended while the snapshot was taken."""
    stat, status = task.get("stat"), task.get("status")
    if not stat or not status:
        return None
    name, fields = stat_fields(stat)
    lines = parse_status(status)
    switches = sum(int(lines.get(key, "0")) for key in ("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"))
    ticks = int(fields[11]) + int(fields[12])
    wchan = (task.get("wchan") or "").strip()
    call = parse_syscall(task.get("syscall"), machine)
    hidden = task.get("syscall") is None
    return Thread(int(tid), name, fields[0], "" if wchan == "0" else wchan, call, ticks, switches, hidden)


def parse_file(number: str, target: str, flags: str) -> File:
    """Parse one descriptor; the lowest two bits of its octal flags are its access mode."""
    return File(int(number), target, ACCESS.get(int(flags or "0", 8) & 3, ""))


def parse_mapping(line: str) -> SharedMemory:
    """Parse a line of /proc/PID/maps. The file has its device and inode, since deleted files may share a name."""
    span, _, _, device, inode, *name = line.split(maxsplit=5)
    start, _, end = span.partition("-")
    return SharedMemory(int(start, 16), int(end, 16), f"{''.join(name).strip() or 'anonymous'} {device}:{inode}")


def layout_of(fields: list[str]) -> tuple[int, ...]:
    """Where the program and the stack begin (fields 26 and 28 of stat); empty if the kernel hides it."""
    addresses = (int(fields[23]), int(fields[25]))
    return addresses if min(addresses) > HIDDEN else ()


def parse_process(pid: str, texts: Mapping[str, Any], machine: str) -> Process:
    """Parse one process. Raises ValueError, IndexError or KeyError for anything but text of /proc."""
    _, fields = stat_fields(texts["stat"])
    status = parse_status(texts["status"])
    threads = (parse_thread(tid, task, machine) for tid, task in texts["tasks"].items())
    return Process(
        int(pid),
        int(fields[1]),
        fields[0],
        tuple(texts["cmdline"]),
        int(fields[19]),
        signals_of(status),
        tuple(thread for thread in threads if thread),
        tuple(parse_file(number, *target_and_flags) for number, target_and_flags in texts["files"].items()),
        tuple(parse_mapping(line) for line in texts["maps"]),
        bool(int(fields[6]) & FORKED_NO_EXEC),
        layout_of(fields),
        int(fields[11]) + int(fields[12]),
        int(status.get("VmRSS", "0").split()[0]) * KIB,
    )


def parse_snapshot(text: str) -> Snapshot:
    """Parse the output of snapshot.py. Raises ValueError for anything else."""
    content = json.loads(text)
    try:
        machine = content["machine"]
        processes = {int(pid): parse_process(pid, texts, machine) for pid, texts in content["processes"].items()}
        return Snapshot(content["taken_ns"], processes)
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(f"not a snapshot of processes: {type(error).__name__}: {error}") from error


def walk(snapshot: Snapshot) -> Iterator[tuple[int, Process]]:
    """The depth of each process in the tree, and the process; each parent before its children."""

    def below(processes: Iterable[Process], depth: int) -> Iterator[tuple[int, Process]]:
        for process in processes:
            yield depth, process
            yield from below(snapshot.children(process.pid), depth + 1)

    yield from below(snapshot.roots(), 0)
