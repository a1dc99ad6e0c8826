"""One line for each thing that happens in a worker, whole even where several processes write."""

import os
import time

PATH = "/tmp/views.log"


def note(what, about):
    """WHEN PID PARENT WHAT ABOUT."""
    line = "{:.6f} {} {} {} {}\n".format(time.monotonic(), os.getpid(), os.getppid(), what, about)
    number = os.open(PATH, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(number, line.encode())
    finally:
        os.close(number)
