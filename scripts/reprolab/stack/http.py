"""Requests to a running stack."""

from __future__ import annotations

from typing import Any

import requests
from requests.adapters import HTTPAdapter

from reprolab.core.errors import InvalidTrial
from reprolab.stack.containers import StackContainers

AGENT = "reprolab-probe"


class StackRequests(StackContainers):
    """Sends requests to a stack. Without a ``role`` they go to `front`: the proxy if there is one, else the app."""

    def url(self, path: str = "/", role: str = "") -> str:
        """The URL of a service from this machine, on 127.0.0.1 and its first published port. Raises InvalidTrial."""
        role = role or self.front
        container = self.container(role)
        bindings = _bindings(container.attrs)
        if not bindings:
            container.reload()
            bindings = _bindings(container.attrs)
        if not bindings:
            raise InvalidTrial(f"{role} publishes no port")
        return f"http://127.0.0.1:{bindings[0]['HostPort']}{path}"

    def port(self, role: str = "") -> int:
        """The first port that a service publishes, as a number inside the container. Raises InvalidTrial if none."""
        published = self.model["services"][self.roles[role or self.front]].get("ports") or []
        if not published:
            raise InvalidTrial(f"{role or self.front} publishes no port")
        return int(published[0]["target"])

    def get(self, path: str = "/", role: str = "", **options: Any) -> requests.Response:
        """One GET on a new connection, without a retry and without the proxies of the environment."""
        with requests.Session() as session:
            session.trust_env = False
            session.mount("http://", HTTPAdapter(max_retries=0))
            session.headers.update({"User-Agent": AGENT, "Connection": "close"})
            return session.get(self.url(path, role), **({"timeout": 10} | options))

    def probe(self, path: str = "/", role: str = "", timeout: float = 10.0) -> str:
        """The result of one GET: the status code as text, "timeout" or "refused"."""
        try:
            return str(self.get(path, role, timeout=timeout).status_code)
        except requests.Timeout:
            self.timeouts.append(path)
            return "timeout"
        except requests.ConnectionError:
            return "refused"


def _bindings(attributes: dict[str, Any]) -> list[dict[str, str]]:
    """The addresses on which the engine published a container's ports; empty until it has done so."""
    ports = attributes["NetworkSettings"]["Ports"] or {}
    return [binding for published in ports.values() for binding in published or []]
