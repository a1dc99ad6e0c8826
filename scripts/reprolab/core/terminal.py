"""The terminal: every text that the lab prints is harmless, and no character stops it.

`Terminal` is the console for reports. `harmless_output` covers everything else that a command prints, also the messages
of libraries.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from reprolab.core.foreign_text import LONGEST, plain, short, shown


class Terminal(Console):
    """A console that takes no markup from a text, and that shows escape sequences instead of obeying them.

    Rich's own sequences (colours, the cursor) are not texts, so they stay.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

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


@contextmanager
def harmless_output() -> Iterator[None]:
    """All that the block prints is harmless; what the terminal's encoding lacks is printed as a question mark."""
    before = sys.stdout, sys.stderr
    for stream in before:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    sys.stdout, sys.stderr = (stream and cast(TextIO, HarmlessStream(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
