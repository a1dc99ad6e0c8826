"""Sends one request three times: whole, and in two segments. The second one waits until the first has been read."""

import http.client
import json
import os
import socket
import sys

from server import Server, Untold, main

PATH = "/public/admin"
REST = b" HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n"
REQUESTS = {
    "whole": [b"GET /public/admin" + REST],
    "cut inside a name": [b"GET /pub", b"lic/admin" + REST],
    "cut at a slash": [b"GET /public", b"/admin" + REST],
}
ERROR = "HttpParserInvalidURLError"


def drive():
    """Return whether the request that is cut inside a name gets no answer, because of its URL."""
    command = [sys.executable, "-m", "uvicorn", "app:app", "--host", "127.0.0.1", "--http", os.environ["HTTP"]]
    server = Server(command)
    server.command += ["--port", str(server.port)]
    with server:
        server.ready()
        seen = {name: ask(server, segments) for name, segments in REQUESTS.items()}
        refused = sum(ERROR in line for line in server.lines())
    for name, result in seen.items():
        print(f"{name + ':':20}{result or 'closed without an answer'}")
    print(f"{ERROR} in the log: {refused}")
    if seen["whole"] != PATH:
        raise Untold("the request in one segment was not served as it was sent")
    return seen["cut inside a name"] is None and refused > 0


def ask(server, segments):
    """Send a request. Return the path that the application saw, another status than 200, or None without an answer."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(segments[0])
        for segment in segments[1:]:
            server.until_read(client)
            client.sendall(segment)
        answer = http.client.HTTPResponse(client)
        try:
            answer.begin()
        except ConnectionResetError:  # http.client raises one of these for a connection that was closed, too
            return None
        text = answer.read()
    return json.loads(text)["path"] if answer.status == 200 else f"status {answer.status}"


if __name__ == "__main__":
    main(drive)
