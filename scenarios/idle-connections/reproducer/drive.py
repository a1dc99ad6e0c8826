"""Opens connections that send nothing, and checks whether a request gets its answer only when they are closed."""

import os
import socket
import sys
import time

from server import Server, Untold, main

COMMAND = ["-m", "gunicorn", "--bind", "{address}", "--worker-class", "gthread"]
REQUEST = b"GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n"
ESTABLISHED = "01"
LIMIT = 60.0  # seconds


def drive():
    """Return whether a request has no answer for WAIT seconds, and has it when the silent connections are closed."""
    idle, wait = int(os.environ["IDLE"]), float(os.environ["WAIT"])
    # With a longer keep-alive than the wait, the server itself ends no silent connection.
    options = ["--threads", os.environ["THREADS"], "--timeout", os.environ["TIMEOUT"], "--keep-alive", "75"]
    with Server([sys.executable, *COMMAND, *options, "app:app"]) as server:
        server.ready()
        silent = [connect(server) for _ in range(idle)]
        server.until("the server has accepted all silent connections", lambda: held(server) == idle)
        asking = connect(server)
        began = time.monotonic()
        asking.sendall(REQUEST)
        first = answer(asking, wait)
        waited = time.monotonic() - began
        open_meanwhile = held(server)
        for connection in silent:
            connection.close()
        last = first or answer(asking, LIMIT)
        asking.close()
    print(f"threads: {os.environ['THREADS']}, silent connections: {idle}")
    print(f"a request got {first or 'no answer'} after {waited:.1f} s; the server held {open_meanwhile} connections")
    print(f"when the silent ones were closed: {last or 'no answer'}")
    if open_meanwhile < idle:
        raise Untold("the silent connections were not open all the time")
    if last != 200:
        raise Untold("the request was not answered with 200, not even in the end")
    return first is None


def connect(server):
    """Open a connection to the server."""
    return socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT)


def answer(connection, limit):
    """Return the status of the answer, 0 for an end without one, None if nothing comes within the limit."""
    connection.settimeout(limit)
    try:
        words = connection.recv(65536).split()
    except TimeoutError:
        return None
    return int(words[1]) if len(words) > 1 else 0


def held(server):
    """Return how many connections the server has accepted. One in the kernel's queue has no inode."""
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    here = f"0100007F:{server.port:04X}"  # as the kernel writes 127.0.0.1
    return sum(row[1] == here and row[3] == ESTABLISHED and row[9] != "0" for row in rows)


if __name__ == "__main__":
    main(drive)
