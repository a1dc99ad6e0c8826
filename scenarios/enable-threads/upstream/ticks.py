"""A WSGI application whose first request starts a thread that prints a line twice a second."""

import sys
import threading
import time

STARTED = []


def tick():
    """Print a line every half second, forever."""
    while True:
        print("tick")
        sys.stdout.flush()
        time.sleep(0.5)


def application(environ, start_response):
    """Start the thread at the first request, and answer at once."""
    if not STARTED:
        STARTED.append(threading.Thread(target=tick, daemon=True))
        STARTED[0].start()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok\n"]
