"""Wait for a state, with a time limit."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from reprolab.core.errors import InvalidTrial, UsageError

Result = TypeVar("Result")
# How many times as long the lab waits where a machine is slow. It is for limits whose end makes a trial invalid.
PATIENCE = "REPROLAB_PATIENCE"
NUMBER = re.compile(r"[1-9]\d{0,2}(\.\d+)?")


class WaitTimeout(InvalidTrial):
    """The state did not come within the limit."""


def patient(limit: float, environ: Mapping[str, str] = os.environ) -> float:
    """A limit in seconds, as long as REPROLAB_PATIENCE says. Raises UsageError for a text that is no number."""
    text = environ.get(PATIENCE, "")
    if text and not NUMBER.fullmatch(text):
        raise UsageError(f"{PATIENCE}={text!r} is not possible", expected="a number from 1 to 999, such as 20 or 2.5")
    return limit * float(text or 1)


def wait_until(
    what: str,
    look: Callable[[], Result],
    limit: float = 20.0,
    *,
    interval: float = 0.05,
    state: Callable[[], object] | None = None,
) -> Result:
    """Call ``look`` every ``interval`` seconds, at least once, and return its first true value.

    Raises WaitTimeout, an InvalidTrial, after ``limit`` seconds (see `patient`). The message has ``what``, the limit
    and the last state, which is what ``state()`` returns at that moment, or else the last value of ``look``.

        wait_until("two workers", lambda: len(workers()) == 2, 30, state=workers)
    """
    limit = patient(limit)
    end = time.monotonic() + limit
    while not (result := look()):
        if time.monotonic() > end:
            raise WaitTimeout(f"{what}: not so after {limit:g} s; last state: {state() if state else result}")
        time.sleep(interval)
    return result
