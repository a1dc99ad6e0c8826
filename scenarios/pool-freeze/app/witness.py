"""Writes standard output line by line. Each line is one write and begins with the pid and the parent's pid.

Without this, a pool's child that never ends would never flush its output, and lines of several processes would mix.
"""

import os
import sys


class Lines:
    """A text stream that writes each complete line at once."""

    encoding = "utf-8"

    def __init__(self, number):
        self.number = number
        self.rest = ""

    def write(self, text):
        """Write the complete lines and keep the rest."""
        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines:
            os.write(self.number, "[{} of {}] {}\n".format(os.getpid(), os.getppid(), line).encode())
        return len(text)

    def flush(self):
        """Do nothing: the complete lines are already written."""

    def fileno(self):
        return self.number

    def isatty(self):
        return False


def install():
    """Replace the standard output of this process and of the children that it forks."""
    if not isinstance(sys.stdout, Lines):
        sys.stdout = Lines(1)
