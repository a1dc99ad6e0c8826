"""A probe: does this kernel refuse SO_REUSEPORT on a Unix socket? See `requires` in compose.yaml."""

import socket
import sys

with socket.socket(socket.AF_UNIX) as unix:
    try:
        unix.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError:
        sys.exit(0)
sys.exit("this kernel accepts SO_REUSEPORT on a Unix socket")
