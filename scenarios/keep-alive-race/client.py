"""Sends requests on kept connections to the proxy, many at once, waits, and does it again after each of some pauses.

Arguments: the proxy, how many connections, the method, and the pauses in seconds. Prints a list in JSON: for each pause
how long it was, and how many answers had which status.
"""

import json
import socket
import sys
import time
from collections import Counter

PORT = 18080


def receive(stream):
    """Read one answer of the proxy, and return its status."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += more(stream)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += more(stream)
    return int(head.split()[1])


def more(stream):
    """Read something. The proxy must not close its connections to the client."""
    data = stream.recv(65536)
    if not data:
        raise ConnectionError("the proxy closed a connection to the client")
    return data


def send(streams, method):
    """Send one request on each connection, read all answers, and count them by status."""
    request = f"{method} / HTTP/1.1\r\nHost: app\r\nContent-Length: 4\r\n\r\nbody".encode()
    for stream in streams:
        stream.sendall(request)
    return Counter(str(receive(stream)) for stream in streams)


def main(proxy, connections, method, *pauses):
    """Send, and print the list."""
    streams = [socket.create_connection((proxy, PORT), timeout=20) for _ in range(int(connections))]
    rows = [{"pause": 0, "waited": 0, "statuses": send(streams, method)}]
    for pause in map(float, pauses):
        answered = time.monotonic()
        time.sleep(pause)
        waited = time.monotonic() - answered
        rows.append({"pause": pause, "waited": round(waited, 4), "statuses": send(streams, method)})
    print(json.dumps(rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
