"""Waiting for a state."""

from __future__ import annotations

import pytest
from reprolab import InvalidTrial, wait_until
from reprolab.core.waiting import WaitTimeout


def test_the_first_true_answer_is_returned() -> None:
    """``look`` is called until then, and at least once even without time."""
    answers = iter(([], "", 0, [7], "not asked for"))
    assert wait_until("an answer", lambda: next(answers), interval=0) == [7]
    assert wait_until("it is so", lambda: True, -1) is True


def test_the_timeout_names_the_last_state() -> None:
    """The message has what was awaited, the limit, and the last result or ``state``."""
    with pytest.raises(InvalidTrial, match=r"^two workers: not so after 0 s; last state: \[\]$"):
        wait_until("two workers", lambda: [], 0, interval=0.001)
    with pytest.raises(WaitTimeout, match=r"^two workers: not so after 0 s; last state: one, pid 7$"):
        wait_until("two workers", lambda: False, 0, interval=0.001, state=lambda: "one, pid 7")
