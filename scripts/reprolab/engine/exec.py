"""Commands inside containers, with a limit: the engine may keep the stream of a command open for ever.

It does so where the container goes away under the command (seen with engine 20.10); so streams are closed from here.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from docker.errors import APIError
from docker.models.containers import Container
from docker.utils.socket import consume_socket_output, demux_adaptor, frames_iter

from reprolab.core.errors import InvalidTrial

LIMIT = 30.0


@dataclass(frozen=True)
class Output:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


@dataclass
class Commands:
    """The commands under way on behalf of one stack, so that all of them can be broken off at once."""

    streams: list[Any] = field(default_factory=list)
    broken_off: bool = False

    def run(self, container: Container, command: Sequence[str], limit: float = LIMIT) -> Output:
        """Run a command in a container. Raises InvalidTrial at the limit (seconds) or if it cannot start."""
        assert container.client is not None
        api = container.client.api
        try:
            made = api.exec_create(container.id, list(command))["Id"]
            stream = api.exec_start(made, socket=True)
        except APIError as error:
            raise InvalidTrial(f"{command[0]} cannot run in {container.name}: {error.explanation}") from error
        with self._limited(stream, limit) as late:
            frames = (demux_adaptor(*frame) for frame in frames_iter(stream, tty=False))  # type: ignore[no-untyped-call]
            out, err = consume_socket_output(frames, demux=True)
        if late.is_set() or self.broken_off:
            raise InvalidTrial(f"{command[0]} did not end in {container.name} within {limit:g} s")
        try:
            code = api.exec_inspect(made)["ExitCode"]
        except APIError as error:
            raise InvalidTrial(f"{container.name} went away under {command[0]}: {error.explanation}") from error
        return Output(-1 if code is None else code, _text(out), _text(err))

    def break_off(self) -> None:
        """End all of them; whoever waits for one gets an InvalidTrial."""
        self.broken_off = True
        for stream in list(self.streams):
            _shut(stream)

    @contextmanager
    def _limited(self, stream: Any, limit: float) -> Iterator[threading.Event]:
        late = threading.Event()

        def end() -> None:
            late.set()
            _shut(stream)

        timer = threading.Timer(limit, end)
        timer.daemon = True
        timer.start()
        self.streams.append(stream)
        try:
            yield late
        finally:
            timer.cancel()
            self.streams.remove(stream)
            stream.close()


def _shut(stream: Any) -> None:
    """Wake whoever reads; a closed one stays closed."""
    with suppress(OSError, ValueError):
        getattr(stream, "_sock", stream).shutdown(socket.SHUT_RDWR)


def _text(part: bytes | None) -> str:
    return (part or b"").decode("utf-8", "replace")
