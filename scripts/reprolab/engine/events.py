"""The engine's events from a moment on.

The engine keeps only its last 256 events, and every command in a container makes three. So a thread reads all the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event, Thread
from typing import Any

import docker
from docker.errors import DockerException

AGAIN = 0.5  # seconds until a stream that broke is opened again

RawEvent = Mapping[str, Any]


def engine_time_ns(client: docker.DockerClient) -> int:
    """The time by the engine's clock, in nanoseconds since the epoch, rounded down to a microsecond."""
    moment = datetime.fromisoformat(client.info()["SystemTime"])
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000


@dataclass
class EventReader:
    """Reads the events with one of ``actions`` on objects of one of ``types`` (container, network ...)."""

    client: docker.DockerClient
    types: tuple[str, ...]
    actions: tuple[str, ...]
    since_ns: int = 0
    _read_so_far: list[RawEvent] = field(default_factory=list)
    _ended: Event = field(default_factory=Event)
    _stream: Any = None

    def start(self) -> None:
        """Read all events from now on."""
        self.since_ns = engine_time_ns(self.client)
        Thread(target=self._read, name="events", daemon=True).start()

    def so_far(self) -> list[RawEvent]:
        """All events until now, in their order."""
        # The thread may not have read the last ones yet. The engine still has them.
        latest = list(self._events(until=_seconds(engine_time_ns(self.client))))
        return in_order([*self._read_so_far, *latest])

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        with suppress(DockerException, OSError, AttributeError):
            self._stream.close()

    def _events(self, until: str | None = None) -> Any:
        filters = {"type": list(self.types), "event": list(self.actions)}
        # The SDK's own types allow whole seconds only.
        events: Any = self.client.events
        return events(since=_seconds(self.since_ns), until=until, filters=filters, decode=True)

    def _read(self) -> None:
        while not self._ended.is_set():
            # Whatever breaks the stream, for example the limit of a proxy before the engine: it is opened again.
            with suppress(Exception):
                self._stream = self._events()
                if self._ended.is_set():
                    self._stream.close()
                for event in self._stream:
                    self._read_so_far.append(event)
            self._ended.wait(AGAIN)


def in_order(events: Iterable[RawEvent]) -> list[RawEvent]:
    """The events by time, each once."""
    once = {(event["timeNano"], event["Action"], event["Actor"]["ID"]): event for event in events}
    return [once[key] for key in sorted(once)]


def _seconds(time_ns: int) -> str:
    return f"{time_ns // 1_000_000_000}.{time_ns % 1_000_000_000:09d}"
