"""Facts about the processes of this machine, read from /proc."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

PROC = Path("/proc")
SHOWN_COMMAND = 100  # characters


def start_ticks(pid: int | str) -> str:
    """When a process started, in clock ticks since the boot; "" if it has ended, a zombie included."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    state, *rest = stat.rpartition(")")[2].split()
    return "" if state == "Z" else rest[18]


def is_hidden(pid: int) -> bool:
    """Whether there is a process with this id that /proc does not show to this user (mount option hidepid)."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return not (PROC / str(pid)).exists()
    except OSError:
        return False
    return False


def boot_id() -> str:
    """The kernel's name for the time since its start; "" where there is none."""
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def pid_namespace(pid: int | str) -> str:
    """The number of a process's pid namespace; "" if it cannot be read."""
    try:
        return str((PROC / str(pid) / "ns/pid").stat().st_ino)
    except OSError:
        return ""


def own_pid() -> int:
    """The id of this process in /proc, which may show the processes of an outer namespace."""
    try:
        return int((PROC / "self").readlink().name)
    except (OSError, ValueError):
        return os.getpid()


def shown_namespace() -> str:
    """The number of the pid namespace whose processes /proc shows; "" if it cannot be read."""
    return pid_namespace("self" if own_pid() == os.getpid() else 1)


def inner_pid(pid: int | str) -> str:
    """The id of a process in its own pid namespace, if that is another one than this process's; else ""."""
    try:
        lines = (PROC / str(pid) / "status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    ids = next((line.split()[1:] for line in lines if line.startswith("NSpid:")), [])
    return ids[-1] if len(ids) > 1 else ""


def machine_id() -> str:
    """A digest of this machine's id; "" where it has none, as in most containers. The id itself is confidential."""
    try:
        text = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
    return hashlib.sha256(f"reprolab {text}".encode()).hexdigest()[:8] if text else ""


def description(pid: int) -> str:
    """A process for a message: its id, its command line, and since when it runs."""
    ticks = start_ticks(pid)
    if not ticks:
        return f"process {pid}"
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        command = " ".join(word.decode("utf-8", "replace") for word in words)
    except OSError:
        command = ""
    # Control characters of another user's command line must not reach the terminal.
    shown = "".join(letter if letter.isprintable() else "?" for letter in command[:SHOWN_COMMAND])
    started = _boot_time() + int(ticks) / os.sysconf("SC_CLK_TCK")
    since = datetime.fromtimestamp(started, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"process {pid} ({shown or 'command unknown'}; it runs since {since})"


def _boot_time() -> float:
    lines = (PROC / "stat").read_text(encoding="ascii").splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("btime "))
