"""Sends a header that the server cannot match, with more and more x: its CPU time, and another client's wait."""

import os
import socket
import sys
import time

from server import Server, Untold, main

LENGTHS = (15, 24, 28, 30)
WAITRESS = os.path.join(os.path.dirname(sys.executable), "waitress-serve")
SECOND = 1.0


def drive():
    """Return whether the longest header costs more than a second of CPU time."""
    with Server([WAITRESS, "--listen={address}", f"--threads={os.environ['THREADS']}", "app:app"]) as server:
        server.ready()
        used = waited = 0.0
        for number in LENGTHS:
            used, waited = send(server, number)
            print(f"{number} x: {used:.3f} s of CPU time; another client waits {waited:.3f} s")
    return used > SECOND


def send(server, number):
    """Send the header, and ask on another connection. Return the CPU time and the other client's wait, in seconds."""
    before = cpu_s(server)
    with socket.create_connection(("127.0.0.1", server.port), timeout=180) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: app\r\nBad-header: " + b"x" * number + b"\x10\r\n\r\n")
        time.sleep(0.1)
        begun = time.monotonic()
        status, _ = server.get("/", limit=170.0)
        waited = time.monotonic() - begun
        answer = client.recv(99)
    if status != 200 or not answer.startswith(b"HTTP/1."):
        raise Untold("a request was not answered")
    return cpu_s(server) - before, waited


def cpu_s(server):
    """The CPU time of the server's main thread, which reads all requests."""
    with open(f"/proc/{server.process.pid}/schedstat") as stream:
        return int(stream.read().split()[0]) / 1e9


if __name__ == "__main__":
    main(drive)
