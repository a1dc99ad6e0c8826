"""Starts the server and counts how often each process loads main.py, which prints a line at each load."""

import os
import re
from collections import Counter

from server import Server, Untold, main

LOADED = re.compile(r"g_var \d+ as pid (\d+) loads main\.py")
STARTED = re.compile(r"Started server process \[(\d+)\]")
COMPLETE = "Application startup complete"
DIED = re.compile(r"Child process \[(\d+)\] died")


def drive():
    """Return whether the parent loads main.py once, and all processes together load it seven times."""
    wanted = int(os.environ["WORKERS"])
    server = Server(port=8000)
    with server:
        server.until("all workers are up", lambda: sum(COMPLETE in line for line in server.lines()) >= wanted)
        server.ready("/openapi.json")
        text = "\n".join(server.lines())
        parent = str(server.process.pid)
    # On a very busy machine uvicorn replaces a worker that takes more than 5 s to load. Such a worker does not count.
    died = DIED.findall(text)
    loads = Counter(pid for pid in LOADED.findall(text) if pid not in died)
    workers = sorted({pid for pid in STARTED.findall(text) if pid not in died}, key=int)
    if len(workers) != wanted:
        raise Untold(f"{len(workers)} workers started, not {wanted}")
    print(f"parent {parent}: main.py loaded {loads[parent]} x")
    for pid in workers:
        print(f"worker {pid}: main.py loaded {loads[pid]} x")
    print(f"lines printed in all: {sum(loads.values())}")
    return loads[parent] == 1 and sum(loads.values()) == 7


if __name__ == "__main__":
    main(drive)
