"""Servers that end an exchange in different ways, each on its port; a Unix socket in /srv/sockets."""

import contextlib
import socket
import struct
import threading
from pathlib import Path

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Name: one\r\n\r\nok"


def answers(peer):
    """Answer every request on the connection."""
    while b"\r\n\r\n" in peer.recv(65536):
        peer.sendall(ANSWER)


def closes(peer):
    """Read, and close without an answer."""
    peer.recv(65536)


def resets(peer):
    """Read, and close with a reset."""
    peer.recv(65536)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def waits(peer):
    """Read until the client goes."""
    while peer.recv(65536):
        pass


def cuts(peer):
    """Close in the middle of the body."""
    peer.recv(65536)
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")


def counts(peer):
    """Once the client has said that no more comes: how many bytes came, in how many parts."""
    total = parts = 0
    while part := peer.recv(65536):
        total, parts = total + len(part), parts + 1
    peer.sendall(b"HTTP/1.0 200 OK\r\n\r\n%d bytes in %d parts" % (total, parts))


def chats(peer):
    """Speak something that is not HTTP."""
    peer.recv(65536)
    peer.sendall(b"220 hello\r\n")


def early(peer):
    """Answer before the request has been read, and close."""
    peer.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
    peer.shutdown(socket.SHUT_WR)
    peer.recv(1)


def serve(listener, behave):
    """Behave so with each client."""
    while True:
        peer, _ = listener.accept()

        def handle(peer=peer):
            with peer, contextlib.suppress(OSError):
                behave(peer)

        threading.Thread(target=handle, daemon=True).start()


KINDS = (answers, closes, resets, waits, cuts, counts, chats, early)
for number, kind in enumerate(KINDS, 8001):
    threading.Thread(target=serve, args=(socket.create_server(("127.0.0.1", number)), kind)).start()
six = socket.create_server(("::1", 8001), family=socket.AF_INET6)
threading.Thread(target=serve, args=(six, answers)).start()
for name, mode in (("open", 0o666), ("closed", 0)):
    server = socket.socket(socket.AF_UNIX)
    server.bind(f"/srv/sockets/{name}.sock")
    Path(f"/srv/sockets/{name}.sock").chmod(mode)
    server.listen()
    threading.Thread(target=serve, args=(server, answers)).start()
print("ready", flush=True)
# No thread can begin once the main one has ended.
threading.Event().wait()
