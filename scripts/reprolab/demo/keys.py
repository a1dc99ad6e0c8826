"""The presenter's keys: any key continues, q leaves. Without a keyboard there is a fixed pause, or none."""

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
    """The presenter pressed q. It ends the demonstration as an interrupt does."""


class Keys(Protocol):
    """How a demonstration waits between its steps. ``hint`` tells the presenter what to press."""

    hint: str

    def __enter__(self) -> Keys:
        """Prepare the terminal to read keys."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Restore the terminal."""

    def pause(self) -> None:
        """Wait between two steps. Raises Left for q."""

    def wait(self, seconds: float) -> None:
        """Wait within a step; keys other than q are ignored. Raises Left for q."""


class Keyboard:
    """The keys of a terminal; with ``rhythm`` it also continues after so many seconds without a key."""

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
        # A key that was pressed during the last step does not count.
        termios.tcflush(self._descriptor, termios.TCIFLUSH)
        self._key(self._rhythm)

    def wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._key(left)

    def _key(self, seconds: float | None) -> str:
        ready, _, _ = select.select([self._descriptor], [], [], seconds)
        if not ready:
            return ""
        pressed = os.read(self._descriptor, 64).decode("utf-8", "replace")
        # A closed terminal is readable and empty.
        if not pressed or any(key in pressed for key in LEAVE):
            raise Left
        return pressed


class Rhythm:
    """A fixed pause between steps in seconds, without a keyboard; 0 for none. ``sleep`` is replaced in tests."""

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
        self._sleep(self._seconds)

    def wait(self, seconds: float) -> None:
        self._sleep(seconds)
