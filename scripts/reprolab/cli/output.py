"""Standard output whose reader may end before the command does, as `head` does.

A run goes on then, without a word: its evidence, verdict and report are on disk. Its exit status tells of the reader,
since 1 would mean drift.
"""

from __future__ import annotations

import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from reprolab.core.errors import Exit
from reprolab.core.files import discard
from reprolab.core.terminal import Terminal


class Output(Terminal):
    """A terminal that is quiet once its reader has ended. Rich ends the program there, with status 1."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        _discard(self.file)


# Whether the reader of standard output has ended, once something was written to it.
_gone: list[bool] = []


@contextmanager
def reader_may_end() -> Iterator[None]:
    """End the program with BROKEN_PIPE, whatever status the block exits with, if nobody reads standard output."""
    try:
        yield
    finally:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            _discard(sys.stdout)
        if _gone:
            sys.exit(Exit.BROKEN_PIPE)


def reader_has_ended() -> bool:
    """Whether nobody reads standard output: a BrokenPipeError may be of another pipe."""
    if not _gone:
        with suppress(OSError, ValueError):
            poll = select.poll()
            poll.register(sys.stdout.fileno(), 0)
            if any(event & select.POLLERR for _, event in poll.poll(0)):
                _discard(sys.stdout)
    return bool(_gone)


def _discard(stream: IO[str]) -> None:
    """Let all further output to a stream vanish; Python would fail to write the rest at its end."""
    with suppress(OSError, ValueError):
        number = stream.fileno()
        discard(number)
        if number == 1:
            _gone.append(True)
