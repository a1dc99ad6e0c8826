"""Draws the state of a stack on one screen: moving lines, a file, processes, events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from reprolab.core.number_words import grouped
from reprolab.demo.frames import Frame, ProcessRow, ScreenLine
from reprolab.demo.layout import MARGIN
from reprolab.demo.recording import BY_LAB, LAB
from reprolab.demo.script import Watch
from reprolab.report.timeline import Event

BLOCKS = " ▁▂▃▄▅▆▇█"
LAB_TITLE = f"; {BY_LAB}: frozen, freed by the lab"
LOG_TITLE = ("what its log says", "what its log says, what the lab did")
LABEL, FIGURES = 10, 25
FRESH_MS = 3000.0
SECOND = 1000  # milliseconds
AXIS_STEPS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600)  # seconds between two marks of the axis
AXIS_ROOM = 8  # columns of a mark
STATUS_STYLES = {"1": "cyan", "2": "green", "3": "cyan", "4": "yellow", "5": "red"}
EVENT_STYLES = {
    **dict.fromkeys(("gone", "killed", "traceback"), "red"),
    **dict.fromkeys(("ending", "restarted"), "yellow"),
    "started": "green",
}


@dataclass(frozen=True)
class Live:
    """The state of a stack at one moment, for a screen of ``height`` lines.

    ``top`` is the number that a bar of full height stands for: the highest column of all acts so far.
    """

    frame: Frame
    watch: Watch
    height: int
    top: int = 0

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Moving lines at the top, the file below them, then processes and events side by side."""
        # A heading with two lines leaves less room.
        fitted = replace(self, height=min(self.height, options.height or self.height))
        yield from console.render(Group(*fitted._parts(options.max_width)), options)

    def _parts(self, width: int) -> list[RenderableType]:
        parts = [*self._holding(), *self._lines(width), *self._file()]
        room = max(4, self.height - sum(height for _, height in parts))
        return [*(part for part, _ in parts), self._processes_and_events(room)]

    def _holding(self) -> list[tuple[RenderableType, int]]:
        if self.frame.holding is None:
            return []
        return [(Text(f" {holding(self.frame)} ", style="bold white on red"), 1), (Text(), 1)]

    def _lines(self, width: int) -> list[tuple[RenderableType, int]]:
        if not (self.watch.responses or self.watch.lines):
            return []
        lines = self.frame.lines
        lab = any(line.label == BY_LAB for line in lines)
        title = Text(line_title(self.watch) + (LAB_TITLE if lab else ""), style="dim")
        if not lines:
            reason = self.frame.missing.get("counts", "none yet")
            return [(title, 1), (Text(f"  {reason}", style="dim"), 1)]
        rows = max(1, min(4, (self.height - 14) // len(lines)))
        top = max(self.top, self.frame.top)
        drawn: list[tuple[RenderableType, int]] = [(title, 1)]
        return [*drawn, *((moving_line(line, rows, top), rows) for line in lines), (axis(self.frame, top), 1)]

    def _file(self) -> list[tuple[RenderableType, int]]:
        if self.watch.file is None:
            return []
        text = Text(f"{self.watch.file.name} {self.watch.file.path}  ")
        text.append_text(file_state(self.frame))
        return [(Text(), 1), (text, 1)]

    def _processes_and_events(self, room: int) -> RenderableType:
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
    """The title of the moving lines: what they count."""
    return f"responses per second, from {watch.responses}'s access log" if watch.responses else "lines per second"


def columns_for(width: int) -> int:
    """The number of columns of a moving line in a terminal of this width."""
    return max(10, width - 2 * MARGIN - LABEL - FIGURES)


def style_of(label: str) -> str:
    """The colour of a status, or of any other label."""
    if label == BY_LAB:
        return "red"
    return STATUS_STYLES.get(label[:1], "cyan") if label.isdigit() else "cyan"


def holding(frame: Frame) -> str:
    """What is held before the audience, and since when: "FROZEN: 11 s"."""
    return f"{frame.holding[0]}: {frame.holding[1] / 1000:.0f} s" if frame.holding else ""


def axis(frame: Frame, top: int) -> RenderableType:
    """The seconds below the columns, and what a bar of full height stands for."""
    columns = max(len(line.columns) for line in frame.lines)
    each = next((step for step in AXIS_STEPS if step * SECOND >= AXIS_ROOM * frame.column_ms), AXIS_STEPS[-1])
    marks = " " * columns
    moment = -(-frame.first_ms // (each * SECOND)) * each
    while (place := int((moment * SECOND - frame.first_ms) // frame.column_ms)) < columns:
        marks = f"{marks[:place]}╵{moment:.0f} s".ljust(columns) + " "
        moment += each
    full = f"full height {number(round(top * SECOND / frame.column_ms))}/s"
    grid = Table.grid()
    grid.add_column(width=LABEL)
    grid.add_column(no_wrap=True)
    grid.add_column(width=FIGURES, justify="right", no_wrap=True)
    grid.add_row("", Text(marks[:columns], style="dim"), Text(full, style="dim"))
    return grid


def moving_line(line: ScreenLine, rows: int, top: int) -> RenderableType:
    """A label, a bar for each column in ``rows`` lines, and the figures: last second, total, peak.

    All lines have one scale, so that what is more also looks more. ``top`` is its highest column.
    """
    style = style_of(line.label)
    grid = Table.grid()
    grid.add_column(width=LABEL, no_wrap=True, overflow="ellipsis")
    grid.add_column(no_wrap=True)
    grid.add_column(width=FIGURES, justify="right", no_wrap=True)
    figures = [f"{number(line.rate)}/s", f"of {number(line.total)} in all", f"peak {number(line.peak)}/s"]
    for row in reversed(range(rows)):
        place = rows - 1 - row
        name = Text(line.label, style=f"bold {style}") if place == 0 else Text()
        figure = figures[place] if place < len(figures) else ""
        if rows == 1:
            figure = f"{figures[0]} {figures[1]}"
        bar = "".join(block(value, top, row, rows) for value in line.columns)
        grid.add_row(name, Text(bar.ljust(len(line.columns)), style=style), Text(figure, style="" if place else "bold"))
    return grid


def block(value: int | None, top: int, row: int, rows: int) -> str:
    """The character of a column in line ``row`` of its bar, counted from the bottom; ``top`` is the highest value."""
    if value is None or (value == 0 and row):
        return " "
    if value == 0:
        return "·"
    level = max(1, round(value / max(top, 1) * rows * 8))
    return BLOCKS[max(0, min(8, level - 8 * row))]


def number(value: int) -> str:
    """A count with spaces between thousands."""
    return grouped(value, " ")


def seconds(ms: float) -> str:
    """Milliseconds as a text in seconds."""
    return f"{ms / 1000:.1f} s"


def file_state(frame: Frame) -> Text:
    """Whether the watched file existed in the last look."""
    if frame.present is None:
        return Text(frame.missing.get("file", "not looked at yet"), style="dim")
    if frame.present:
        return Text(" present ", style="bold white on green")
    since = "" if frame.gone_ms is None else f" seen gone at {seconds(frame.gone_ms)}"
    return Text(" GONE ", style="bold white on red") + Text(since, style="red")


def process_lines(frame: Frame, room: int) -> list[Text]:
    """A line for each process; new and ended ones are marked. If there are too many, the first ended are omitted."""
    if frame.rows is None:
        return [Text(frame.missing.get("processes", frame.missing.get("looks", "not looked at yet")), style="dim")]
    note = [Text(frame.missing[part], style="dim") for part in ("processes", "looks") if part in frame.missing]
    hidden = max(0, len(frame.rows) - max(2, room - len(note)))
    hidden += bool(hidden)
    gone = sorted((row for row in frame.rows if row.gone_ms is not None), key=lambda row: row.gone_ms or 0.0)
    omitted = {row.process.pid for row in gone[:hidden]}
    shown = [row for row in frame.rows if row.process.pid not in omitted]
    excess = len(shown) - max(1, room - len(note) - bool(omitted))
    counts = [f"{len(omitted)} more gone"] if omitted else []
    if excess > 0:
        shown, counts = shown[:-excess], [*counts, f"{excess} more there"]
    last = [Text(f"… {', '.join(counts)}", style="dim")] if counts else []
    return [*note, *(process_line(row, frame.now_ms) for row in shown), *last]


def process_line(row: ProcessRow, now_ms: float) -> Text:
    """One process: its depth in the tree, its pid and name, and whether it is new or has ended."""
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
    """The moment of an event, and its text."""
    return (
        Text().append(f"{seconds(event.at_ms):>7} ", style="dim").append(event.text, EVENT_STYLES.get(event.kind, ""))
    )


def plain_line(frame: Frame, watch: Watch) -> str:
    """The state in one line, for an output that is no terminal."""
    parts = [f"{seconds(frame.now_ms):>7}", *([holding(frame)] if frame.holding else [])]
    parts += [f"{line.label}: {number(line.rate)}/s" for line in frame.lines]
    if watch.file is not None:
        parts.append(f"{watch.file.name}: {file_state(frame).plain.strip()}")
    if watch.processes and frame.rows is not None:
        pids = [str(row.process.pid) for row in frame.rows if row.gone_ms is None]
        parts.append(f"processes: {' '.join(pids)} ({sum(row.gone_ms is not None for row in frame.rows)} gone)")
    return "  ".join(parts)
