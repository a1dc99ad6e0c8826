"""Sends a body that the application does not read, keeps the connection open, and asks for a page on another one."""

import os
import socket
import sys

from server import Server, Untold, main

SIZE = 9000  # bytes; gunicorn reads 8192 at once
POST = b"POST / HTTP/1.1\r\nHost: app\r\nContent-Length: %d\r\n\r\n" % SIZE + SIZE * b"f"
GET = b"GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n"
# Seconds that another client waits while the connection is held, and when it has been closed.
WAIT, LATER = 12, 30
COMMAND = ["-m", "gunicorn", "--bind", "{address}", "--workers", "1", "--worker-class", "gthread"]


def drive():
    """Return whether another client is answered only when the connection has been closed."""
    options = ["--keep-alive", os.environ["KEEP_ALIVE"], "--threads", os.environ["THREADS"]]
    with Server([sys.executable, *COMMAND, *options, "app:app"]) as server:
        server.ready()
        with connect(server) as client:
            client.sendall(POST)
            answer = receive(client, b"read 0 bytes", 20)
            if b"read 0 bytes" not in answer:
                raise Untold(f"the POST was answered with {answer!r}")
            # The connection is kept after the answer: until the rest is read, another request may still get between.
            server.until_read(client)
            with connect(server) as other:
                other.sendall(GET)
                held = receive(other, b"\r\n", WAIT)
                client.close()
                after = held or receive(other, b"\r\n", LATER)
    print(f"another client, while the connection is held: {status(held) or f'no answer in {WAIT} s'}")
    print(f"when it has been closed:                      {'-' if held else status(after) or 'no answer'}")
    if " 200 " not in status(after):
        raise Untold("the other client was not answered in the end")
    return not held


def connect(server):
    """Return a new connection to the server."""
    return socket.create_connection(("127.0.0.1", server.port))


def receive(client, until, limit):
    """Return what comes: up to some bytes, to the end, or nothing more within `limit` seconds."""
    client.settimeout(limit)
    text = b""
    try:
        while until not in text:
            more = client.recv(4096)
            if not more:
                break
            text += more
    except TimeoutError:
        pass
    return text


def status(answer):
    """Return the first line of an answer."""
    return answer.decode("latin-1").partition("\r\n")[0]


if __name__ == "__main__":
    main(drive)
