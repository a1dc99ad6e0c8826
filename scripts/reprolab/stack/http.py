"""Requests to a running stack."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import BadStatusLine, IncompleteRead, RemoteDisconnected
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import DecodeError, ProtocolError, ReadTimeoutError

from reprolab.core.errors import InvalidTrial
from reprolab.stack.containers import StackContainers
from reprolab.stack.outcome import Ending

AGENT = "reprolab-probe"
MOST_BODY, CHUNK = 64 << 20, 1 << 16  # bytes


class StackRequests(StackContainers):
    """Sends requests to a stack. Without a ``role`` they go to `front`: the proxy if there is one, else the app."""

    def url(self, path: str = "/", role: str = "") -> str:
        """The URL of a service from this machine. Raises InvalidTrial."""
        return self.published_url(path, role)

    def published_url(self, path: str = "/", role: str = "") -> str:
        """The URL of a service's first published port on the engine's machine, at 127.0.0.1. Raises InvalidTrial."""
        role = role or self.front
        container = self.container(role)
        section = self.model["services"][self.roles[role]]
        first = next(_tcp_ports(section), "")
        host_port = _host_port(container.attrs, first)
        # The engine gives other ports at each start. Those that the lab asks for are known; a policy acts by itself.
        if not host_port or section.get("restart"):
            container.reload()
            host_port = _host_port(container.attrs, first)
        if not host_port:
            raise InvalidTrial(f"{role} publishes no port")
        return f"http://127.0.0.1:{host_port}{path}"

    def port(self, role: str = "") -> int:
        """The first port that a service publishes, as a number inside the container. Raises InvalidTrial if none."""
        first = next(_tcp_ports(self.model["services"][self.roles[role or self.front]]), "")
        if not first:
            raise InvalidTrial(f"{role or self.front} publishes no port, so the port must be named: port=8000")
        return int(first)

    def get(self, path: str = "/", role: str = "", **options: Any) -> requests.Response:
        """One GET on a new connection: `request` with the method GET."""
        return self.request("GET", path, role, **options)

    def request(self, method: str, path: str = "/", role: str = "", **options: Any) -> requests.Response:
        """One request on a new connection, without a retry, a redirect and the proxies of the environment.

        ``options`` are those of the library requests: data, headers ... ``timeout`` (seconds, 10 by default) holds for
        the headers and again for the whole body: a server that sends a byte now and then does not keep it waiting.
        Raises InvalidTrial for a body without an end.
        """
        with self.kept(role) as connection:
            headers = {"Connection": "close", **options.pop("headers", {})}
            return connection.request(method, path, headers=headers, **options)

    @contextmanager
    def kept(self, role: str = "") -> Iterator[KeptConnection]:
        """One connection that is kept for several requests, one after the other; the server may end it at any time."""
        with requests.Session() as session:
            session.trust_env = False
            session.mount("http://", HTTPAdapter(pool_connections=1, pool_maxsize=1, max_retries=0))
            session.headers.update({"User-Agent": AGENT})
            yield KeptConnection(session, self.url("", role))

    def probe(self, path: str = "/", role: str = "", timeout: float = 10.0) -> str:
        """The result of one GET: the status code as text, or how it ended without an answer, in the words of `Ending`.

        The engine forwards the port, so a server that does not listen may look like one that closes the connection.
        `connect` has nothing between. A service that the experiment has stopped refuses.
        """
        if (role or self.front) in self.ends and not self.running(role or self.front):
            return str(Ending.REFUSED)
        try:
            return str(self.get(path, role, timeout=timeout).status_code)
        except requests.RequestException as error:
            ending = ending_of(error)
            if ending is Ending.LATE:
                self.timeouts.append(path)
            return str(ending)


@dataclass(frozen=True)
class KeptConnection:
    """A session of the library requests with one connection to one service."""

    session: requests.Session
    address: str

    def request(self, method: str, path: str = "/", **options: Any) -> requests.Response:
        """One request; see `StackRequests.request`. It is sent on a new connection if the server has ended the old."""
        options = {"timeout": 10.0, "allow_redirects": False, **options, "stream": True}
        answer = self.session.request(method, self.address + path, **options)
        _read_body(answer, float(options["timeout"]))
        return answer


def ending_of(error: BaseException) -> Ending:
    """The word for an error of the library requests, which keeps the system's error somewhere inside."""
    if isinstance(error, requests.Timeout):
        return Ending.LATE
    inner = list(_inner_errors(error))
    for kind, ending in OF_KINDS:
        if any(isinstance(item, kind) for item in inner):
            return ending
    return Ending.OTHER


# The first that fits; RemoteDisconnected is also a ConnectionResetError and a BadStatusLine.
OF_KINDS: tuple[tuple[type[BaseException], Ending], ...] = (
    (ReadTimeoutError, Ending.LATE),
    (RemoteDisconnected, Ending.CLOSED),
    (ConnectionRefusedError, Ending.REFUSED),
    (IncompleteRead, Ending.CUT),
    (ConnectionResetError, Ending.RESET),
    (BrokenPipeError, Ending.RESET),
    (BadStatusLine, Ending.NOT_HTTP),
    (requests.exceptions.ChunkedEncodingError, Ending.CUT),
)


def _inner_errors(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it was made of."""
    waiting: list[BaseException] = [error]
    seen: list[BaseException] = []
    while waiting:
        item = waiting.pop()
        if not any(item is other for other in seen):
            seen.append(item)
            yield item
            parts = (*item.args, item.__cause__, item.__context__, getattr(item, "reason", None))
            waiting += [part for part in parts if isinstance(part, BaseException)]


def _read_body(answer: requests.Response, limit: float) -> None:
    """Read the whole body within ``limit`` seconds. Raises requests.Timeout or InvalidTrial."""
    end, chunks, size = time.monotonic() + limit, [], 0
    for chunk in _parts(answer):
        chunks.append(chunk)
        size += len(chunk)
        if time.monotonic() > end:
            raise requests.Timeout(f"the body of {answer.url} was not complete after {limit:g} s")
        if size > MOST_BODY:
            raise InvalidTrial(f"the body of {answer.url} is longer than {MOST_BODY >> 20} MiB")
    # requests has no public way to set a body that was read in parts; its own `content` does the same.
    answer._content, answer._content_consumed = b"".join(chunks), True  # type: ignore[attr-defined]


def _parts(answer: requests.Response) -> Iterator[bytes]:
    """The parts of a body as they arrive; `iter_content` waits for whole chunks. The errors are those of requests."""
    try:
        while part := answer.raw.read1(CHUNK, decode_content=True):
            yield part
    except ReadTimeoutError as error:
        raise requests.ConnectionError(error) from error
    except ProtocolError as error:
        raise requests.exceptions.ChunkedEncodingError(error) from error
    except DecodeError as error:
        raise requests.exceptions.ContentDecodingError(error) from error


def _tcp_ports(service: Mapping[str, Any]) -> Iterator[str]:
    """The TCP ports that a service publishes, as numbers inside the container, in the order of its file."""
    return (str(p["target"]) for p in service.get("ports") or () if p.get("protocol", "tcp") == "tcp")


def _host_port(attributes: dict[str, Any], first: str) -> str:
    """The port of this machine on which the engine published the TCP port ``first``; "" until it has done so.

    The engine lists the ports as texts, so 443 stands before 80. Without ``first`` any published port counts.
    """
    ports = attributes["NetworkSettings"]["Ports"] or {}
    published = ports.get(f"{first}/tcp") if first else next(filter(None, ports.values()), None)
    return str(published[0]["HostPort"]) if published else ""
