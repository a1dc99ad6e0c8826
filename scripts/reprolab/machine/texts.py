"""Decodes the texts of /proc and of cgroup files. Nothing here reads a file."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# The states of a TCP socket, by the number in /proc/net/tcp.
TCP_STATES = {
    "01": "established",
    "02": "syn-sent",
    "03": "syn-received",
    "04": "fin-wait-1",
    "05": "fin-wait-2",
    "06": "time-wait",
    "07": "closed",
    "08": "close-wait",
    "09": "last-ack",
    "0A": "listening",
    "0B": "closing",
    "0C": "syn-received",
}
UNIX_STATES = {"01": "unconnected", "02": "connecting", "03": "connected", "04": "disconnecting"}
UNIX_LISTENS = 0x10000
CONTAINER_DIRECTORY = re.compile(r"(?:docker-)?([0-9a-f]{64})(?:\.scope)?")


@dataclass(frozen=True)
class Processors:
    """Seconds since the boot, summed over all processors.

    ``work`` is the time of programs and of the kernel for them, ``interrupts`` the time of the handlers of interrupts,
    ``stolen`` the time that the hypervisor gave to other machines, ``total`` all time with the idle time.
    """

    number: int
    work: float
    interrupts: float
    stolen: float
    total: float


def processors(stat: str) -> Processors:
    """Read /proc/stat. Raises ValueError for any other text."""
    first, *others = stat.splitlines() or [""]
    words = first.split()[:9]
    if len(words) < 9 or words[0] != "cpu":
        raise ValueError("not the text of /proc/stat")
    user, nice, system, idle, iowait, irq, softirq, stolen = (int(word) / TICKS_PER_SECOND for word in words[1:])
    number = sum(line.startswith("cpu") for line in others)
    work, interrupts = user + nice + system, irq + softirq
    return Processors(number, work, interrupts, stolen, work + interrupts + stolen + idle + iowait)


def stalled_seconds(pressure: str) -> float:
    """Read a file of /proc/pressure: the seconds since the boot in which at least one task waited."""
    for line in pressure.splitlines():
        if line.startswith("some ") and "total=" in line:
            return int(line.rpartition("total=")[2]) / 1e6
    raise ValueError("not the text of a pressure file")


def load_average(loadavg: str) -> float:
    """Read /proc/loadavg: the average of the last minute."""
    return float(loadavg.split()[0])


@dataclass(frozen=True)
class ProcessTimes:
    """A process in /proc/PID/stat: its CPU time in seconds, and that of its ended children. ``started`` is in ticks."""

    name: str
    parent: int
    own: float
    children: float
    started: int


def process_times(stat: str) -> ProcessTimes:
    """Read /proc/PID/stat. Raises ValueError or IndexError for any other text."""
    head, _, rest = stat.rpartition(")")
    fields = rest.split()
    times = [int(field) / TICKS_PER_SECOND for field in fields[11:15]]
    return ProcessTimes(head.partition(" (")[2], int(fields[1]), sum(times[:2]), sum(times[2:]), int(fields[19]))


def cgroup_paths(cgroup: str) -> dict[str, str]:
    """Read /proc/PID/cgroup: controller -> path. The path in the hierarchy of version 2 has the key ""."""
    paths: dict[str, str] = {}
    for line in cgroup.splitlines():
        _, controllers, path = line.split(":", 2)
        paths |= dict.fromkeys(controllers.split(","), path)
    return paths


def cgroup_mounts(mountinfo: str) -> dict[str, str]:
    """Read /proc/PID/mountinfo: controller -> mount point. The hierarchy of version 2 has the key ""."""
    mounts: dict[str, str] = {}
    for line in mountinfo.splitlines():
        fields, _, described = line.partition(" - ")
        kind, _, options = described.split()[:3]
        if kind == "cgroup2":
            mounts.setdefault("", fields.split()[4])
        elif kind == "cgroup":
            for option in options.split(","):
                mounts.setdefault(option, fields.split()[4])
    return mounts


def container_id(directory: str) -> str:
    """The id of the container whose cgroup has this directory name; "" for any other directory."""
    match = CONTAINER_DIRECTORY.fullmatch(directory)
    return match[1] if match else ""


def container_of(cgroup: str) -> str:
    """Read /proc/PID/cgroup: the id of the process's container; "" outside of containers."""
    names = (name for path in cgroup_paths(cgroup).values() for name in path.split("/"))
    return next(filter(None, map(container_id, names)), "")


def cpu_seconds(text: str) -> float:
    """Read cpuacct.usage (version 1, nanoseconds) or cpu.stat (version 2): the CPU time of a cgroup in seconds."""
    if text.strip().isdigit():
        return int(text) / 1e9
    return _value(text, "usage_usec") / 1e6


def inactive_file_bytes(memory_stat: str) -> int:
    """Read memory.stat: the page cache that the kernel can drop at once. Version 1 has a total over all children."""
    name = "total_inactive_file" if "total_inactive_file " in memory_stat else "inactive_file"
    return _value(memory_stat, name)


def _value(text: str, name: str) -> int:
    """The number after a name at the beginning of a line. Raises ValueError if there is none."""
    at = 0 if text.startswith(f"{name} ") else text.find(f"\n{name} ") + 1
    if not text.startswith(f"{name} ", at):
        raise ValueError(f"no {name} in the text")
    return int(text[at + len(name) : text.find("\n", at) if "\n" in text[at:] else None])


def tcp_states(tables: Iterable[str]) -> dict[str, int]:
    """Read /proc/net/tcp and tcp6: the number of sockets in each state, such as "tcp listening"."""
    codes = (line.split(None, 4)[3] for table in tables for line in table.splitlines()[1:])
    return _counts("tcp", codes, TCP_STATES)


def unix_states(table: str) -> dict[str, int]:
    """Read /proc/net/unix: the number of sockets in each state, such as "unix connected"."""
    rows = [line.split(None, 7) for line in table.splitlines()[1:]]
    listening = sum(bool(int(row[3], 16) & UNIX_LISTENS) for row in rows)
    counts = _counts("unix", (row[5] for row in rows if not int(row[3], 16) & UNIX_LISTENS), UNIX_STATES)
    return counts | ({"unix listening": listening} if listening else {})


def _counts(family: str, codes: Iterable[str], names: Mapping[str, str]) -> dict[str, int]:
    return dict(Counter(f"{family} {names.get(code, code)}" for code in codes))
