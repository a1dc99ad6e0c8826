"""Connections to a service byte by byte, from a small container in its network namespace."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from queue import Empty, Full, Queue
from typing import Any

import docker
from docker.errors import APIError
from docker.models.containers import Container

from reprolab.core.errors import InvalidTrial
from reprolab.core.files import add_lines
from reprolab.core.waiting import patient
from reprolab.engine.containers import state_words
from reprolab.engine.helpers import NO_LOG
from reprolab.engine.streams import socket_of, stdout_lines
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.evidence.wire_file import WIRE_FILE, WireLine
from reprolab.stack.containers import remove_container, start_beside
from reprolab.stack.outcome import Outcome, failed, read_answer

LIMIT = 10.0  # seconds
ANSWER_GRACE = 40.0  # seconds beyond the limit of a command, also for the start of the client's container
# In place of an answer, when the client has ended.
GONE: dict[str, Any] = {}


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
    _send_error: str = ""

    def open(self, to: Sequence[str | int], limit: float, *, tls: bool) -> None:
        text = ":".join(map(str, to)) + (" with TLS" if tls else "")
        self.error = self._do("open", limit, text, to=list(to), tls=tls)[1]

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, data: bytes, limit: float = LIMIT) -> None:
        """Send these bytes."""
        if not self.error and not self._send_error:
            self._send_error = self._do("send", limit, data.decode("latin-1"), data=_text(data))[1]

    def pause(self, seconds: float) -> None:
        """Do nothing for some seconds."""
        self._do("pause", seconds, f"{seconds:g} s", seconds=seconds)

    def receive(self, until: bytes = b"", limit: float = LIMIT) -> tuple[bytes, str]:
        """The bytes that come until ``until`` has come (b"": anything), the other side ends, or the limit.

        The text says why no more came: "found", "end", "limit", or the name of the system's error. The bytes are part
        of the next `outcome` too.
        """
        data, why = self._receive(until, limit)
        self._left += data
        return data, why

    def _receive(self, until: bytes, limit: float) -> tuple[bytes, str]:
        if self.error:
            return b"", self.error
        data, why = self._do("receive", limit, until=_text(until))
        if why not in ("found", "end", "limit"):
            self.error = why
        return data, why

    def half_close(self) -> None:
        """Tell the other side that no more bytes come; it may still answer."""
        if not self.error and not self._send_error:
            self._send_error = self._do("half_close", 0)[1]

    def reset(self) -> None:
        """Close with a reset (SO_LINGER of 0 s)."""
        if not self.error:
            self._do("reset", 0)
            self.error = "EBADF"

    def close(self) -> None:
        with suppress(InvalidTrial):
            self._do("close", 0)

    def outcome(self, method: str = "GET", limit: float = LIMIT) -> Outcome:
        """Read one answer to the end, and say how the exchange ended.

        ``method`` is that of the request: the answer to HEAD has no body.
        """
        if self.error and not self._left:
            outcome = failed(self.error)
        else:
            outcome, self._left = read_answer(lambda seconds: self._receive(b"", seconds), self._left, method, limit)
        if self._send_error and not outcome.received:
            # A server may answer before it has read all, and then end the connection. Here nothing came.
            outcome = failed(self._send_error)
        status = "" if outcome.status is None else f" with {outcome.status}"
        self.client.note(self.number, time.time_ns(), "outcome", "", f"{outcome.ending}{status}")
        return outcome

    def _do(self, do: str, limit: float, text: str = "", **values: Any) -> tuple[bytes, str]:
        """Let the client do something, and keep it as evidence: the bytes that came, and the result or the error."""
        answer = self.client.call(self.number, do, limit, **values)
        data = base64.b64decode(answer.get("data", ""))
        result = str(answer.get("ended") or answer.get("error", ""))
        self.client.note(self.number, answer["at_ns"], do, text or data.decode("latin-1"), result)
        return data, result


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@dataclass
class WireClient:
    """The client's container in the network of one service. Threads may share it; each connection is one thread's."""

    container: Container
    evidence: TrialDirectory
    role: str
    connections: Iterator[int] = field(default_factory=lambda: count(1))
    gone: bool = False
    _stream: Any = None
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _answers: dict[int, Queue[dict[str, Any]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def start(
        cls,
        client: docker.DockerClient,
        image: str,
        target: Container,
        role: str,
        owner: Mapping[str, str],
        evidence: TrialDirectory,
        connections: Iterator[int] | None = None,
    ) -> WireClient:
        """Start the container in the network namespace of ``target``, with its volumes. Raises InvalidTrial.

        ``connections`` are the numbers of new connections.
        """
        failure = "the client's container did not start"
        container = start_beside(
            client,
            image,
            target,
            owner,
            failure,
            role,
            volumes_from=[str(target.id)],
            log_config=NO_LOG,
            stdin_open=True,
            user=str(target.attrs["Config"].get("User") or "0"),
            pids_limit=4096,
            mem_limit="512m",
        )
        wire = cls(container, evidence, role, connections or count(1))
        try:
            wire._stream = client.api.attach_socket(str(container.id), params={"stdin": 1, "stdout": 1, "stream": 1})
        except APIError as error:
            remove_container(container)
            raise InvalidTrial(f"{failure}: {error.explanation}") from error
        threading.Thread(target=wire._read, name="wire", daemon=True).start()
        return wire

    def connect(self, to: Sequence[str | int], limit: float, *, tls: bool = False) -> Connection:
        """Open a connection; whether it opened, its ``error`` and its `outcome` tell."""
        connection = Connection(self, self.number())
        connection.open(to, limit, tls=tls)
        return connection

    def number(self) -> int:
        """The number of a new connection."""
        return next(self.connections)

    def call(self, connection: int, do: str, limit: float, **values: Any) -> dict[str, Any]:
        """Let the client do one thing, and wait until it has. Raises InvalidTrial if the client does not answer."""
        number, answers = next(self._numbers), Queue[dict[str, Any]](1)
        self._answers[number] = answers
        if self.gone:
            answers.put(GONE)
        command = {"connection": connection, "number": number, "do": do, "limit": limit, **values}
        try:
            with self._lock:
                socket_of(self._stream).sendall(json.dumps(command).encode() + b"\n")
            answer = answers.get(timeout=limit + patient(ANSWER_GRACE))
        except (OSError, Empty):
            answer = GONE
        finally:
            del self._answers[number]
        if answer is GONE:
            words = state_words(self.container) or "runs"
            raise InvalidTrial(f"the client in {self.role}'s network does not answer; its container {words}")
        return answer

    def note(self, connection: int, at_ns: int, what: str, text: str, result: str) -> None:
        """Keep what was done as evidence."""
        with self._lock:
            line = WireLine(self.role, connection, at_ns, what, text, result)
            add_lines(self.evidence.path / WIRE_FILE, [line.to_json()])

    def close(self) -> None:
        """Remove the container; its connections end."""
        remove_container(self.container)
        if self._stream is not None:
            self._stream.close()

    def _read(self) -> None:
        """Hand each answer to the call that waits for it, until the container has ended."""
        for line in stdout_lines(self._stream):
            answer = json.loads(line)
            if waiting := self._answers.get(answer["number"]):
                waiting.put(answer)
        self.gone = True
        for waiting in list(self._answers.values()):
            with suppress(Full):
                waiting.put_nowait(GONE)
