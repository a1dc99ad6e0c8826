"""Reads Python tracebacks in a log."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from reprolab.logs.timestamps import Clock, split_timestamp

PYTHON_FILE = re.compile(rb'^\s+File "([^"]+)", line (\d{1,9}), in (\S+)')
PYTHON_ERROR = re.compile(
    rb"^((?:[A-Za-z_]\w*\.)+[A-Za-z_]\w*|\w*(?:Error|Exception|Exit|Interrupt|Iteration|Warning))(?:: (.*))?$"
)
# A line that begins another traceback. Frames before it without an error line belong to an incomplete traceback.
MOST_FRAMES = 1000
PYTHON_BEGIN = (
    b"Traceback (most recent call last):",
    b"During handling of the above exception",
    b"The above exception was the direct cause",
)


@dataclass(frozen=True)
class Traceback:
    """One Python traceback: when it ended, the exception, and the frames as (file, line, function), outermost first."""

    moment_ns: int
    exception: str
    message: str
    frames: tuple[tuple[str, int, str], ...]

    @property
    def place(self) -> str:
        """The innermost file and function, for grouping: 'sock.py close'; "?" without frames."""
        if not self.frames:
            return "?"
        name, _, function = self.frames[-1]
        return f"{name.rsplit('/', 1)[-1]} {function}"


def tracebacks(lines: Iterable[bytes]) -> Iterator[Traceback]:
    """The Python tracebacks of a log, in order. Other lines may stand between the lines of a traceback.

    Lines without the engine's timestamp are skipped.
    """
    # A log may have any number of such lines.
    frames: deque[tuple[str, int, str]] = deque(maxlen=MOST_FRAMES)
    clock = Clock()
    for line in lines:
        stamp, text = split_timestamp(line)
        if not stamp:
            continue
        if match := PYTHON_FILE.match(text):
            frames.append((match[1].decode("utf-8", "replace"), int(match[2]), match[3].decode("utf-8", "replace")))
        elif frames and (match := PYTHON_ERROR.match(text.rstrip())):
            message = (match[2] or b"").decode("utf-8", "replace")
            yield Traceback(clock(line), match[1].decode(), message, tuple(frames))
            frames.clear()
        elif any(mark in text for mark in PYTHON_BEGIN):
            frames.clear()
