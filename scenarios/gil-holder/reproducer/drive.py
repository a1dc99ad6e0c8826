"""Asks uvicorn for a page that makes a long call, and looks whether the parent kills the worker meanwhile."""

import http.client
import os
import re
import sys
import time

from server import Server, Untold, main

COMMAND = ["-m", "uvicorn", "app:app", "--host", "127.0.0.1"]
STARTED = "Started server process ["


def drive():
    """Return whether the worker that makes the call is killed, and its request gets no answer."""
    wanted, hold = int(os.environ["WORKERS"]), float(os.environ["HOLD"])
    server = Server([sys.executable, *COMMAND, "--workers", str(wanted)], port=18080, env={"AT": "request"})
    server.command += ["--port", str(server.port)]
    with server:
        server.until("all workers run", lambda: sum(STARTED in line for line in server.lines()) >= wanted)
        server.ready()
        began = time.monotonic()
        answer = ask(server, hold + 20)
        took = time.monotonic() - began
        calls = re.findall(r"^holds (\d+)$", "\n".join(server.lines()), re.M)
        if len(calls) != 1:
            raise Untold(f"{len(calls)} workers began the call, not one")
        # The line is written when the worker has ended, which may be a moment after the end of the connection.
        time.sleep(2)
        killed = any(f"Child process [{calls[0]}] died" in line for line in server.lines())
        server.check()
    print(f"worker {calls[0]} made a call of {hold:g} s; the request got {answer} after {took:.1f} s")
    print(f"the parent gave the worker up: {'yes' if killed else 'no'}")
    return killed and answer == "no answer"


def ask(server, limit):
    """Return what the request for the call gets, as a word."""
    try:
        return str(server.get("/hold", limit=limit)[0])
    except (http.client.RemoteDisconnected, ConnectionResetError):
        return "no answer"


if __name__ == "__main__":
    main(drive)
