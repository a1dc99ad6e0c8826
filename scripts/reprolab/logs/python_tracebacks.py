"""Python tracebacks in a log."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from reprolab.logs.timestamps import Clock, split_timestamp

PYTHON_FILE = re.compile(rb'^\s+File "([^"]+)", line (\d+), in (\S+)')
PYTHON_ERROR = re.compile(
    rb"^((?:[A-Za-z_]\w*\.)+[A-Za-z_]\w*|\w*(?:Error|Exception|Exit|Interrupt|Iteration|Warning))(?:: (.*))?$"
)
# What follows is another traceback: frames without an end, before it, belong to one that was torn off.
PYTHON_BEGIN = (
    b"Traceback (most recent call last):",
    b"During handling of the above exception",
    b"The above exception was the direct cause",
)


@dataclass(frozen=True)
class Traceback:
    """The end of one Python traceback: when, what, and its frames as (file, line, function), outermost first."""

    moment_ns: int
    exception: str
    message: str
    frames: tuple[tuple[str, int, str], ...]

    @property
    def place(self) -> str:
        """The innermost file and function, for grouping: 'sock.py close'."""
        if not self.frames:
            return "?"
        name, _, function = self.frames[-1]
        return f"{name.rsplit('/', 1)[-1]} {function}"


def tracebacks(lines: Iterable[bytes]) -> Iterator[Traceback]:
    """The Python tracebacks of a log, one by one; a traceback's lines may be mixed with others' lines."""
    frames: list[tuple[str, int, str]] = []
    clock = Clock()
    for line in lines:
        stamp, text = split_timestamp(line)
        if not stamp:
            continue
        if found := PYTHON_FILE.match(text):
            frames.append((found[1].decode("utf-8", "replace"), int(found[2]), found[3].decode("utf-8", "replace")))
        elif frames and (found := PYTHON_ERROR.match(text.rstrip())):
            message = (found[2] or b"").decode("utf-8", "replace")
            yield Traceback(clock(line), found[1].decode(), message, tuple(frames))
            frames = []
        elif any(mark in text for mark in PYTHON_BEGIN):
            frames = []
