"""Settings of the lab for the load of an experiment: LOAD_THREADS, LOAD_CONNECTIONS and LOAD_DURATION.

They are no factors of a compose.yaml. They replace the numbers with which an experiment calls `stack.wrk`, so that
another load needs no other experiment. A cell and a trial carry them like factors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reprolab.core.errors import UsageError

THREADS, CONNECTIONS, DURATION = "LOAD_THREADS", "LOAD_CONNECTIONS", "LOAD_DURATION"
# Setting -> the option of `stack.wrk`. The duration is in seconds.
LOAD_SETTINGS = {THREADS: "threads", CONNECTIONS: "connections", DURATION: "duration"}
NUMBER = re.compile(r"[1-9]\d{0,5}")
MICROSECONDS = 1_000_000


def check_load_setting(name: str, value: str, where: str) -> None:
    """Raise UsageError for a value that wrk does not take."""
    if not NUMBER.fullmatch(value):
        raise UsageError(f"{where}: {name} is {value!r}", expected=f"a whole number from 1: {name}=10")


def wrk_options(settings: Mapping[str, str]) -> dict[str, int]:
    """The options of `stack.wrk` that these settings replace."""
    return {option: int(settings[name]) for name, option in LOAD_SETTINGS.items() if name in settings}


def settings_of_load(figures: Mapping[str, Any]) -> dict[str, str]:
    """The settings of a load, from the figures of wrk in an observation; empty without a load."""
    if not {"threads", "connections", "duration_us"} <= figures.keys():
        return {}
    seconds = round(figures["duration_us"] / MICROSECONDS)
    return {THREADS: str(figures["threads"]), CONNECTIONS: str(figures["connections"]), DURATION: str(seconds)}
