"""Opens connections to the services of a running stack, and speaks bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from threading import Lock
from typing import Any

from reprolab.core.errors import InvalidTrial
from reprolab.stack.http import StackRequests
from reprolab.stack.network import StackNetwork
from reprolab.stack.outcome import Outcome
from reprolab.stack.protocols import WebSocket, exchange
from reprolab.stack.relay import Relay
from reprolab.stack.wire import LIMIT, Connection, WireClient

LOCAL = "127.0.0.1"
NONE: Mapping[str, str] = {}


@dataclass
class StackConnections(StackRequests, StackNetwork):
    """Opens connections to a stack."""

    # A service and the moment of its start -> its client: another start has another network namespace.
    _wires: dict[tuple[str, str], WireClient] = field(default_factory=dict)
    _wires_lock: Lock = field(default_factory=Lock)
    # A client's container -> the relay through it.
    _relays: dict[str, Relay] = field(default_factory=dict)
    _connection_numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def url(self, path: str = "/", role: str = "") -> str:
        """The URL of a service from this machine: of its published port, or where that is elsewhere, of a relay to it.

        Raises InvalidTrial if the service publishes no port or is on no network, or the client does not start.
        """
        if not self.is_elsewhere:
            return self.published_url(path, role)
        role = role or self.front
        port, wire = self.port(role), self._wire(role)
        with self._wires_lock:
            key = str(wire.container.id)
            address = _address(role, self.container(role).attrs)
            if key not in self._relays:
                self._relays[key] = Relay.open(wire, address, port)
            # A service that was cut off and has joined again may have another one.
            self._relays[key].host = address
            return f"http://{LOCAL}:{self._relays[key].port}{path}"

    def connect(
        self,
        role: str = "app",
        path: str | None = None,
        *,
        port: int = 0,
        host: str = LOCAL,
        tls: bool = False,
        limit: float = LIMIT,
    ) -> Connection:
        """A connection to a service from its own network namespace, where no proxy of the engine stands between.

        To ``path``, a Unix socket in a volume of the service, or to ``port``: by default the first that the service
        publishes. ``host`` may be "::1" or the name of another service. A connection that is refused raises nothing:
        its `outcome` says "refused". All bytes and their times are kept in the trial's wire.jsonl, and on its page.
        With ``tls`` any certificate is accepted. Raises InvalidTrial if the client does not start, or the service's
        namespace has no IPv6 for such a ``host``.
        """
        if path is None:
            self.require_host(role, host)
        to: list[str | int] = [path] if path is not None else [host, port or self.port(role)]
        return self._wire(role).connect(to, limit, tls=tls)

    def http(
        self,
        method: str,
        path: str = "/",
        role: str = "app",
        *,
        version: str = "2",
        tls: bool = False,
        port: int = 0,
        headers: Mapping[str, str] = NONE,
        data: bytes = b"",
        limit: float = LIMIT,
    ) -> Outcome:
        """One request from the service's network namespace in HTTP/2, or HTTP/1.1 with ``version="1.1"``.

        HTTP/2 without TLS begins at once, without an upgrade. Raises InvalidTrial if the server speaks another version.
        """
        url = f"http{'s' if tls else ''}://{LOCAL}:{port or self.port(role)}{path}"
        return exchange(self._wire(role), method, url, version, headers, data, limit)

    def websocket(
        self,
        path: str = "/",
        role: str = "app",
        *,
        tls: bool = False,
        port: int = 0,
        headers: Mapping[str, str] = NONE,
        limit: float = LIMIT,
    ) -> WebSocket:
        """A WebSocket to a service from its network namespace; its ``error`` says whether it opened."""
        url = f"ws{'s' if tls else ''}://{LOCAL}:{port or self.port(role)}{path}"
        return WebSocket.open(self._wire(role), url, headers, limit)

    def _wire(self, role: str) -> WireClient:
        """The client in a service's network."""
        service = self.model["services"].get("client")
        if service is None:
            raise InvalidTrial("the client is not part of this stack")
        container = self.container(role)
        container.reload()
        start = (role, str(container.attrs["State"]["StartedAt"]))
        with self._wires_lock:
            wire = self._wires.get(start)
            if wire is not None and not wire.gone:
                return wire
            if wire is not None:
                wire.close()
            self._wires[start] = wire = WireClient.start(
                self.client,
                service["image"],
                container,
                role,
                self.owner,
                self.evidence,
                self._connection_numbers,
            )
            return wire

    def remove_clients(self) -> None:
        """Remove the client's containers; their connections end."""
        for relay in self._relays.values():
            relay.close()
        self._relays.clear()
        for wire in self._wires.values():
            wire.close()
        self._wires.clear()


def _address(role: str, attributes: Mapping[str, Any]) -> str:
    """A container's address in its first network, as a port of the engine leads to it. Raises InvalidTrial if none."""
    networks = attributes["NetworkSettings"].get("Networks") or {}
    for network in networks.values():
        if address := str(network.get("IPAddress") or ""):
            return address
    # Its loopback would answer, though nothing arrives from outside.
    raise InvalidTrial(f"{role} is on no network, so its port cannot be reached")
