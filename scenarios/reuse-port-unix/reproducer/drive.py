"""Starts gunicorn on a Unix socket and on a port, and looks whether anybody is served on the port."""

import os
import socket
import sys
import time

from server import Server, Untold, main

LIMIT = 20.0  # seconds
NAMES = {"both": ["unix", "tcp"], "unix": ["unix"], "tcp": ["tcp"]}


def drive():
    """Return whether nobody is served."""
    print(f"the kernel refuses SO_REUSEPORT on a Unix socket: errno {refusal()}")
    server = Server([])
    addresses = {"unix": "unix:" + os.path.join(server.scratch, "app.sock"), "tcp": server.address}
    options = ["--workers", os.environ["WORKERS"], "--log-level", os.environ["LOG_LEVEL"]]
    options += [] if os.environ["REUSE_PORT"] == "off" else ["--reuse-port"]
    for name in NAMES[os.environ["BINDS"]]:
        options += ["--bind", addresses[name]]
    server.command = [sys.executable, "-m", "gunicorn", *options, "app:app"]
    with server:
        served = serves(server)
        status = server.process.poll()
        reasons = [line for line in server.lines() if "Can't connect" in line or "Errno" in line]
    print("\n".join(reasons[:3]) or "no error in the log")
    print("it runs on" if status is None else f"it ended with status {status}")
    print("a client on the port has an answer" if served else "no client on the port has an answer")
    return not served


def refusal():
    """Return the error number of the kernel for the option on a Unix socket; Untold if it accepts the option."""
    with socket.socket(socket.AF_UNIX) as asked:
        try:
            asked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        except OSError as error:
            return error.errno
    raise Untold("this kernel accepts SO_REUSEPORT on a Unix socket")


def serves(server):
    """Return whether a request is answered before the server ends, or within the limit."""
    end = time.monotonic() + LIMIT
    while server.process.poll() is None and time.monotonic() < end:
        try:
            return server.get("/", limit=5)[0] == 200
        except OSError:
            time.sleep(0.2)
    return False


if __name__ == "__main__":
    main(drive)
