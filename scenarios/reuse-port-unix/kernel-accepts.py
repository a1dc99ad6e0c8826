"""A probe: does this kernel accept SO_REUSEPORT on a Unix socket? See `requires` in compose.yaml."""

import socket

with socket.socket(socket.AF_UNIX) as unix:
    unix.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
