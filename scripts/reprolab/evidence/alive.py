"""Whether a run whose run.json says "running" still runs: a killed process, or a full disk, leaves the file so."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from reprolab.engine import labels
from reprolab.evidence.run_info import ABORTED, RUNNING, UNSEEN, RunInfo


def pid_namespace() -> str:
    """The namespace of this process's number, such as "pid:[4026531836]"; "" where the kernel does not say it."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def as_it_is(info: RunInfo) -> RunInfo:
    """The information on a run, with the status of a run that does not run any more.

    A process in another namespace (of a container, say) cannot be seen; then the status is UNSEEN.
    """
    if info.status != RUNNING or labels.owner_lives({labels.OWNER: info.pid}):
        return info
    if not info.pid:
        return replace(info, status=UNSEEN, reason="its run.json does not name its process")
    if info.pid.partition(":")[0] != labels.process_identity(os.getpid()).partition(":")[0]:
        reason = "this machine has been started anew since, or it is a run of another machine"
        return replace(info, status=ABORTED, reason=reason)
    if info.namespace and info.namespace != pid_namespace():
        return replace(info, status=UNSEEN, reason="it began in another container, whose processes cannot be seen here")
    return replace(info, status=ABORTED, reason="its process ended without a word: it was killed, or the disk was full")
