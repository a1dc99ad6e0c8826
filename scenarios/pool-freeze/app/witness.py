"""Standard output, line by line, each line in one piece behind the process that wrote it and that one's parent.

A pool's child that never ends never flushes what it printed, and lines of several processes would mix.
"""

import os
import sys


class Lines:
    """A text stream that passes whole lines on at once."""

    encoding = "utf-8"

    def __init__(self, number):
        self.number = number
        self.rest = ""

    def write(self, text):
        """Pass on what is complete, keep the rest."""
        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines:
            os.write(self.number, "[{} of {}] {}\n".format(os.getpid(), os.getppid(), line).encode())
        return len(text)

    def flush(self):
        """Nothing to do: whole lines are out already."""

    def fileno(self):
        """The file descriptor, for those who ask."""
        return self.number

    def isatty(self):
        """A log is no terminal."""
        return False


def install():
    """Write this process's standard output, and that of its forked children, that way."""
    if not isinstance(sys.stdout, Lines):
        sys.stdout = Lines(1)
