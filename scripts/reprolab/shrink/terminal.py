"""A shrink in the terminal: the tested steps, and the starting stack beside the least one."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reprolab.shrink import words
from reprolab.shrink.document import ShrinkDocument, Status

STYLES = {"accepted": "green", "confirmed": "green", "shows it": "green", "refused": "dim", "dropped": "yellow"}
FIGURES = ("step", "sign")


def render(console: Console, document: ShrinkDocument, where: str) -> None:
    """Print a whole shrink; ``where`` names its directory."""
    title = Text(f"{document.scenario} · {document.claim}: {document.text}", style="bold")
    console.print(title.append(f"   {document.begun}", style="dim"))
    console.print(_steps(document))
    console.print(_side_by_side(document))
    style = "green" if document.status is Status.MINIMAL else "yellow"
    console.print(Text(words.result(document), style=f"bold {style}"))
    if sentence := words.minimality(document):
        console.print(Text(sentence, style=style))
    if control := words.control(document):
        console.print(Text(f"{control[0]}.", style="" if control[1] else "yellow"))
    last = [words.effort(document), f"again: {words.repeat(document)}", f"evidence: {where}"]
    if whole := words.whole(document):
        last = [f"all settings of it: {whole}", *last]
    console.print(Text("\n".join(last), style="dim"))


def _steps(document: ShrinkDocument) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in words.STEP_HEADINGS:
        grid.add_column(heading, justify="right" if heading in FIGURES else "left", overflow="fold")
    for row in words.step_rows(document):
        grid.add_row(*map(Text, row.cells), style=STYLES.get(row.outcome, ""))
    return grid


def _side_by_side(document: ShrinkDocument) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("", words.start_words(document), "least"):
        grid.add_column(heading, overflow="fold")
    for name, before, after in words.side_by_side(document):
        grid.add_row(*map(Text, (name, before, after)), style="dim" if after == words.SAME else "")
    return grid
