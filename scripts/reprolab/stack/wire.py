"""Connections to a service byte by byte: what was sent, what came back and when, and how it ended, in words."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from queue import Empty, Queue
from typing import Any

import docker
import h11
from docker.errors import APIError
from docker.models.containers import Container
from docker.utils.socket import frames_iter

from reprolab.core.errors import InvalidTrial
from reprolab.engine.containers import state_words
from reprolab.engine.helpers import NO_LOG
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.stack.containers import remove_container

WIRE_FILE = "wire.jsonl"
LIMIT = 10.0  # seconds
START_LIMIT = 30.0  # seconds until the client's container answers
ANSWER_GRACE = 10.0  # seconds beyond the limit of a command
STDOUT = 1  # the number of standard output in the engine's stream


class Ending(StrEnum):
    """How an exchange ended."""

    ANSWERED = "answered"
    CUT = "cut short"
    CLOSED = "closed without answer"
    RESET = "reset"
    REFUSED = "refused"
    NO_FILE = "no such file"
    DENIED = "permission denied"
    LATE = "timed out"
    NOT_HTTP = "not HTTP"
    OTHER = "failed"


OF_ERRORS = {
    "ECONNREFUSED": Ending.REFUSED,
    "ECONNRESET": Ending.RESET,
    "EPIPE": Ending.RESET,
    "ENOENT": Ending.NO_FILE,
    "EACCES": Ending.DENIED,
    "ETIMEDOUT": Ending.LATE,
    "limit": Ending.LATE,
}


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

    def to_json(self) -> dict[str, Any]:
        """For an observation: the body as text, in latin-1 so that each byte is one character."""
        return {
            "ending": str(self.ending),
            "status": self.status,
            "headers": [list(pair) for pair in self.headers],
            "body": self.body.decode("latin-1"),
            "error": self.error,
        }


@dataclass
class Connection:
    """One connection to a service. A context manager, which closes it at the end.

    Every method returns when the client has done it. A send or receive on a connection that has ended raises nothing:
    `outcome` tells it.
    """

    client: WireClient
    number: int
    error: str = ""
    _left: bytes = b""

    def open(self, to: Sequence[str | int], limit: float) -> None:
        self.error = self.client.call(self.number, "open", limit, to=list(to)).get("error", "")

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, data: bytes, limit: float = LIMIT) -> None:
        """Send these bytes."""
        if not self.error:
            self.error = self.client.call(self.number, "send", limit, data=_text(data)).get("error", "")

    def pause(self, seconds: float) -> None:
        """Do nothing for some seconds."""
        self.client.call(self.number, "pause", seconds, seconds=seconds)

    def receive(self, until: bytes = b"", limit: float = LIMIT) -> tuple[bytes, str]:
        """The bytes that come until ``until`` has come (b"": anything), the other side ends, or the limit.

        The text says why no more came: "found", "end", "limit", or the name of the system's error.
        """
        if self.error:
            return b"", self.error
        answer = self.client.call(self.number, "receive", limit, until=_text(until))
        return base64.b64decode(answer.get("data", "")), str(answer.get("ended") or answer.get("error", ""))

    def half_close(self) -> None:
        """Tell the other side that no more bytes come; it may still answer."""
        if not self.error:
            self.error = self.client.call(self.number, "half_close", 0).get("error", "")

    def reset(self) -> None:
        """Close with a reset (SO_LINGER of 0 s)."""
        if not self.error:
            self.client.call(self.number, "reset", 0)

    def close(self) -> None:
        with suppress(InvalidTrial):
            self.client.call(self.number, "close", 0)

    def outcome(self, method: str = "GET", limit: float = LIMIT) -> Outcome:
        """Read one answer to the end, and say how the exchange ended.

        ``method`` is that of the request: the answer to HEAD has no body.
        """
        if self.error:
            return Outcome(OF_ERRORS.get(self.error, Ending.OTHER), error=self.error)
        parser, received, end = _parser(method), self._left, time.monotonic() + limit
        answer = _Answer()
        ended = "" if not received else "found"
        part = received
        while True:
            try:
                if ended:
                    answer.feed(parser, part, closed=ended == "end")
            except h11.RemoteProtocolError:
                return answer.outcome(_broken(received), received)
            if answer.complete:
                self._left = parser.trailing_data[0]
                return answer.outcome(Ending.ANSWERED, received[: len(received) - len(self._left)])
            if ended not in ("", "found"):
                return answer.outcome(_ending(ended, received), received, ended)
            part, ended = self.receive(limit=max(0.001, end - time.monotonic()))
            received += part


@dataclass
class _Answer:
    """An answer as far as it has come."""

    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    complete: bool = False

    def feed(self, parser: h11.Connection, part: bytes, *, closed: bool) -> None:
        """Take the next bytes. Raises h11.RemoteProtocolError for what is not HTTP, or an end too soon."""
        if part:
            parser.receive_data(part)
        if closed:
            parser.receive_data(b"")
        while (event := parser.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, h11.Response):
                self.status = event.status_code
                self.headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers)
            elif isinstance(event, h11.Data):
                self.body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                self.complete = True
                return
            elif isinstance(event, h11.ConnectionClosed):
                return

    def outcome(self, ending: Ending, received: bytes, error: str = "") -> Outcome:
        name = error if error not in ("end", "limit", "found") else ""
        return Outcome(ending, self.status, self.headers, self.body, received, name)


def _parser(method: str) -> h11.Connection:
    """A parser for the answer to a request of this method; the bytes that were really sent do not matter to it."""
    parser = h11.Connection(h11.CLIENT)
    parser.send(h11.Request(method=method, target="/", headers=[("Host", "service")]))
    parser.send(h11.EndOfMessage())
    return parser


def _ending(ended: str, received: bytes) -> Ending:
    """How an exchange without a complete answer ended."""
    if ended == "end":
        return Ending.CUT if received else Ending.CLOSED
    return OF_ERRORS.get(ended, Ending.OTHER)


def _broken(received: bytes) -> Ending:
    """What an answer is that ends too soon, or that is none."""
    if not received:
        return Ending.CLOSED
    return Ending.CUT if received.startswith(b"HTTP/") else Ending.NOT_HTTP


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@dataclass
class WireClient:
    """The client's container in the network of one service. Threads may share it; each connection is one thread's."""

    container: Container
    evidence: TrialDirectory
    role: str
    _stream: Any = None
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _connections: Iterator[int] = field(default_factory=lambda: count(1))
    _answers: dict[int, Queue[dict[str, Any]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def start(
        cls,
        client: docker.DockerClient,
        image: str,
        target: Container,
        role: str,
        labels: Mapping[str, str],
        evidence: TrialDirectory,
    ) -> WireClient:
        """Start the container in the network namespace of ``target``, with its volumes. Raises InvalidTrial."""
        container = None
        try:
            container = client.containers.create(
                image,
                network_mode=f"container:{target.id}",
                volumes_from=[str(target.id)],
                labels=dict(labels),
                log_config=NO_LOG,
                stdin_open=True,
                cap_drop=["ALL"],
                security_opt=["no-new-privileges"],
                user=str(target.attrs["Config"].get("User") or "0"),
                pids_limit=1024,
                mem_limit="512m",
                init=True,
            )
            wire = cls(container, evidence, role)
            wire._stream = client.api.attach_socket(container.id, params={"stdin": 1, "stdout": 1, "stream": 1})
            container.start()
        except APIError as error:
            if container is not None:
                remove_container(container)
            words = state_words(target)
            reason = f"{role} {words}" if words else error.explanation
            raise InvalidTrial(f"the client's container did not start: {reason}") from error
        threading.Thread(target=wire._read, name="wire", daemon=True).start()
        return wire

    def connect(self, to: Sequence[str | int], limit: float) -> Connection:
        """Open a connection; whether it opened, its ``error`` and its `outcome` tell."""
        connection = Connection(self, next(self._connections))
        connection.open(to, limit)
        return connection

    def call(self, connection: int, do: str, limit: float, **values: Any) -> dict[str, Any]:
        """Let the client do one thing, and wait until it has. Raises InvalidTrial if the client does not answer."""
        number, answers = next(self._numbers), Queue[dict[str, Any]](1)
        self._answers[number] = answers
        command = {"connection": connection, "number": number, "do": do, "limit": limit, **values}
        self._note(command)
        try:
            with self._lock:
                getattr(self._stream, "_sock", self._stream).sendall(json.dumps(command).encode() + b"\n")
            answer = answers.get(timeout=limit + START_LIMIT + ANSWER_GRACE)
        except (OSError, Empty) as error:
            self.container.reload()
            state = f"its container is {self.container.status}"
            raise InvalidTrial(f"the client in {self.role}'s network does not answer: {state}") from error
        finally:
            del self._answers[number]
        self._note(answer)
        return answer

    def close(self) -> None:
        """Remove the container; its connections end."""
        remove_container(self.container)
        if self._stream is not None:
            self._stream.close()

    def _read(self) -> None:
        """Hand each answer to the call that waits for it, until the container has ended."""
        rest = b""
        with suppress(OSError, ValueError):
            for stream, part in frames_iter(self._stream, tty=False):  # type: ignore[no-untyped-call]
                *lines, rest = (rest + part).split(b"\n") if stream == STDOUT else [rest]
                for line in lines:
                    answer = json.loads(line)
                    if waiting := self._answers.get(answer["number"]):
                        waiting.put(answer)

    def _note(self, line: Mapping[str, Any]) -> None:
        """Keep a command or an answer as evidence; bytes as text, each byte one character."""
        kept = {"role": self.role, **line}
        for key in ("data", "until"):
            if key in kept:
                kept[key] = base64.b64decode(str(kept[key])).decode("latin-1")
        path = self.evidence.path / WIRE_FILE
        with self._lock:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(kept) + "\n")
