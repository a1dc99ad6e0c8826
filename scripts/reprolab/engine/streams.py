"""Streams of the engine that are attached to a container or to a command in it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from docker.utils.socket import frames_iter

STDOUT = 1  # the number of standard output in the engine's stream


def socket_of(stream: Any) -> socket.socket:
    """The socket of a stream; docker-py gives the socket itself, or a file around it."""
    raw: socket.socket = getattr(stream, "_sock", stream)
    return raw


def stdout_lines(stream: Any, on_stderr: Callable[[bytes], object] = lambda part: None) -> Iterator[bytes]:
    """The lines of a stream's standard output until it ends or is closed; the rest goes to ``on_stderr``."""
    rest = b""
    with suppress(OSError, ValueError):
        for number, part in frames_iter(stream, tty=False):  # type: ignore[no-untyped-call]
            if number != STDOUT:
                on_stderr(part)
                continue
            *lines, rest = (rest + part).split(b"\n")
            yield from lines
