"""Requests to a running stack."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import DecodeError, ProtocolError, ReadTimeoutError

from reprolab.core.errors import InvalidTrial
from reprolab.stack.containers import StackContainers

AGENT = "reprolab-probe"
MOST_BODY, CHUNK = 64 << 20, 1 << 16  # bytes


class StackRequests(StackContainers):
    """Sends requests to a stack. Without a ``role`` they go to `front`: the proxy if there is one, else the app."""

    def url(self, path: str = "/", role: str = "") -> str:
        """The URL of a service from this machine, on 127.0.0.1 and its first published port. Raises InvalidTrial."""
        role = role or self.front
        container = self.container(role)
        bindings = _bindings(container.attrs)
        # The engine gives other ports at each start. Those that the lab asks for are known; a policy acts by itself.
        if not bindings or self.model["services"][self.roles[role]].get("restart"):
            container.reload()
            bindings = _bindings(container.attrs)
        # The engine gives other ports at each start. Those that the lab asks for are known; a policy acts by itself.
        if not bindings or self.model["services"][self.roles[role]].get("restart"):
            raise InvalidTrial(f"{role} publishes no port")
        return f"http://127.0.0.1:{bindings[0]['HostPort']}{path}"

    def port(self, role: str = "") -> int:
        """The first port that a service publishes, as a number inside the container. Raises InvalidTrial if none."""
        published = self.model["services"][self.roles[role or self.front]].get("ports") or []
        if not published:
            raise InvalidTrial(f"{role or self.front} publishes no port")
        return int(published[0]["target"])

    def get(self, path: str = "/", role: str = "", **options: Any) -> requests.Response:
        """One GET on a new connection, without a retry, a redirect and the proxies of the environment.

        ``timeout`` (seconds, 10 by default) holds for the headers and again for the whole body: a server that sends a
        byte now and then does not keep it waiting. Raises InvalidTrial for a body without an end.
        """
        options = {"timeout": 10.0, "allow_redirects": False, **options, "stream": True}
        with requests.Session() as session:
            session.trust_env = False
            session.mount("http://", HTTPAdapter(max_retries=0))
            session.headers.update({"User-Agent": AGENT, "Connection": "close"})
            answer = session.get(self.url(path, role), **options)
            _read_body(answer, float(options["timeout"]))
            return answer

    def probe(self, path: str = "/", role: str = "", timeout: float = 10.0) -> str:
        """The result of one GET: the status code as text, "timeout" or "refused"."""
        try:
            return str(self.get(path, role, timeout=timeout).status_code)
        except requests.Timeout:
            self.timeouts.append(path)
            return "timeout"
        except requests.ConnectionError:
            return "refused"


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


def _bindings(attributes: dict[str, Any]) -> list[dict[str, str]]:
    """The addresses on which the engine published a container's ports; empty until it has done so."""
    ports = attributes["NetworkSettings"]["Ports"] or {}
    return [binding for published in ports.values() for binding in published or []]
