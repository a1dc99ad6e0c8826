"""Open connections and do with them what the lines on standard input say; print what happens, as lines of JSON.

A command has the number of its connection and its own: {"connection": 1, "number": 7, "do": "send", "data": "R0VU"}.
Bytes are in base64, times are seconds. The commands of one connection are done in their order, those of several
connections at the same time:

- open: ``to`` is [host, port] or [path of a Unix socket]; ``limit``
- send: ``data``; receive: ``until`` (bytes, "" for any), ``limit``; pause: ``seconds``
- half_close, reset, close
- http, ws_open, ws_send, ws_receive: see protocols.py

An answer has the same numbers, the moment ``at_ns`` (since the epoch) and what came of it: ``done``, or an ``error``
such as ECONNREFUSED. Of a receive it has ``data`` and ``ended``: "found", "end", "limit", or an error.
"""

import base64
import errno
import json
import queue
import socket
import struct
import sys
import threading
import time

import protocols

CHUNK = 1 << 16
MOST = 64 << 20  # bytes of one receive

printing = threading.Lock()


def tell(command, **what):
    """Print the answer to a command."""
    line = {"connection": command["connection"], "number": command["number"], "at_ns": time.time_ns(), **what}
    with printing:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def name_of(error):
    """The name of an error's number; a time limit has none."""
    number = getattr(error, "errno", None)
    if isinstance(error, TimeoutError) and not number:
        return "ETIMEDOUT"
    return errno.errorcode.get(number, type(error).__name__)


class Connection(threading.Thread):
    """One connection, with the commands that wait for it."""

    def __init__(self):
        super().__init__(daemon=True)
        self.commands = queue.Queue()
        self.socket = None
        self.pending = b""
        self.websocket = None

    def run(self):
        """Do the commands until the connection is closed, or standard input has ended."""
        command = {"do": ""}
        while command["do"] != "close":
            command = self.commands.get()
            try:
                tell(command, **getattr(self, "do_" + command["do"])(command))
            except Exception as error:
                tell(command, error=name_of(error))

    def do_open(self, command):
        """Connect within the limit."""
        to = command["to"]
        if len(to) > 1:
            self.socket = socket.create_connection(tuple(to), command["limit"])
            # Each send is a segment of its own.
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if command.get("tls"):
                self.socket = protocols.any_certificate().wrap_socket(self.socket)
            return {"done": "open"}
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(command["limit"])
        self.socket.connect(to[0])
        return {"done": "open"}

    def do_send(self, command):
        """Send all bytes."""
        self.socket.settimeout(command["limit"])
        self.socket.sendall(base64.b64decode(command["data"]))
        return {"done": "send"}

    def do_receive(self, command):
        """Read until the bytes are there, the other side ends, or the limit."""
        wanted, end = base64.b64decode(command["until"]), time.monotonic() + command["limit"]
        taken, ended = self.pending, ""
        self.pending = b""
        while not ended and (not taken or (wanted and wanted not in taken)):
            self.socket.settimeout(max(0.001, end - time.monotonic()))
            try:
                part = self.socket.recv(CHUNK)
            except TimeoutError:
                ended = "limit"
            except OSError as error:
                ended = name_of(error)
            else:
                ended = "" if part else "end"
                taken += part
            if len(taken) > MOST:
                ended = "too long"
        if wanted and wanted in taken:
            place = taken.index(wanted) + len(wanted)
            taken, self.pending = taken[:place], taken[place:]
        return {"done": "receive", "data": base64.b64encode(taken).decode(), "ended": ended or "found"}

    def do_pause(self, command):
        """Do nothing for some seconds."""
        time.sleep(command["seconds"])
        return {"done": "pause"}

    def do_half_close(self, command):
        """Send the end of this side's bytes; the other side may go on."""
        self.socket.shutdown(socket.SHUT_WR)
        return {"done": "half_close"}

    def do_reset(self, command):
        """Close with a reset in place of an end."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
        return {"done": "reset"}

    def do_close(self, command):
        """Close; a connection that was never opened is closed."""
        for opened in (self.socket, self.websocket):
            if opened:
                opened.close()
        return {"done": "close"}

    def do_http(self, command):
        """One request by a library."""
        return protocols.http(command)

    def do_ws_open(self, command):
        """Open a WebSocket."""
        self.websocket, answer = protocols.ws_open(command)
        return answer

    def do_ws_send(self, command):
        """Send a message."""
        return protocols.ws_send(self.websocket, command)

    def do_ws_receive(self, command):
        """Take the next message."""
        return protocols.ws_receive(self.websocket, command)


def main():
    """Hand each command to its connection."""
    connections = {}
    for line in sys.stdin:
        command = json.loads(line)
        number = command["connection"]
        try:
            if number not in connections:
                connections[number] = Connection()
                connections[number].start()
        except RuntimeError:  # no more threads
            tell(command, error="EAGAIN")
            continue
        connections[number].commands.put(command)
        if command["do"] == "close":
            del connections[number]


main()
