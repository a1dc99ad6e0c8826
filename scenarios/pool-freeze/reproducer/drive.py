"""Sends requests to the view that creates a pool. If a request gets no answer, the drive kills the pool's children.

If the answer then comes at once, the request waited only for the children: it was frozen, not slow.
"""

import glob
import os
import re
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn

from server import Server, Untold, main

LIMIT = 6.0  # seconds; a normal answer takes less than 1 s
RELEASE = 10.0
EXPECTED = ("task 5 fails", "MaybeEncodingError", "NameError")


class Site(BaseHTTPRequestHandler):
    """Replaces the public site that the tasks request. It answers after LATENCY_MS."""

    def do_GET(self):
        """Answer one request."""
        time.sleep(float(os.environ["LATENCY_MS"]) / 1000)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *words):
        """Log nothing."""


class Threads(ThreadingMixIn, HTTPServer):
    """An HTTP server with a thread for each request."""

    daemon_threads = True

    def handle_error(self, request, client_address):
        """Ignore errors: a connection breaks when its child is killed."""


def drive():
    """Return whether more than half of the requests freeze."""
    site = Threads(("127.0.0.1", 0), Site)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    attempts = int(os.environ["ATTEMPTS"])
    with Server(port=18080, env={"UPSTREAM": f"http://127.0.0.1:{site.server_port}/"}) as server:
        server.ready()
        frozen = sum(attempt(server, number) for number in range(1, attempts + 1))
    print(f"frozen: {frozen} of {attempts} requests")
    return 2 * frozen > attempts


def attempt(server, number):
    """Send one request. Return whether it froze."""
    answers = []
    begun = time.monotonic()
    asked = threading.Thread(target=lambda: answers.append(server.get(f"/run/{number}", limit=60)), daemon=True)
    asked.start()
    asked.join(LIMIT)
    frozen = asked.is_alive()
    if frozen:
        ended = time.monotonic()
        worker = begins(server, number)
        waiting = children(worker)
        for pid in waiting:
            os.kill(pid, signal.SIGKILL)
        asked.join(RELEASE)
        if not waiting or asked.is_alive():
            raise Untold(f"request {number} is slow, but it does not wait for its pool's children")
        seconds = time.monotonic() - ended
        print(
            f"request {number}: FROZEN: worker {worker} waits for {waiting}; answered {seconds:.2f} s after their end"
        )
    server.check()
    raised = server.until(f"request {number} ends", lambda: ends(server, number), 5)
    if not answers or (raised != "ends" and not any(word in raised for word in EXPECTED)):
        raise Untold(f"request {number} failed in an unexpected way: {raised}")
    if not frozen:
        print(f"request {number}: answered {answers[0][0]} after {time.monotonic() - begun:.2f} s")
    return frozen


def begins(server, number):
    """Return the pid of the worker that has the request, from `[PID of PARENT] request NUMBER begins`."""
    matches = [re.match(rf"\[(\d+) of \d+\] request {number} begins", line) for line in server.lines()]
    pids = [int(match.group(1)) for match in matches if match]
    if not pids:
        raise Untold(f"request {number} did not begin")
    return pids[-1]


def ends(server, number):
    """Return how the request ended: "ends", or "ends: " and the exception; None while it has not ended."""
    matches = [re.search(rf"request {number} (ends.*)", line) for line in server.lines()]
    return next((match.group(1) for match in matches if match), None)


def children(parent):
    """Return the pids of the living children of a process, from /proc."""
    pids = []
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as stream:
                pid, state, its_parent = re.match(r"(\d+) \(.*\) (\S) (\d+)", stream.read(), re.S).groups()
        except OSError:
            continue
        if int(its_parent) == parent and state != "Z":
            pids.append(int(pid))
    return pids


if __name__ == "__main__":
    main(drive)
