"""The document's workaround: a task returns its exception as a value. One version is as written, one as intended."""

import sys
import traceback


class Carried:
    """An exception in a form that can be pickled: its type, its arguments, and the traceback as text."""

    def __init__(self):
        self.kind, error, _ = sys.exc_info()
        self.words, self.text = error.args, traceback.format_exc()


class Slipped:
    """The document's version. It uses `this` instead of `self`, and raises NameError."""

    def __init__(self):
        this.kind, error, _ = sys.exc_info()
        this.words, this.text = error.args, traceback.format_exc()


def as_written(task, arguments):
    """Call the task as the document does: it gets the arguments as a single argument, not unpacked."""
    try:
        return task(arguments)
    except BaseException:
        return Slipped()


def as_meant(task, arguments):
    """Call the task with its arguments unpacked. Return its result, or its exception as Carried."""
    try:
        return task(*arguments)
    except BaseException:
        return Carried()


def unpacked(result):
    """Return the result. Raises the exception if the result is Carried."""
    if isinstance(result, Carried):
        raise result.kind(*result.words)
    return result
