"""Opens a connection that sends nothing, and asks on another one: who answers, and after how long?"""

import os
import re
import socket
import sys
import time

from server import Server, Untold, main

OPTIONS = {"--workers": "WORKERS", "--threads": "THREADS", "--timeout": "TIMEOUT"}
KILLED = re.compile(r"WORKER TIMEOUT \(pid:\s*(\d+)\)")
LIMIT = 60  # seconds that the other client waits


def drive():
    """Return whether the other client has its answer only when the first worker has been killed."""
    options = [f"{option}={os.environ[factor]}" for option, factor in OPTIONS.items()]
    with Server([sys.executable, "-m", "gunicorn", "--bind", "{address}", *options, "app:app"]) as server:
        server.ready()
        first = int(server.get("/")[1])
        with socket.create_connection(("127.0.0.1", server.port)) as silent:
            server.until("somebody accepts the silent connection", lambda: accepted(silent, server.port), 10)
            begun = time.monotonic()
            status, text = server.get("/", limit=LIMIT)
            took = time.monotonic() - begun
            killed = [int(pid) for line in server.lines() for pid in KILLED.findall(line)]
    if status != 200:
        raise Untold(f"the other client got status {status}")
    print(f"the other client has its answer after {took:.1f} s, from worker {text}")
    print("killed before that: {}".format(" ".join(map(str, killed)) or "no worker"))
    return first in killed and int(text) not in [*killed, first]


def accepted(silent, port):
    """Return whether the server's side of a connection belongs to a process."""
    ends = [f":{port:04X}", f":{silent.getsockname()[1]:04X}"]
    with open("/proc/net/tcp") as stream:
        rows = [line.split() for line in stream]
    return any([row[1][-5:], row[2][-5:]] == ends and row[9] != "0" for row in rows)


if __name__ == "__main__":
    main(drive)
