"""How long the run on record took, in words for a visitor."""

from __future__ import annotations

import math
import re

from reprolab.evidence.run_info import WHOLE

STAGE = re.compile(r"([a-z][a-z -]*) (\d+(?:\.\d+)?) s")
# The stages of each trial. Images are built once for a machine, so no visitor waits for what that took on another one.
OF_TRIALS = ("set-up", "up", "drive", "evidence", "down")


def run_time(times: str) -> str:
    """From the stages of `RunInfo.times`: "11 min"; "" for a record without them.

    An older record has no whole. The stages of its trials are then added up: "up to 55 min", since trials run side by
    side.
    """
    stages = {name: float(seconds) for name, seconds in STAGE.findall(times)}
    if WHOLE in stages:
        return _words(stages[WHOLE])
    total = sum(stages.get(name, 0.0) for name in OF_TRIALS)
    return f"up to {_words(total)}" if total else ""


def _words(seconds: float) -> str:
    return f"{math.ceil(seconds)} s" if seconds < 100 else f"{math.ceil(seconds / 60)} min"
