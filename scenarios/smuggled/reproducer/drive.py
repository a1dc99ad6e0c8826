"""Sends one request, as a reader by Content-Length sees it, and then the next client's on the same connection.

The application answers with the path that it saw, and its log has a line for each request.
"""

import os
import socket
import sys

from server import Server, Untold, main

HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: app\r\n\r\n"
BODY = b"0\r\n\r\n" + HIDDEN
FIELDS = b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\nContent-Length: %d\r\n\r\n" % len(BODY)
FIRST = b"POST /first HTTP/1.1\r\nHost: app\r\n" + FIELDS + BODY
PLAIN = b"POST /plain HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: app\r\n\r\n"
OPTIONS = {"--worker-class": "WORKER_CLASS", "--threads": "THREADS", "--keep-alive": "KEEP_ALIVE"}


def drive():
    """Return whether the next client gets the answer to the request that is in the first one's body."""
    options = [f"{option}={os.environ[factor]}" for option, factor in OPTIONS.items()]
    command = [sys.executable, "-m", "gunicorn", "--bind", "{address}", "--workers=1", *options, "app:app"]
    with Server(command) as server:
        server.ready()
        plain = exchange(server, PLAIN)
        smuggled = exchange(server, FIRST)
        reached = [line for line in server.lines() if '"/hidden"' in line]
    print(f"a plain chunked request, then /next:  {plain[0]}, then {plain[1]}")
    print(f"the request with two codings, then /next: {smuggled[0]}, then {smuggled[1]}")
    print(f"the application saw /hidden: {'yes' if reached else 'no'}")
    if plain[0] != "/plain" or smuggled[0] == "nothing":
        raise Untold("the plain request was not served, or the other one not answered")
    return bool(reached) and smuggled[1] == "/hidden"


def exchange(server, first):
    """Send a request, read its answer, send the next one. Return what was answered to each."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        answers = []
        for data in (first, NEXT):
            try:
                client.sendall(data)
                answers.append(answer(client))
            except OSError:
                answers.append("nothing")
    return answers


def answer(client):
    """The path in the next answer; else its status line, or "nothing"."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = client.recv(1)
        if not part:
            return "nothing"
        data += part
    length = [line for line in data.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    body = b""
    for _ in range(int(length[0].split(b":")[1]) if length else 0):
        body += client.recv(1)
    path = body.partition(b'"path": "')[2].partition(b'"')[0].decode()
    return path or data.split(b"\r\n")[0].decode()


if __name__ == "__main__":
    main(drive)
