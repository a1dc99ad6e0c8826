"""Opens connections to the services of a running stack, and speaks bytes."""

from __future__ import annotations

from dataclasses import dataclass, field

from reprolab.core.errors import InvalidTrial
from reprolab.stack.http import StackRequests
from reprolab.stack.wire import LIMIT, Connection, WireClient


@dataclass
class StackConnections(StackRequests):
    """Opens connections to a stack."""

    _wires: dict[str, WireClient] = field(default_factory=dict)

    def connect(self, role: str = "app", path: str | None = None, *, port: int = 0, limit: float = LIMIT) -> Connection:
        """A connection to a service from its own network namespace, where no proxy of the engine stands between.

        To ``path``, a Unix socket in a volume of the service, or to ``port``: by default the first that the service
        publishes. A connection that is refused raises nothing: its `outcome` says "refused". All bytes and their times
        are kept in the trial's wire.jsonl. Raises InvalidTrial if the client does not start.
        """
        wire = self._wires.get(role)
        if wire is None:
            service = self.model["services"].get("client")
            if service is None:
                raise InvalidTrial("the client is not part of this stack")
            wire = WireClient.start(
                self.client, service["image"], self.container(role), role, self.owner, self.evidence
            )
            self._wires[role] = wire
        return wire.connect([path] if path is not None else ["127.0.0.1", port or self.port(role)], limit)

    def remove_clients(self) -> None:
        """Remove the client's containers; their connections end."""
        for wire in self._wires.values():
            wire.close()
