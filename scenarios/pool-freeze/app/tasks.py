"""The five tasks are calls of one function. TASK selects its work, OUTCOME the result of task 5.

Each task prints a line when it begins and a line when its work is done. Task 5 raises its exception after these lines.
"""

import os
import time
import traceback

from factors import chosen

BAD = 5
AFTER_BAD = (3, 4)
PAUSE = float(os.environ["TASK_MS"]) / 1000


# -- the work of a task ------------------------------------------------------------------------------


def ask():
    """Send a request to the site. The first task of each child imports the library, which takes time."""
    import requests

    return requests.get(os.environ["UPSTREAM"]).status_code


def sleep():
    """Sleep for TASK_MS."""
    time.sleep(PAUSE)
    return "slept"


def compute():
    """Keep a core busy for TASK_MS."""
    end = time.monotonic() + PAUSE
    while time.monotonic() < end:
        sum(range(1000))
    return "computed"


def nothing():
    return "nothing"


act = chosen("TASK", {"http": ask, "sleep": sleep, "compute": compute, "nothing": nothing})


def work(value, doing=act):
    """Print a line, do the work, and print a line with its result."""
    print("task {} begins".format(value))
    print("task {} done: {}".format(value, doing()))


# -- the result of task 5 ----------------------------------------------------------------------------


def again(error):
    """Raise the error again. Delete the variable: the traceback holds this frame, so it would keep the error alive."""
    try:
        raise error
    finally:
        del error


def itself(error):
    """Return the exception as the result."""
    return error


def its_traceback(error):
    """Return the traceback object. It cannot be pickled, so it cannot be sent to another process."""
    return error.__traceback__


def as_text(error):
    """Return the traceback as text, as in a log."""
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
    """Return None. Task 5 raises or returns its exception instead, unless OUTCOME is none."""
    if value != BAD or fate is None:
        return None
    try:
        raise ValueError("task 5 fails")
    except ValueError as error:
        return fate(error)


# -- the tasks ---------------------------------------------------------------------------------------


def task(value):
    """Run one task as TASK and OUTCOME say."""
    work(value)
    return end(value)


def large(value):
    """Run a task. Tasks 3 and 4 end a little later than task 5. Their result is larger than a pipe can hold."""
    if value not in AFTER_BAD:
        return task(value)
    work(value, lambda: time.sleep(0.04) or "large")
    return b"x" * 300000


def held(value):
    """Run a task. Tasks 3 and 4 are still running long after task 5 has raised."""
    if value not in AFTER_BAD:
        return task(value)
    return work(value, lambda: time.sleep(1) or "held")


class Late:
    """A result that delays its child: the child deletes it before it gets the next task, and this takes 0.3 s."""

    def __init__(self):
        self.made_in = os.getpid()

    def __del__(self):
        if os.getpid() == self.made_in:
            time.sleep(0.3)


def late_raise(value):
    """Run a task as held() does. Also the child of task 5 returns late to the queue, so that no child takes task 4."""
    try:
        return held(value)
    except Exception as error:
        error.late = Late()
        raise


def late(value):
    """Run a task that does not raise. Its child returns late to the queue."""
    work(value)
    return Late()
