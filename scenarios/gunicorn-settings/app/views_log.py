"""A log of events in the workers. Each line is a single write, so lines of several processes do not mix."""

import os
import time

PATH = "/tmp/views.log"


def note(what, about):
    """Append the line "WHEN PID PARENT WHAT ABOUT". WHEN is time.monotonic()."""
    line = "{:.6f} {} {} {} {}\n".format(time.monotonic(), os.getpid(), os.getppid(), what, about)
    number = os.open(PATH, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(number, line.encode())
    finally:
        os.close(number)
