"""Signals that end the lab. The first one ends the run in order, the second one within seconds.

While a stack is removed, or a finished trial is saved, the first signal waits until that is done.
"""

from __future__ import annotations

import os
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import NoReturn

from reprolab.core import command_text, subprocesses
from reprolab.core.errors import Exit
from reprolab.core.files import discard

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
GRACE = 8.0  # seconds from the second signal to the end
STOPPING = "stopping: the evidence is saved, and the stack is removed; again to end within {:g} s"
AGAIN = "already stopping: ends within {:g} s, whatever is left then"


@dataclass
class _State:
    """The signals of this process so far, and what it has on the engine."""

    received: int = 0
    depth: int = 0
    pending: bool = False
    standing: dict[str, None] = field(default_factory=dict)
    stood: bool = False


_state = _State()


def install() -> None:
    """Handle the signals from now on. Called once by a command, in the main thread."""
    _state.received, _state.depth, _state.pending = 0, 0, False
    for number in SIGNALS:
        # nohup lets a program ignore SIGHUP, and it must go on. A shell lets programs in the background ignore SIGINT
        # and SIGQUIT, which the lab can be sent all the same.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _handle)


@contextmanager
def handled() -> Iterator[None]:
    """In the main thread: handle the signals while the block runs. After it they are handled as before."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is _handle:
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    install()
    try:
        yield
    finally:
        for number, handler in before.items():
            # A handler that no Python code has set is None, and cannot be set again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _handle(number: int, frame: FrameType | None) -> None:
    _state.received += 1
    if number == signal.SIGHUP:
        _leave_terminal()
    if _state.received > 1:
        _print(AGAIN.format(GRACE))
        if _state.received == 2:
            end_after(GRACE, Exit.INTERRUPTED)
    elif _state.depth:
        _state.pending = True
        _print(STOPPING.format(GRACE))
    else:
        raise KeyboardInterrupt


def _leave_terminal() -> None:
    """A terminal that was closed accepts no output: each print would be an error."""
    for descriptor in (0, 1, 2):
        with suppress(OSError):
            if stat.S_ISCHR(os.fstat(descriptor).st_mode):
                discard(descriptor)


def received() -> bool:
    """Whether a signal to end came."""
    return bool(_state.received)


@contextmanager
def deferred() -> Iterator[None]:
    """In the main thread: the first signal raises KeyboardInterrupt only at the end of the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = _state.depth
    if not before:
        _raise_pending()
    _state.depth = before + 1
    try:
        yield
    finally:
        _state.depth = before
    if not before:
        _raise_pending()


@contextmanager
def allowed() -> Iterator[None]:
    """Inside `deferred`: a signal raises KeyboardInterrupt at once again."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before, _state.depth = _state.depth, 0
    try:
        _raise_pending()
        yield
    finally:
        _state.depth = before


def _raise_pending() -> None:
    if _state.pending:
        _state.pending = False
        raise KeyboardInterrupt


def stands(name: str) -> None:
    """Note what this process has on the engine: it is named if it has to stay there."""
    _state.standing[name] = None
    _state.stood = True


def is_gone(name: str) -> None:
    """Forget what the engine no longer has, or what may stay."""
    _state.standing.pop(name, None)


def standing() -> list[str]:
    """What this process still has on the engine."""
    return list(_state.standing)


def stood() -> bool:
    """Whether this process has had anything on the engine."""
    return _state.stood


def remains() -> str:
    """What stays on the engine, and what to do, in one line; "" if nothing stays."""
    names = ", ".join(standing())
    clean = command_text.command("clean", "clean")
    return f"left on the engine: {names}; the next run or `{clean}` removes it" if names else ""


def end_after(seconds: float, status: Exit) -> Callable[[], None]:
    """End this process after so many seconds, whatever it waits for. Returns a function that calls it off."""
    timer = threading.Timer(seconds, _end_now, (status,))
    timer.daemon = True
    timer.start()
    return timer.cancel


def _end_now(status: Exit) -> NoReturn:
    subprocesses.kill_all()
    _print(remains() or "nothing is left on the engine")
    _print(f"reprolab: exit status {int(status)} ({status.words})")
    os._exit(int(status))


def _print(message: str) -> None:
    with suppress(OSError):
        os.write(2, f"\n· {message}\n".encode())
