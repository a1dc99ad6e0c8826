"""A syslog receiver that prints each message as a line: `python receiver.py udp:PORT` or `... unix:PATH`."""

import os
import socket
import sys

kind, _, where = sys.argv[1].partition(":")
if kind == "unix":
    server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    server.bind(where)
    os.chmod(where, 0o777)
else:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", int(where)))
print("listening", flush=True)
while True:
    print(server.recv(65536).decode("utf-8", "replace").rstrip("\0\n"), flush=True)
