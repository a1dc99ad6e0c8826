"""The live state on one screen, drawn for the room there is: moving lines, a file, processes, events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from reprolab.demo.frames import Frame, Line, Row
from reprolab.demo.layout import MARGIN
from reprolab.demo.recording import BY_LAB, LAB
from reprolab.demo.script import Watch
from reprolab.report.timeline import Event

BLOCKS = " ▁▂▃▄▅▆▇█"
LAB_TITLE = f"; {BY_LAB}: frozen, freed by the lab"
LOG_TITLE = ("what its log says", "what its log says, what the lab did")
LABEL, FIGURES = 10, 25
FRESH_MS = 3000.0
STATUS_STYLES = {"1": "cyan", "2": "green", "3": "cyan", "4": "yellow", "5": "red"}
EVENT_STYLES = {
    **dict.fromkeys(("gone", "killed", "traceback"), "red"),
    **dict.fromkeys(("ending", "restarted"), "yellow"),
    "started": "green",
}


@dataclass(frozen=True)
class Live:
    """The state of a stack at one moment, drawn for the room there is."""

    frame: Frame
    watch: Watch
    height: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Moving lines above, the file below them, then processes and events side by side."""
        # A heading of two lines leaves less room than the page was made for.
        here = replace(self, height=min(self.height, options.height or self.height))
        yield from console.render(Group(*here._parts(options.max_width)), options)

    def _parts(self, width: int) -> list[RenderableType]:
        parts = [*self._lines(width), *self._file()]
        room = max(4, self.height - sum(height for _, height in parts))
        return [*(part for part, _ in parts), self._below(room)]

    def _lines(self, width: int) -> list[tuple[RenderableType, int]]:
        if not (self.watch.responses or self.watch.lines):
            return []
        shown = self.frame.lines
        lab = any(line.label == BY_LAB for line in shown)
        title = Text(line_title(self.watch) + (LAB_TITLE if lab else ""), style="dim")
        if not shown:
            told = self.frame.missing.get("counts", "none yet")
            return [(title, 1), (Text(f"  {told}", style="dim"), 1)]
        rows = max(1, min(4, (self.height - 13) // len(shown)))
        drawn: list[tuple[RenderableType, int]] = [(title, 1)]
        return drawn + [(moving_line(line, rows), rows) for line in shown]

    def _file(self) -> list[tuple[RenderableType, int]]:
        if self.watch.file is None:
            return []
        text = Text(f"{self.watch.file.name} {self.watch.file.path}  ")
        text.append_text(file_state(self.frame))
        return [(Text(), 1), (text, 1)]

    def _below(self, room: int) -> RenderableType:
        grid = Table.grid(expand=True, padding=(0, 2, 0, 0))
        grid.add_column(ratio=5)
        grid.add_column(ratio=6)
        left = process_lines(self.frame, room - 2) if self.watch.processes else []
        right = event_lines(self.frame, room - 2) if self.watch.events else []
        grid.add_row(Text(), Text())
        grid.add_row(
            _block(f"processes in {self.watch.processes}" if left else "", left),
            _block(LOG_TITLE[any(event.source == LAB for event in self.frame.events)] if right else "", right),
        )
        return grid


def _block(title: str, lines: Sequence[Text]) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    for line in [Text(title, style="dim"), *lines]:
        text.append_text(line).append("\n")
    return text


def line_title(watch: Watch) -> str:
    """What the moving lines count."""
    return f"responses per second, from {watch.responses}'s access log" if watch.responses else "lines per second"


def columns_for(width: int) -> int:
    """How many columns a moving line has in a terminal of a width."""
    return max(10, width - 2 * MARGIN - LABEL - FIGURES)


def style_of(label: str) -> str:
    """A colour for a status, one for all else."""
    if label == BY_LAB:
        return "red"
    return STATUS_STYLES.get(label[:1], "cyan") if label.isdigit() else "cyan"


def moving_line(line: Line, rows: int) -> RenderableType:
    """A label, its line as bars of up to ``rows`` lines, and its figures: the last second, all, the peak."""
    style = style_of(line.label)
    grid = Table.grid()
    grid.add_column(width=LABEL, no_wrap=True, overflow="ellipsis")
    grid.add_column(no_wrap=True)
    grid.add_column(width=FIGURES, justify="right", no_wrap=True)
    told = [f"{number(line.rate)}/s", f"of {number(line.total)} in all", f"peak {number(line.peak)}/s"]
    top = max((value or 0 for value in line.columns), default=0)
    for row in reversed(range(rows)):
        place = rows - 1 - row
        name = Text(line.label, style=f"bold {style}") if place == 0 else Text()
        figure = told[place] if place < len(told) else ""
        if rows == 1:
            figure = f"{told[0]} {told[1]}"
        bar = "".join(block(value, top, row, rows) for value in line.columns)
        grid.add_row(name, Text(bar.ljust(len(line.columns)), style=style), Text(figure, style="" if place else "bold"))
    return grid


def block(value: int | None, top: int, row: int, rows: int) -> str:
    """The character of one column in one line of its bar, counted from the ground; what is above nothing shows."""
    if value is None or (value == 0 and row):
        return " "
    if value == 0:
        return "·"
    level = max(1, round(value / top * rows * 8))
    return BLOCKS[max(0, min(8, level - 8 * row))]


def number(value: int) -> str:
    """A count with spaces between thousands."""
    return f"{value:,}".replace(",", " ")


def seconds(ms: float) -> str:
    """A moment on the stage's clock."""
    return f"{ms / 1000:.1f} s"


def file_state(frame: Frame) -> Text:
    """Whether the watched file is there, as the last look saw it."""
    if frame.present is None:
        return Text(frame.missing.get("file", "not looked at yet"), style="dim")
    if frame.present:
        return Text(" present ", style="bold white on green")
    since = "" if frame.gone_ms is None else f" seen gone at {seconds(frame.gone_ms)}"
    return Text(" GONE ", style="bold white on red") + Text(since, style="red")


def process_lines(frame: Frame, room: int) -> list[Text]:
    """A line for each process, new and gone ones marked; of too many, those that went first are left out."""
    if frame.rows is None:
        return [Text(frame.missing.get("processes", frame.missing.get("looks", "not looked at yet")), style="dim")]
    note = [Text(frame.missing[what], style="dim") for what in ("processes", "looks") if what in frame.missing]
    hidden = max(0, len(frame.rows) - max(2, room - len(note)))
    hidden += bool(hidden)
    gone = sorted((row for row in frame.rows if row.gone_ms is not None), key=lambda row: row.gone_ms or 0.0)
    left_out = {row.process.pid for row in gone[:hidden]}
    shown = [row for row in frame.rows if row.process.pid not in left_out]
    rest = len(shown) - max(1, room - len(note) - bool(left_out))
    told = [f"{len(left_out)} more gone"] if left_out else []
    if rest > 0:
        shown, told = shown[:-rest], [*told, f"{rest} more there"]
    rest_told = [Text(f"… {', '.join(told)}", style="dim")] if told else []
    return [*note, *(process_line(row, frame.now_ms) for row in shown), *rest_told]


def process_line(row: Row, now_ms: float) -> Text:
    """One process: where it stands in the tree, its pid, and whether it is new or gone."""
    text = Text("  " * row.depth)
    threads = f" {row.process.threads} threads" if row.process.threads > 1 else ""
    name = f"{row.process.pid} {row.process.name}{threads}"
    if row.gone_ms is not None:
        return text.append(name, style="red strike").append(f"  gone {seconds(row.gone_ms)}", style="red")
    if row.new:
        fresh = now_ms - row.since_ms <= FRESH_MS
        return text.append(name, style="bold green" if fresh else "green").append(
            f"  {'NEW' if fresh else 'since'} {seconds(row.since_ms)}", style="green"
        )
    return text.append(name)


def event_lines(frame: Frame, room: int) -> list[Text]:
    """The last events, the newest at the bottom."""
    if not frame.events:
        return [Text(frame.missing.get("events", "nothing yet"), style="dim")]
    return [event_line(event) for event in frame.events[-max(1, room) :]]


def event_line(event: Event) -> Text:
    """When, and what."""
    return (
        Text().append(f"{seconds(event.at_ms):>7} ", style="dim").append(event.text, EVENT_STYLES.get(event.kind, ""))
    )


def plain_line(frame: Frame, watch: Watch) -> str:
    """The same state in one line, for where there is no terminal."""
    parts = [f"{seconds(frame.now_ms):>7}"]
    parts += [f"{line.label}: {number(line.rate)}/s" for line in frame.lines]
    if watch.file is not None:
        parts.append(f"{watch.file.name}: {file_state(frame).plain.strip()}")
    if watch.processes and frame.rows is not None:
        there = [str(row.process.pid) for row in frame.rows if row.gone_ms is None]
        parts.append(f"processes: {' '.join(there)} ({sum(row.gone_ms is not None for row in frame.rows)} gone)")
    return "  ".join(parts)
