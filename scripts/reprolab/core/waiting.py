"""Waiting for a state, with a limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from reprolab.core.errors import InvalidTrial

Answer = TypeVar("Answer")


class WaitTimeout(InvalidTrial):
    """What was awaited did not come in time."""


def wait_until(
    what: str,
    look: Callable[[], Answer],
    limit: float = 20.0,
    *,
    interval: float = 0.05,
    state: Callable[[], object] | None = None,
) -> Answer:
    """The first true answer of ``look``, which is asked every ``interval`` seconds, at least once.

    Raises WaitTimeout, an InvalidTrial, after ``limit`` seconds. It says what was awaited, how long, and the last
    state: what ``state`` returns then, by default the last answer.

        wait_until("two workers", lambda: len(workers()) == 2, 30, state=workers)
    """
    end = time.monotonic() + limit
    while not (answer := look()):
        if time.monotonic() > end:
            raise WaitTimeout(f"{what}: not so after {limit:g} s; last state: {state() if state else answer}")
        time.sleep(interval)
    return answer
