"""HTTP/2, TLS and WebSockets with a service, by the client in its network namespace."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from reprolab.core.errors import InvalidTrial
from reprolab.stack.outcome import Ending, Outcome, failed
from reprolab.stack.wire import LIMIT, WireClient


def http_outcome(answer: Mapping[str, Any]) -> tuple[Outcome, str]:
    """What came of a request by a library, and the version of HTTP that the server spoke."""
    if error := str(answer.get("error", "")):
        return failed(error), ""
    headers = tuple((str(name), str(value)) for name, value in answer["headers"])
    body = base64.b64decode(answer["data"])
    return Outcome(Ending.ANSWERED, int(answer["status"]), headers, body), str(answer["version"])


def exchange(
    client: WireClient, method: str, url: str, version: str, headers: Mapping[str, str], data: bytes, limit: float
) -> Outcome:
    """One request on a connection of its own, in HTTP/1.1 or HTTP/2. Raises InvalidTrial if another version came."""
    number = client.number()
    answer = client.call(
        number,
        "http",
        limit,
        method=method,
        url=url,
        version=version,
        headers=dict(headers),
        data=base64.b64encode(data).decode(),
    )
    outcome, spoken = http_outcome(answer)
    client.note(number, answer["at_ns"], "http", f"{method} {url}", f"{outcome} {spoken}".strip())
    if spoken and (spoken == "HTTP/2") != (version == "2"):
        raise InvalidTrial(f"{url} answered in {spoken}, not HTTP/{version}")
    return outcome


@dataclass
class WebSocket:
    """A WebSocket to a service. A context manager, which closes it. ``error`` says why it is not open, "" if it is."""

    client: WireClient
    number: int
    error: str = ""

    @classmethod
    def open(cls, client: WireClient, url: str, headers: Mapping[str, str], limit: float) -> WebSocket:
        """Open it; a handshake that the server refuses raises nothing."""
        number = client.number()
        answer = client.call(number, "ws_open", limit, url=url, headers=dict(headers))
        error = str(answer.get("error", ""))
        client.note(number, answer["at_ns"], "ws_open", url, error)
        return cls(client, number, error)

    def __enter__(self) -> WebSocket:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(InvalidTrial):
            self.client.call(self.number, "close", LIMIT)

    def send(self, message: str | bytes, limit: float = LIMIT) -> None:
        """Send a message of text or of bytes."""
        if self.error:
            return
        text = isinstance(message, str)
        data = message.encode() if isinstance(message, str) else message
        values = {"text": text, "data": base64.b64encode(data).decode()}
        answer = self.client.call(self.number, "ws_send", limit, **values)
        self.error = str(answer.get("error", ""))
        self.client.note(self.number, answer["at_ns"], "ws_send", data.decode("latin-1"), self.error)

    def receive(self, limit: float = LIMIT) -> tuple[bytes, str]:
        """The next message, and "found"; without one "limit", or "closed with" and the server's code."""
        if self.error:
            return b"", self.error
        answer = self.client.call(self.number, "ws_receive", limit)
        data, ended = base64.b64decode(answer.get("data", "")), str(answer.get("ended") or answer.get("error", ""))
        self.client.note(self.number, answer["at_ns"], "ws_receive", data.decode("latin-1"), ended)
        return data, ended
