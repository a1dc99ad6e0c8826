"""The presenter's keys: any key goes on, q leaves; where nobody can press one, a fixed rhythm or no pause at all."""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol

LEAVE = ("q", "Q")


class Left(KeyboardInterrupt):
    """The presenter pressed q: as an interrupt, but meant."""


class Keys(Protocol):
    """How a demonstration waits."""

    hint: str

    def __enter__(self) -> Keys:
        """Make keys readable."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it was."""

    def pause(self) -> None:
        """Wait between two steps. Raises Left for q."""

    def wait(self, seconds: float) -> None:
        """Let time pass within a step; keys but q are for nothing. Raises Left for q."""


class Keyboard:
    """Keys of the terminal on a file descriptor (standard input); with ``rhythm``, seconds, nobody need press one."""

    def __init__(self, descriptor: int | None = None, rhythm: float | None = None) -> None:
        self._descriptor = sys.stdin.fileno() if descriptor is None else descriptor
        self._rhythm = rhythm
        self._before: list[Any] = []
        self.hint = "any key: go on · q: leave" if rhythm is None else f"goes on after {rhythm:g} s · q: leave"

    def __enter__(self) -> Keyboard:
        self._before = termios.tcgetattr(self._descriptor)
        # Ctrl-C stays a signal.
        tty.setcbreak(self._descriptor)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)

    def pause(self) -> None:
        """Until a key is pressed, or the rhythm's time is over."""
        # What was pressed during the step before was not meant for this one.
        termios.tcflush(self._descriptor, termios.TCIFLUSH)
        self._key(self._rhythm)

    def wait(self, seconds: float) -> None:
        """The time in full; keys are looked at."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._key(left)

    def _key(self, seconds: float | None) -> str:
        ready, _, _ = select.select([self._descriptor], [], [], seconds)
        if not ready:
            return ""
        pressed = os.read(self._descriptor, 64).decode("utf-8", "replace")
        # A terminal that has gone is readable and has nothing.
        if not pressed or any(key in pressed for key in LEAVE):
            raise Left
        return pressed


class Rhythm:
    """No keyboard: a fixed pause between steps (0 for none); ``sleep`` is for tests."""

    def __init__(self, seconds: float = 0.0, sleep: Callable[[float], None] = time.sleep) -> None:
        self._seconds = seconds
        self._sleep = sleep
        self.hint = f"goes on after {seconds:g} s"

    def __enter__(self) -> Rhythm:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def pause(self) -> None:
        """The fixed pause."""
        self._sleep(self._seconds)

    def wait(self, seconds: float) -> None:
        """The time in full."""
        self._sleep(seconds)
