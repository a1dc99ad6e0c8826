"""A port of this machine that leads to a service on an engine elsewhere, through the client in the service's network.

An engine publishes ports on its own machine. Where that is another one, requests go the way that commands go.
"""

from __future__ import annotations

import base64
import select
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from reprolab.core.errors import InvalidTrial

LOOPBACK = "127.0.0.1"
CHUNK = 1 << 16
OPEN_LIMIT, SEND_LIMIT = 10.0, 60.0  # seconds
# Seconds that the client waits for bytes. Meanwhile what comes from this side waits, at most so long.
TURN = 0.05
PAUSE = 0.05  # seconds after a connection that could not be taken


class Client(Protocol):
    """What a relay needs of a `WireClient`."""

    def number(self) -> int: ...
    def call(self, connection: int, do: str, limit: float, **values: Any) -> dict[str, Any]: ...


@dataclass
class Relay:
    """Takes connections at ``port`` of this machine's loopback, until it is closed.

    A service that does not listen looks like one that closes the connection, as it does behind an engine's own port.
    """

    client: Client
    host: str
    service_port: int
    _server: socket.socket = field(default_factory=socket.socket)
    _closed: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def open(cls, client: Client, host: str, service_port: int) -> Relay:
        """Listen on a free port. ``host`` is the service's address in its own network."""
        relay = cls(client, host, service_port)
        relay._server.bind((LOOPBACK, 0))
        relay._server.listen(128)
        threading.Thread(target=relay._accept, name="relay", daemon=True).start()
        return relay

    @property
    def port(self) -> int:
        return int(self._server.getsockname()[1])

    def close(self) -> None:
        """Take no more connections."""
        self._closed.set()
        # This ends the wait of the thread, which closing the socket alone would not.
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                connection, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(connection,), name="relay", daemon=True).start()
            except (OSError, RuntimeError):
                # A peer that has gone again, or too many open files or threads: the next connection may do.
                self._closed.wait(PAUSE)

    def _serve(self, near: socket.socket) -> None:
        # A client that has ended, and a peer that has gone, end the connection.
        with near, suppress(InvalidTrial, OSError):
            near.settimeout(SEND_LIMIT)
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            number = self.client.number()
            try:
                answer = self.client.call(number, "open", OPEN_LIMIT, to=[self.host, self.service_port])
                if "error" not in answer:
                    self._carry(near, number)
            finally:
                with suppress(InvalidTrial):
                    self.client.call(number, "close", SEND_LIMIT)

    def _carry(self, near: socket.socket, number: int) -> None:
        """Carry bytes both ways until the service ends the connection, or both have."""
        sending = True
        while True:
            if sending and select.select([near], [], [], 0)[0]:
                data = near.recv(CHUNK)
                sending = bool(data)
                if data:
                    text = base64.b64encode(data).decode()
                    if self._refused("send", number, data=text):
                        sending = False
                else:
                    self._refused("half_close", number)
                continue
            answer = self.client.call(number, "receive", TURN, until="")
            near.sendall(base64.b64decode(answer.get("data", "")))
            ended = answer.get("ended") or answer.get("error", "")
            if ended == "end":
                return
            if ended not in ("found", "limit"):
                _reset_at_close(near)
                return

    def _refused(self, do: str, number: int, **values: Any) -> bool:
        """Whether the service takes no more; what it has sent until then is still there to be read."""
        return "error" in self.client.call(number, do, SEND_LIMIT, **values)


def _reset_at_close(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
