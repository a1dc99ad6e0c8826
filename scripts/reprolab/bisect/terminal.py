"""The result of a bisect in the terminal, and in report.txt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from reprolab.bisect import words
from reprolab.bisect.document import BisectDocument
from reprolab.bisect.reading import HEADINGS, Reading, has_companions, of_commits, of_document, side_style
from reprolab.bisect.strip import legend, strip
from reprolab.engine.host_facts import Host


def render(console: Console, document: BisectDocument, where: str) -> None:
    """Print the result; ``where`` names the directory of the evidence."""
    reading = of_document(document)
    console.print(Text(f"{document.factor}: {reading.headline}", style="bold"))
    console.print(Text(f"bad: {document.sign}; documented: {document.documented or 'no value'}", style="dim"))
    if early := words.ended_words(document.ended, document.status):
        console.print(Text(early, style="yellow"))
    for part in _parts(reading):
        console.print(part)
    for search in document.deep:
        console.print(Text(f"\n{words.commits_title(search)}", style="bold"))
        deep = of_commits(search)
        console.print(Text(deep.headline))
        for part in _parts(deep):
            console.print(part)
    for part in _behind(document):
        console.print(part)
    console.print(Text(f"evidence: {where}", style="bold"))


def _parts(reading: Reading) -> Iterator[RenderableType]:
    if not reading.rows:
        return
    yield Text(f"\n{strip(reading.points)}")
    yield Text("   ".join(legend(reading.points)) + "\n", style="dim")
    for change in reading.changes:
        yield Text(change.sentence, style="bold")
        yield Text(f"  {change.counts}", style="dim" if change.sure else "yellow")
    yield from (Text(line) for line in reading.edges)
    yield _table(reading)
    yield from _listed("between the points that were measured", reading.assumed)
    yield from _listed("holes", reading.holes)
    yield from _listed("how sure", reading.sureness)
    yield Text(reading.trials)


def _table(reading: Reading) -> Table:
    rows = reading.rows
    companions = has_companions(rows)
    notes = any(row.note for row in rows)
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in (reading.kind, *(HEADINGS if companions else HEADINGS[:-1]), *(["subject"] if notes else [])):
        grid.add_column(heading, overflow="fold")
    for row in rows:
        behind = [*([row.companions] if companions else []), *([row.note] if notes else [])]
        grid.add_row(row.value, row.date, Text(row.side, style=side_style(row)), row.count, row.interval, *behind)
    return grid


def _listed(title: str, lines: Sequence[str]) -> Iterator[Text]:
    if lines:
        yield Text(title, style="underline")
        yield from (Text(f"  {line}", style="dim") for line in lines)


def _behind(document: BisectDocument) -> Iterator[Text]:
    yield Text("")
    yield from (Text(note, style="dim") for note in document.notes)
    yield from (Text(f"base image: {base}", style="dim") for base in document.bases)
    if document.host != Host():
        yield Text(f"host: {words.host_words(document.host)}", style="dim")
    yield Text(f"again: {words.repeat(document)}", style="dim")
