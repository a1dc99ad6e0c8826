"""How an exchange with a server ended, in words, and the answer as far as it came."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import h11


class Ending(StrEnum):
    """How an exchange ended."""

    ANSWERED = "answered"
    CUT = "cut short"
    CLOSED = "closed without answer"
    RESET = "reset"
    REFUSED = "refused"
    NO_FILE = "no such file"
    DENIED = "permission denied"
    LATE = "timeout"
    NOT_HTTP = "not HTTP"
    OTHER = "failed"


OF_ERRORS = {
    "ECONNREFUSED": Ending.REFUSED,
    "ECONNRESET": Ending.RESET,
    "EPIPE": Ending.RESET,
    "ENOENT": Ending.NO_FILE,
    "EACCES": Ending.DENIED,
    "ETIMEDOUT": Ending.LATE,
    "EAGAIN": Ending.LATE,  # a Unix socket whose queue is full
    "limit": Ending.LATE,
    # Of the library httpx, and a server that ends a connection without a byte.
    "ReadTimeout": Ending.LATE,
    "ConnectTimeout": Ending.LATE,
    "closed": Ending.CLOSED,
}


# After this answer the connection speaks another protocol. The others below 200 come before the answer.
SWITCHES = 101
INTERIM = frozenset(range(100, 200)) - {SWITCHES}
MOST_HEAD = 1 << 20  # bytes of the headers of an answer


@dataclass(frozen=True)
class Outcome:
    """What came of a request. ``received`` are all bytes since the last outcome; the status is None without an answer.

    ``error`` is the name of the system's error, "" if there was none.
    """

    ending: Ending
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    received: bytes = b""
    error: str = ""

    def __str__(self) -> str:
        """The status of a whole answer, otherwise the ending."""
        return str(self.status) if self.ending is Ending.ANSWERED else str(self.ending)

    def to_json(self) -> dict[str, Any]:
        """For an observation: the body as text, in latin-1 so that each byte is one character."""
        return {
            "ending": str(self.ending),
            "status": self.status,
            "headers": [list(pair) for pair in self.headers],
            "body": self.body.decode("latin-1"),
            "error": self.error,
        }


def failed(error: str) -> Outcome:
    """The outcome of an exchange in which nothing came, by the name of its error."""
    return Outcome(OF_ERRORS.get(error, Ending.OTHER), error=error)


Receive = Callable[[float], tuple[bytes, str]]
"""Takes a limit in seconds; returns the bytes that came, and "found", "end", "limit" or the name of an error."""


def read_answer(receive: Receive, left: bytes, method: str, limit: float) -> tuple[Outcome, bytes]:
    """Read one answer to the end; ``left`` are bytes that came before. The outcome, and the bytes for the next one.

    ``method`` is that of the request: the answer to HEAD has no body.
    """
    parser, received, end = _parser(method), bytearray(left), time.monotonic() + limit
    answer = _Answer()
    part, ended = left, "found" if left else ""
    while True:
        try:
            if ended:
                answer.feed(parser, part, closed=ended == "end")
        except h11.RemoteProtocolError:
            return answer.outcome(_broken(received, ended), received), b""
        if answer.complete:
            behind = parser.trailing_data[0]
            return answer.outcome(Ending.ANSWERED, received[: len(received) - len(behind)]), behind
        left_s = end - time.monotonic()
        if ended == "found" and left_s <= 0:
            ended = "limit"
        if ended not in ("", "found"):
            rest = bytes(received) if ended == "limit" else b""
            return answer.outcome(_ending(ended, received), received, ended), rest
        part, ended = receive(max(0.001, left_s))
        received += part


@dataclass
class _Answer:
    """An answer as far as it has come."""

    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytearray = field(default_factory=bytearray)
    complete: bool = False

    def feed(self, parser: h11.Connection, part: bytes, *, closed: bool) -> None:
        """Take the next bytes. Raises h11.RemoteProtocolError for what is not HTTP, or an end too soon."""
        if part:
            parser.receive_data(part)
        if closed:
            parser.receive_data(b"")
        while (event := parser.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, (h11.Response, h11.InformationalResponse)) and event.status_code not in INTERIM:
                self.status = event.status_code
                self.headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers)
                self.complete = event.status_code == SWITCHES
            elif isinstance(event, h11.Data):
                self.body += event.data
            elif isinstance(event, h11.EndOfMessage):
                self.complete = True
            if self.complete or isinstance(event, h11.ConnectionClosed):
                return

    def outcome(self, ending: Ending, received: bytes | bytearray, error: str = "") -> Outcome:
        name = error if error not in ("end", "limit", "found") else ""
        return Outcome(ending, self.status, self.headers, bytes(self.body), bytes(received), name)


def _parser(method: str) -> h11.Connection:
    """A parser for the answer to a request of this method; the bytes that were really sent do not matter to it."""
    parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=MOST_HEAD)
    headers = [("Host", "service"), ("Connection", "upgrade"), ("Upgrade", "any")]
    parser.send(h11.Request(method=method, target="/", headers=headers))
    parser.send(h11.EndOfMessage())
    return parser


def _ending(ended: str, received: bytes | bytearray) -> Ending:
    """How an exchange without a complete answer ended."""
    if ended == "end":
        return Ending.CUT if received else Ending.CLOSED
    return OF_ERRORS.get(ended, Ending.OTHER)


def _broken(received: bytes | bytearray, ended: str) -> Ending:
    """What an answer is that ends too soon, or that is none."""
    if not received:
        return Ending.CLOSED
    return Ending.CUT if ended == "end" and received.startswith(b"HTTP/") else Ending.NOT_HTTP
