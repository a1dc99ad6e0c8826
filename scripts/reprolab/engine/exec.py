"""Run commands inside containers, with a time limit.

Engine 20.10 keeps the stream of a command open if the container is removed meanwhile. So the lab closes streams itself.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from docker.errors import APIError, DockerException
from docker.models.containers import Container
from docker.utils.socket import consume_socket_output, demux_adaptor, frames_iter

from reprolab.core.errors import InvalidTrial
from reprolab.core.waiting import patient
from reprolab.engine.containers import state_words
from reprolab.engine.streams import socket_of

LIMIT = 30.0  # seconds


@dataclass(frozen=True)
class Output:
    """Exit code and output of a command."""

    code: int
    out: str
    err: str


@dataclass
class Commands:
    """The running commands of one stack. They can be ended all at once."""

    streams: list[Any] = field(default_factory=list)
    broken_off: bool = False

    def run(self, container: Container, command: Sequence[str], limit: float = LIMIT, *, name: str = "") -> Output:
        """Run a command in a container. Raises InvalidTrial if it cannot start or exceeds ``limit`` seconds.

        Messages call the container ``name``; by default they call it by its own name.
        """
        name, limit = name or str(container.name), patient(limit)
        assert container.client is not None
        api = container.client.api
        try:
            exec_id = api.exec_create(container.id, list(command))["Id"]
            stream = api.exec_start(exec_id, socket=True)
        except APIError as error:
            reason = _reason(container) or str(error.explanation)
            raise InvalidTrial(f"{command[0]} cannot run in {name}: {reason}") from error
        with self._limited(stream, limit) as expired:
            frames = (demux_adaptor(*frame) for frame in frames_iter(stream, tty=False))  # type: ignore[no-untyped-call]
            out, err = consume_socket_output(frames, demux=True)
        if expired.is_set() or self.broken_off:
            reason = "" if self.broken_off else _reason(container)
            raise InvalidTrial(
                f"{command[0]} did not end in {name} within {limit:g} s" + (f": {reason}" if reason else "")
            )
        try:
            code = api.exec_inspect(exec_id)["ExitCode"]
        except APIError as error:
            raise InvalidTrial(f"{name} went away while {command[0]} ran: {_reason(container)}") from error
        return Output(-1 if code is None else code, _text(out), _text(err))

    def break_off(self) -> None:
        """End all running commands. Their calls of `run` raise InvalidTrial."""
        self.broken_off = True
        for stream in list(self.streams):
            _shut(stream)

    @contextmanager
    def _limited(self, stream: Any, limit: float) -> Iterator[threading.Event]:
        expired = threading.Event()

        def end() -> None:
            expired.set()
            _shut(stream)

        timer = threading.Timer(limit, end)
        timer.daemon = True
        timer.start()
        self.streams.append(stream)
        try:
            yield expired
        finally:
            timer.cancel()
            self.streams.remove(stream)
            stream.close()


def _reason(container: Container) -> str:
    """Why nothing can run in a container, "" if its state does not tell."""
    try:
        words = state_words(container)
    except DockerException:
        return ""
    return f"it {words}" if words else ""


def _shut(stream: Any) -> None:
    """End a blocked read of the stream. Does nothing if the stream is closed."""
    with suppress(OSError, ValueError):
        socket_of(stream).shutdown(socket.SHUT_RDWR)


def _text(part: bytes | None) -> str:
    return (part or b"").decode("utf-8", "replace")
