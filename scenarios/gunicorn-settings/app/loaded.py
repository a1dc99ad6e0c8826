"""A WSGI application whose requests use processor time, wait, or keep memory: /compute/SECONDS, /sleep/SECONDS, /leak/KB."""

import os
import time

KEPT = []


def compute(seconds):
    """Use so much processor time. A wall clock would also count the time in which other processes run."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        sum(range(1000))


def leak(kilobytes):
    """Keep so much memory until the process ends."""
    KEPT.append(os.urandom(1024) * int(kilobytes))


WORK = {"compute": compute, "sleep": time.sleep, "leak": leak}


def application(environ, start_response):
    """Answer with the pid of the worker, after the work that the path asks for."""
    _, _, rest = environ["PATH_INFO"].partition("/")
    kind, _, amount = rest.partition("/")
    if kind in WORK:
        WORK[kind](float(amount))
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
