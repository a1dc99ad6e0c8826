"""An HTTP server whose path says how it misbehaves; prints its port, serves until it is killed.

Used by the tests of wrk_wrapper. ``/counts`` tells what it has done so far.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
import time
from collections import Counter

MIX = (200, 204, 301, 404, 500, 502)
LATE = 1.5  # seconds
STALL = 0.8  # seconds

lock = threading.Lock()
answers: Counter[str] = Counter()  # responses sent, by "path status"
connections: Counter[str] = Counter()  # connections that sent a request, by the path of the first
last_head, last_body = b"", b""


def response(status: int, body: bytes = b"", *headers: str) -> bytes:
    """Return a whole response with its length."""
    head = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(head).encode() + body


def sent(path: str, status: int) -> int:
    """Count one response and return how many of this path there were before."""
    with lock:
        before = sum(count for key, count in answers.items() if key.startswith(f"{path} "))
        answers[f"{path} {status}"] += 1
    return before


def counts() -> bytes:
    """Return what happened so far as JSON."""
    with lock:
        seen = {
            "answers": answers,
            "connections": connections,
            "last_head": last_head.decode(),
            "last_body": last_body.hex(),
        }
        return json.dumps(seen).encode()


def answer(path: str, number: int) -> bytes | None:
    """Return what to send for the connection's ``number``-th request; None means to hang up."""
    match path:
        case "/counts":
            return response(200, counts(), "Connection: close")
        case "/ok":
            sent(path, 200)
            return response(200, b"ok")
        case "/mix":
            status = MIX[number % len(MIX)]
            sent(path, status)
            return response(status)
        case "/late":
            time.sleep(LATE)
            return response(200)
        case "/never":
            threading.Event().wait()
        case "/stall":
            time.sleep(STALL if sent(path, 200) == 50 else 0.002)
            return response(200)
        case "/bare":
            return b"HTTP/1.1 204 No Content\r\n\r\n"
        case "/garbage":
            return b"this is not HTTP\r\n"
    return None


def read_request(connection: socket.socket) -> tuple[bytes, bytes]:
    """Read one request's head and body; the head is empty when the client has left."""
    data, length = b"", 0
    while (end := data.find(b"\r\n\r\n") + 4) == 3 or len(data) < end + length:
        more = connection.recv(65536)
        if not more:
            return b"", b""
        data += more
        if found := re.search(rb"\r\nContent-Length: (\d+)", data):
            length = int(found[1])
    return data[:end], data[end:]


def serve(connection: socket.socket) -> None:
    """Answer one connection's requests until either side ends it."""
    global last_head, last_body
    number = 0
    while (request := read_request(connection))[0]:
        head, body = request
        path = head.split()[1].decode()
        if path != "/counts":
            last_head, last_body = head, body
        if number == 0:
            with lock:
                connections[path] += 1
        if path == "/reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if path == "/until-close":
            connection.sendall(b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\nuntil close")
        data = answer(path, number)
        if data is None:
            return
        if b"\r\nConnection: close" in head and path != "/counts":
            connection.sendall(data.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            return
        connection.sendall(data)
        number += 1


def guarded(connection: socket.socket) -> None:
    """Serve one connection; a client that leaves in the middle is no news."""
    with connection:
        try:
            serve(connection)
        except OSError:
            return


def main() -> None:
    """Listen on a free port of 127.0.0.1 and print it."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=guarded, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
