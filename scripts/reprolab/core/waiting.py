"""Wait for a state, with a time limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from reprolab.core.errors import InvalidTrial

Result = TypeVar("Result")


class WaitTimeout(InvalidTrial):
    """The state did not come within the limit."""


def wait_until(
    what: str,
    look: Callable[[], Result],
    limit: float = 20.0,
    *,
    interval: float = 0.05,
    state: Callable[[], object] | None = None,
) -> Result:
    """Call ``look`` every ``interval`` seconds, at least once, and return its first true value.

    Raises WaitTimeout, an InvalidTrial, after ``limit`` seconds. The message has ``what``, the limit and the last
    state, which is what ``state()`` returns at that moment, or else the last value of ``look``.

        wait_until("two workers", lambda: len(workers()) == 2, 30, state=workers)
    """
    end = time.monotonic() + limit
    while not (result := look()):
        if time.monotonic() > end:
            raise WaitTimeout(f"{what}: not so after {limit:g} s; last state: {state() if state else result}")
        time.sleep(interval)
    return result
