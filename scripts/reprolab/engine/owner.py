"""The owner of an object: the process that made it, and whether it still runs.

A process cannot be looked for from everywhere: a container has a pid namespace of its own, and several machines may use
one engine. Who cannot see an owner must not take its objects for leftovers.
"""

from __future__ import annotations

import os
from enum import Enum

from reprolab.core import process_info

INITIAL_NAMESPACE = "4026531836"  # the kernel's constant PROC_PID_INIT_INO: from there all processes are seen
IDENTITY_PARTS, PARTS = 3, 5


class Owner(Enum):
    """What is known of an owner."""

    LIVES = "lives"
    ENDED = "ended"
    UNSEEN = "unseen"
    """It is on another machine, in another pid namespace, or hidden from this user."""


def process_identity(pid: int) -> str:
    """Return a unique name of a process: boot id, pid, start time in clock ticks; "" if it has ended."""
    shown = process_info.own_pid() if pid == os.getpid() else pid
    boot, ticks = process_info.boot_id(), process_info.start_ticks(shown)
    return f"{boot}:{shown}:{ticks}" if boot and ticks else ""


def own_place() -> str:
    """Where this process can be seen: its pid namespace, and a digest of the machine's id."""
    return f"{process_info.shown_namespace()}:{process_info.machine_id()}"


def own_identity() -> str:
    """The unique name of this process with its place."""
    return f"{process_identity(os.getpid())}:{own_place()}"


def owner_state(identity: str) -> Owner:
    """What is known of the process with this identity, with or without its place. A malformed one has ended."""
    parts = identity.split(":")
    if len(parts) not in (IDENTITY_PARTS, PARTS) or not parts[1].isdigit():
        return Owner.ENDED
    boot, pid, ticks = parts[:IDENTITY_PARTS]
    # An earlier release did not say where it ran: most likely in the outermost namespace of this machine.
    namespace, machine = parts[IDENTITY_PARTS:] or (INITIAL_NAMESPACE, "this")
    if boot != process_info.boot_id():
        return Owner.ENDED if machine in ("this", process_info.machine_id() or "this") else Owner.UNSEEN
    here = process_info.shown_namespace()
    if namespace and namespace == here:
        return _state_here(int(pid), ticks)
    return _state_inside(pid, ticks) if here == INITIAL_NAMESPACE and namespace else Owner.UNSEEN


def _state_here(pid: int, ticks: str) -> Owner:
    if process_info.start_ticks(pid) == ticks:
        return Owner.LIVES
    return Owner.UNSEEN if process_info.is_hidden(pid) else Owner.ENDED


def _state_inside(pid: str, ticks: str) -> Owner:
    """Look for a process of an inner namespace by its id there and its start."""
    if process_info.is_hidden(1):
        return Owner.UNSEEN
    outer = (path.name for path in process_info.PROC.iterdir() if path.name.isdigit())
    lives = any(process_info.inner_pid(other) == pid and process_info.start_ticks(other) == ticks for other in outer)
    return Owner.LIVES if lives else Owner.ENDED
