"""Asks for a WebSocket with a byte behind the request, and looks whether the server ends."""

import os
import socket
import sys

from server import Server, main

REQUEST = (
    b"GET /chat HTTP/1.1\r\nHost: app\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
LIMIT = 6.0  # seconds in which a server ends that ends of it


def drive():
    """Return whether the server ends by itself."""
    trailing = b"" if os.environ["TRAILING"] == "none" else os.environ["TRAILING"].encode()
    options = ["--worker-class", os.environ["WORKER_CLASS"], "--workers", os.environ["WORKERS"]]
    with Server([sys.executable, "-m", "hypercorn", "--bind", "{address}", *options, "app:app"]) as server:
        server.ready()
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
            client.sendall(REQUEST + trailing)
            try:
                print("the client got " + repr(client.recv(100)[:12]))
            except ConnectionResetError:
                print("the connection was reset")
            status = server.ended(LIMIT)
        if status is None:
            print("the server has not ended; a request for a page: " + str(server.get("/")))
            return False
    print("the server ended with exit status " + str(status))
    return True


if __name__ == "__main__":
    main(drive)
