"""Whether a run whose run.json says "running" still runs: a killed process, or a full disk, leaves the file so."""

from __future__ import annotations

from dataclasses import replace

from reprolab.engine.owner import Owner, owner_state
from reprolab.evidence.run_info import ABORTED, RUNNING, UNSEEN, RunInfo


def as_it_is(info: RunInfo) -> RunInfo:
    """The information on a run, with the status of a run that does not run any more.

    A process in another pid namespace (of a container, say) or on another machine cannot be seen; then the status is
    UNSEEN.
    """
    if info.status != RUNNING:
        return info
    if not info.pid:
        return replace(info, status=UNSEEN, reason="its run.json does not name its process")
    state = owner_state(info.pid)
    if state is Owner.LIVES:
        return info
    if state is Owner.UNSEEN:
        reason = "it began in another container or on another machine, whose processes cannot be seen here"
        return replace(info, status=UNSEEN, reason=reason)
    return replace(info, status=ABORTED, reason="its process ended without a word: it was killed, or the disk was full")
