"""Opens and closes connections without a request, and counts those that the server still has some seconds later."""

import json
import os
import subprocess
import sys
import time

from server import Server, Untold, main

COMMAND = ["-m", "uvicorn", "app:app", "--host", "127.0.0.1", "--lifespan", "off"]
CHECKS = 500
AFTER = 6.0  # seconds; uvicorn closes an idle connection after 5 s, if it had a request
LIMIT = 60.0
CLOSE_WAIT = "08"


def drive():
    """Return whether at least half of the connections are still open in the server, in CLOSE_WAIT."""
    options = ["--loop", os.environ["LOOP"], "--http", os.environ["HTTP"]]
    server = Server([sys.executable, *COMMAND, *options], port=18080)
    server.command += ["--port", str(server.port)]
    print("uvicorn " + " ".join(options))
    with server:
        server.ready()
        before = descriptors(server)
        checks = check(server)
        time.sleep(AFTER)
        server.check()
        kept, waiting = descriptors(server) - before, close_wait(server)
    print(f"connections opened, closed and seen by the kernel: {checks['arrived']}")
    print(f"descriptors of the server: {before} before, {before + kept} after {AFTER:g} s")
    print(f"sockets in CLOSE_WAIT: {waiting}")
    return min(kept, waiting) >= CHECKS / 2


def check(server):
    """Open and close the connections. Raises Untold if some of them were not established."""
    command = [sys.executable, "check.py", str(CHECKS)]
    try:
        printed = subprocess.check_output(command, cwd=server.app, env=server.env, timeout=LIMIT)
    except subprocess.SubprocessError as error:
        raise Untold(f"the health checks failed: {error}") from error
    checks = json.loads(printed.decode())
    if checks["opened"] != CHECKS or checks["arrived"] < CHECKS:
        raise Untold(f"of {CHECKS} connections {checks['opened']} were opened and {checks['arrived']} arrived")
    return checks


def descriptors(server):
    """Return how many files and sockets the server has open."""
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def close_wait(server):
    """Return how many sockets of the server wait until it closes them."""
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    here = f"0100007F:{server.port:04X}"  # as the kernel writes 127.0.0.1
    return sum(row[1] == here and row[3] == CLOSE_WAIT for row in rows)


if __name__ == "__main__":
    main(drive)
