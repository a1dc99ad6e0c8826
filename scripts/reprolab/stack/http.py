"""Requests to a running stack."""

from __future__ import annotations

from typing import Any

import requests
from requests.adapters import HTTPAdapter

from reprolab.core.errors import InvalidTrial
from reprolab.stack.containers import StackContainers

AGENT = "reprolab-probe"


class StackRequests(StackContainers):
    """A stack that can be asked. Without a ``role`` the front is meant: the proxy, where there is one, else the app."""

    def url(self, path: str = "/", role: str = "") -> str:
        """The address of a service from this machine: its first published port on 127.0.0.1."""
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
        """The first port that a service publishes, as it is inside. Raises InvalidTrial if there is none."""
        published = self.model["services"][self.roles[role or self.front]].get("ports") or []
        if not published:
            raise InvalidTrial(f"{role or self.front} publishes no port")
        return int(published[0]["target"])

    def get(self, path: str = "/", role: str = "", **options: Any) -> requests.Response:
        """One GET on a connection of its own, past any proxy the environment names; never retried."""
        with requests.Session() as session:
            session.trust_env = False
            session.mount("http://", HTTPAdapter(max_retries=0))
            session.headers.update({"User-Agent": AGENT, "Connection": "close"})
            return session.get(self.url(path, role), **({"timeout": 10} | options))

    def probe(self, path: str = "/", role: str = "", timeout: float = 10.0) -> str:
        """What a plain client gets: a status code as text, or the name of the failure."""
        try:
            return str(self.get(path, role, timeout=timeout).status_code)
        except requests.Timeout:
            return "timeout"
        except requests.ConnectionError:
            return "refused"


def _bindings(attributes: dict[str, Any]) -> list[dict[str, str]]:
    """Where the engine has published a container's ports; empty until it has."""
    ports = attributes["NetworkSettings"]["Ports"] or {}
    return [binding for published in ports.values() for binding in published or []]
