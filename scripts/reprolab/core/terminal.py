"""The terminal: every text that the lab prints is harmless, and no character stops it.

`Terminal` is the console for reports. `harmless_output` covers everything else that a command prints, also the messages
of libraries.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any, TextIO, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from reprolab.core.foreign_text import LONGEST, plain, short, shown

REPORT_WIDTH = 160  # characters, where no terminal has a width of its own


class Terminal(Console):
    """A console that takes no markup from a text, and that shows escape sequences instead of obeying them.

    Rich's own sequences (colours, the cursor) are not texts, so they stay.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    @property
    def file(self) -> IO[str]:
        """The stream below `HarmlessStream`, also while a moving display of rich has wrapped that once more."""
        stream = super().file
        return stream.rich_proxied_file if isinstance(stream, HarmlessStream) else stream

    @file.setter
    def file(self, stream: IO[str]) -> None:
        self._file = stream

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        if isinstance(renderable, Text):
            # Before its lines are broken, so that its width is right.
            renderable = _shown_text(renderable)
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=plain(segment.text))

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(shown(text), **options)


def _shown_text(text: Text) -> Text:
    """The text with its styles, but plain, and without endless lines."""
    cleaned = plain(text.plain)
    if cleaned == text.plain and len(cleaned) <= LONGEST:
        return text
    copy = text.copy()
    copy.plain = cleaned  # as long as before: each character has become one other
    if len(cleaned) <= LONGEST:
        return copy
    lines = copy.split("\n", allow_blank=True)
    return text.blank_copy("\n").join(line if len(line) <= LONGEST else _short_line(line) for line in lines)


def _short_line(line: Text) -> Text:
    more = short(line.plain).removeprefix(line.plain[:LONGEST])
    return line[:LONGEST].append(more)


class HarmlessStream:
    """Standard output or error, with every text made harmless on its way.

    A console of rich writes to the stream below (``rich_proxied_file``): it makes its texts harmless itself. There is
    no ``buffer``, as click would write to it.
    """

    def __init__(self, below: TextIO) -> None:
        self.rich_proxied_file = below

    def write(self, text: str) -> int:
        self.rich_proxied_file.write(shown(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":
            raise AttributeError(name)
        return getattr(self.rich_proxied_file, name)


TERMINALS = (4, 5, *range(136, 144))  # the kernel's numbers of the drivers: tty, console, pseudo terminals


class TerminalFile(io.FileIO):
    """A terminal that may be closed: what is written to it then vanishes. SIGHUP ends the command in order."""

    def write(self, content: Any) -> int:
        try:
            return super().write(content)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return len(content)


def _is_terminal(stream: TextIO) -> bool:
    """Whether a stream is a terminal, or was one: isatty() is False for one that is closed."""
    try:
        status = os.fstat(stream.fileno())
    except OSError:  # not a file at all, as under the tests of click
        return False
    return stat.S_ISCHR(status.st_mode) and os.major(status.st_rdev) in TERMINALS


def _closable(stream: TextIO) -> TextIO:
    """The stream, but one that can be written to if it is a terminal that was closed."""
    if not (isinstance(stream, io.TextIOWrapper) and _is_terminal(stream)):
        return stream
    below = io.BufferedWriter(TerminalFile(stream.fileno(), "w", closefd=False))
    return io.TextIOWrapper(below, encoding=stream.encoding, errors=stream.errors, line_buffering=True)


def _open_closed_streams() -> None:
    """Give a closed standard stream to /dev/null. Else the next file that is opened would have its number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8", closefd=False)


@contextmanager
def harmless_output() -> Iterator[None]:
    """All that the block prints is harmless; what the terminal's encoding lacks is printed as a question mark."""
    _open_closed_streams()
    before = sys.stdout, sys.stderr
    for stream in before:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    sys.stdout, sys.stderr = (cast(TextIO, HarmlessStream(_closable(stream))) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
