"""How long the run on record took, in words for a visitor."""

from __future__ import annotations

from reprolab.core.number_words import duration
from reprolab.evidence.run_info import OF_TRIALS, WHOLE, stages


def run_time(times: str) -> str:
    """From the stages of `RunInfo.times`: "11 min"; "" for a record without them.

    An older record has no whole. The stages of its trials are then added up: "up to 55 min", since trials run side by
    side.
    """
    seconds = stages(times)
    if WHOLE in seconds:
        return duration(seconds[WHOLE])
    total = sum(seconds.get(name, 0.0) for name in OF_TRIALS)
    return f"up to {duration(total)}" if total else ""
