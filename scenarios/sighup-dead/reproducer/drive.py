"""Sends SIGHUP to uWSGI's master, and looks whether it has other workers then."""

import os
import signal
import sys
import time

from server import Server, Untold, main

UWSGI = os.path.join(os.path.dirname(sys.executable), "uwsgi")
OPTIONS = ["--master", "--processes", "2", "--wsgi-file", "app.py", "--callable", "app"]
REST = 1.0  # seconds; without a rest a worker of 2.0.28, just started, once did not end for 10 s
RELOAD = 10.0  # seconds; a reload takes about two


def drive():
    """Return whether the workers are the same after SIGHUP, and the master waits for one of them."""
    with Server([UWSGI, "--http-socket", "{address}", *OPTIONS]) as server:
        server.ready()
        time.sleep(REST)
        master = server.process.pid
        before = workers(master)
        if len(before) != 2:
            raise Untold(f"the master has the workers {before}")
        os.kill(master, signal.SIGHUP)
        end = time.monotonic() + RELOAD
        while not renewed(before, workers(master)) and time.monotonic() < end:
            time.sleep(0.2)
        server.check()
        after, place = workers(master), waits_in(master)
        answer = server.get("/")[1]
    print(f"workers before: {before}")
    print(f"workers after:  {after}; worker {answer} answers")
    print(f"the kernel has the master in: {place}")
    if after != before and not renewed(before, after):
        raise Untold("some workers are new, and some are not")
    return after == before and place == "do_wait"


def renewed(before, after):
    """Return whether there are as many workers as before, and all of them are new."""
    return len(after) == len(before) and not set(after) & set(before)


def workers(master):
    """Return the pids of the master's children."""
    with open(f"/proc/{master}/task/{master}/children") as stream:
        return [int(pid) for pid in stream.read().split()]


def waits_in(pid):
    """Return the function of the kernel in which a process waits."""
    with open(f"/proc/{pid}/wchan") as stream:
        return stream.read()


if __name__ == "__main__":
    main(drive)
