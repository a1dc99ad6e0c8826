"""The document's workaround: what a task raises comes back as a value. As it stands there, and as it is meant."""

import sys
import traceback


class Carried:
    """What was raised, in a form that can be sent: its traceback is text."""

    def __init__(self):
        self.kind, error, _ = sys.exc_info()
        self.words, self.text = error.args, traceback.format_exc()


class Slipped:
    """As it stands in the document: it calls its instance `this`, and Python knows no such name."""

    def __init__(self):
        this.kind, error, _ = sys.exc_info()
        this.words, this.text = error.args, traceback.format_exc()


def as_written(task, arguments):
    """As it stands in the document: the task gets one argument, whatever was to be spread."""
    try:
        return task(arguments)
    except BaseException:
        return Slipped()


def as_meant(task, arguments):
    """The arguments are spread, and what is raised is carried."""
    try:
        return task(*arguments)
    except BaseException:
        return Carried()


def unpacked(result):
    """A result; raises what was carried."""
    if isinstance(result, Carried):
        raise result.kind(*result.words)
    return result
