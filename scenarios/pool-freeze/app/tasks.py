"""The tasks of the variants: the document's, with one thing changed in each.

TASK says what a task does while it works, OUTCOME what becomes of task 5.
"""

import os
import time
import traceback

import document

BAD = 5


def work(value):
    """What stands in for the document's request; prints the same two lines."""
    kind, seconds = os.environ["TASK"], float(os.environ["TASK_MS"]) / 1000
    print(value)
    if kind == "http":
        import requests

        done = requests.get(os.environ["UPSTREAM"]).status_code
    elif kind == "sleep":
        time.sleep(seconds)
        done = "slept"
    elif kind == "compute":
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            sum(range(1000))
        done = "computed"
    else:
        done = "nothing"
    print("{} / {}".format(value, done))


def outcome(value):
    """How task 5 ends; the others return None."""
    kind = os.environ["OUTCOME"]
    if value != BAD or kind == "none":
        return None
    try:
        raise Exception("hello")
    except Exception as error:
        if kind == "return-exception":
            return error
        if kind == "return-traceback":
            return error.__traceback__
        if kind == "return-text":
            return traceback.format_exc()
        raise


def task(value):
    """One task as TASK and OUTCOME say."""
    if os.environ["TASK"] == "http" and os.environ["OUTCOME"] == "raise":
        return document.temp(value)
    work(value)
    return outcome(value)


def large(value):
    """The document's task; those that follow the bad one end a little after it, with a result that no pipe holds."""
    if value in (3, 4):
        print(value)
        time.sleep(0.04)
        print("{} / large".format(value))
        return b"x" * 300000
    return task(value)


def held(value):
    """The document's task; those that follow the bad one last until long after it has raised."""
    if value in (3, 4):
        print(value)
        time.sleep(1)
        print("{} / held".format(value))
        return None
    return task(value)


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
