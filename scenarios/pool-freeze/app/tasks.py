"""The five tasks are calls of one function. TASK says what it does, OUTCOME what becomes of task 5.

Each prints a line when it begins and one when its work is done; what task 5 raises, it raises after that.
"""

import os
import time
import traceback

from factors import chosen

BAD = 5
AFTER_BAD = (3, 4)
PAUSE = float(os.environ["TASK_MS"]) / 1000


# -- what a task does --------------------------------------------------------------------------------


def ask():
    """Ask the site. The library is loaded by the task: in each child once, and that takes time."""
    import requests

    return requests.get(os.environ["UPSTREAM"]).status_code


def sleep():
    """Wait for a clock."""
    time.sleep(PAUSE)
    return "slept"


def compute():
    """Keep a core busy."""
    end = time.monotonic() + PAUSE
    while time.monotonic() < end:
        sum(range(1000))
    return "computed"


def nothing():
    """Be done at once."""
    return "nothing"


act = chosen("TASK", {"http": ask, "sleep": sleep, "compute": compute, "nothing": nothing})


def work(value, doing=act):
    """Do it between the task's two lines."""
    print("task {} begins".format(value))
    print("task {} done: {}".format(value, doing()))


# -- what becomes of task 5 --------------------------------------------------------------------------


def again(error):
    """Leave the task by it, and keep no name for it: this frame is in its traceback, and would keep it alive."""
    try:
        raise error
    finally:
        del error


def itself(error):
    """Return it, as any other result."""
    return error


def its_traceback(error):
    """Return what cannot be sent to another process."""
    return error.__traceback__


def as_text(error):
    """Return what a log would have."""
    return traceback.format_exc()


fate = chosen(
    "OUTCOME",
    {
        "raise": again,
        "return-exception": itself,
        "return-traceback": its_traceback,
        "return-text": as_text,
        "none": None,
    },
)


def end(value):
    """Task 5 fails, unless OUTCOME is none; the others return None."""
    if value != BAD or fate is None:
        return None
    try:
        raise ValueError("task 5 fails")
    except ValueError as error:
        return fate(error)


# -- the tasks ---------------------------------------------------------------------------------------


def task(value):
    """One task as TASK and OUTCOME say."""
    work(value)
    return end(value)


def large(value):
    """Those that follow the bad one end a little after it, with a result that no pipe holds."""
    if value not in AFTER_BAD:
        return task(value)
    work(value, lambda: time.sleep(0.04) or "large")
    return b"x" * 300000


def held(value):
    """Those that follow the bad one last until long after it has raised."""
    if value not in AFTER_BAD:
        return task(value)
    return work(value, lambda: time.sleep(1) or "held")


class Late:
    """A result that keeps the child that sent it busy for a while: it lets go of it before it asks for more."""

    def __init__(self):
        self.made_in = os.getpid()

    def __del__(self):
        if os.getpid() == self.made_in:
            time.sleep(0.3)


def late_raise(value):
    """As held; and the child in which task 5 raises comes back late to the queue, so that nobody takes task 4."""
    try:
        return held(value)
    except Exception as error:
        error.late = Late()
        raise


def late(value):
    """No task raises, but each child comes back late to the queue."""
    work(value)
    return Late()
