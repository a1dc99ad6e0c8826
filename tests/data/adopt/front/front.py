"""A proxy that hands bytes on, from port 80 to UPSTREAM."""

import os
import socket
import threading
from contextlib import suppress
from pathlib import Path

HOST, _, PORT = os.environ["UPSTREAM"].partition(":")


def hand_on(source, target):
    """Copy all bytes until one side ends."""
    with suppress(OSError):
        while part := source.recv(65536):
            target.sendall(part)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


listener = socket.create_server(("0.0.0.0", 80), backlog=512)
print("the secret is", Path("/run/secrets/tls").read_text())
while True:
    client, _ = listener.accept()
    server = socket.create_connection((HOST, int(PORT)))
    for pair in ((client, server), (server, client)):
        threading.Thread(target=hand_on, args=pair, daemon=True).start()
