"""Slides that fill the terminal: a heading, a body with text, a question or figures, and a foot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.layout import Layout
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

TEXT_WIDTH = 100
MARGIN = 2


@dataclass(frozen=True)
class Slide:
    """One screen: a heading with ``aside`` at its right, the body, and a foot that tells what keys do."""

    heading: str
    aside: str
    body: RenderableType
    foot: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render the slide for the whole terminal, or as plain lines without a terminal."""
        top = Group(_ends(Text(self.heading, style="bold"), Text(self.aside, style="dim")), Rule(style="dim"))
        body = Padding(self.body, (0, MARGIN))
        if not console.is_terminal:
            yield Group(top, body, Text())
            return
        screen = Layout()
        rows = len(console.render_lines(top, options.update(height=None)))
        screen.split_column(Layout(top, size=rows), Layout(body), Layout(Text(f" {self.foot}", style="dim"), size=1))
        yield from screen.__rich_console__(console, options)


def _ends(left: Text, right: Text) -> Table:
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(ratio=1)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_row(left, right)
    return grid


def prose(text: str, style: str = "") -> RenderableType:
    """The paragraphs of a text of demo.yaml, at most TEXT_WIDTH wide; a line that begins with a space stays a line."""
    return _Narrow(Text("\n\n".join(map(_paragraph, text.strip("\n").split("\n\n"))), style=style))


def _paragraph(text: str) -> str:
    lines = text.split("\n")
    return text if any(line.startswith(" ") for line in lines) else " ".join(line.strip() for line in lines)


@dataclass(frozen=True)
class _Narrow:
    inner: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from console.render(self.inner, options.update_width(min(options.max_width, TEXT_WIDTH)))


def words(text: str, question: str = "", note: str = "") -> RenderableType:
    """A text, a question to the audience below it, and a note."""
    parts: list[RenderableType] = [Text(), prose(text)]
    if question:
        parts += [Text(), Text("What do you expect?", style="bold magenta"), prose(question, "bold")]
    if note:
        parts += [Text(), prose(note, "dim")]
    return Group(*parts)


def figures(headings: Sequence[str], acts: Mapping[str, Mapping[str, str]], reveal: str, note: str) -> RenderableType:
    """A table with a row for each figure and a column for each act so far, the newest in bold; then the texts."""
    grid = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    grid.add_column("")
    newest = list(acts)[-1]
    for variant in acts:
        grid.add_column(variant, justify="right", style="bold" if variant == newest else "", overflow="fold")
    for heading in headings:
        grid.add_row(heading, *(cells.get(heading, "") for cells in acts.values()))
    return Group(Text(), grid, Text(), prose(reveal), Text(), prose(note, "dim"))
