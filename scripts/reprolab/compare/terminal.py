"""The comparison in the terminal: the most important findings, the facts, and each log."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reprolab.compare import wording
from reprolab.compare.comparison import Comparison, LogPair
from reprolab.compare.differences import GRAVE, Finding, Standing
from reprolab.compare.line_counts import LEFT, RIGHT
from reprolab.compare.observations import Facts
from reprolab.compare.side_by_side import AlignedRow, Stretch
from reprolab.core import command_text
from reprolab.core.number_words import grouped, plural
from reprolab.report import table

STYLES = ("bright_blue", "dark_orange")
MARKS = ("<", ">")
OUTSTANDING = 12
MOST_FACTS = 14
MOST_FINDINGS = 10
MOST_ROWS = 24
MOST_AROUND = 20
WIDE_ENOUGH = 110
LONGEST = 400


def render(console: Console, comparison: Comparison) -> None:
    """Print the whole comparison. A part that is not complete says so."""
    wide = console.width >= WIDE_ENOUGH
    console.print(_header(comparison))
    for warning in comparison.warnings:
        console.print(Text(f"! {warning}", style="yellow"))
    console.print(_title("what stands out"))
    console.print(Text(wording.clock(comparison), style="dim"))
    for part in _outstanding(comparison, wide):
        console.print(part)
    for group in comparison.facts:
        for part in _facts(comparison, group, wide):
            console.print(part)
    shown = set(_top(comparison))
    for source in comparison.sources:
        for part in _source(comparison, source, wide, shown):
            console.print(part)
    console.print(Text(f"\n{wording.NORMALIZED}.", style="dim"))
    if doubt := wording.doubt(comparison):
        console.print(Text(doubt, style="yellow"))


def _title(text: str) -> Text:
    return Text(f"\n{text}", style="bold underline")


def _header(comparison: Comparison) -> Text:
    left = comparison.left
    same = left.run.path == comparison.right.run.path
    place = f"{left.scenario}/{left.run.name}" if same else left.scenario
    text = Text(f"{place} · {left.experiment}\n", style="bold")
    for side in (LEFT, RIGHT):
        text.append(f"{MARKS[side]} {comparison.name(side)}", style=STYLES[side])
        changes = table.changes_text(comparison.sides[side].trials[0].factors)
        text.append(f"   {changes} · {wording.trials(comparison, side)}\n", style="dim")
    text.rstrip()
    return text


def _outstanding(comparison: Comparison, wide: bool) -> Iterator[RenderableType]:
    findings = _top(comparison)
    if not findings:
        yield Text("no line stands on one side only, or more often by a wide margin", style="dim")
    seen: set[tuple[str, int, int]] = set()
    for finding in findings:
        yield _finding(comparison, finding, finding.source)
        first = finding.first[finding.side]
        near = comparison.around.get(finding, ())
        # Findings close to each other have the same surrounding lines: these are shown with the first finding only.
        if first and near and (finding.source, finding.side, first.line) not in seen and len(seen) < MOST_AROUND:
            seen |= {(finding.source, finding.side, stretch.line) for stretch in near}
            yield Padding(_near(finding, near, wide), (0, 0, 0, 4))


def _top(comparison: Comparison) -> list[Finding]:
    return [finding for finding in comparison.findings if finding.standing <= Standing.CHANGED][:OUTSTANDING]


def _finding(comparison: Comparison, finding: Finding, source: str = "") -> RenderableType:
    left, right = wording.counts(finding.counts[LEFT]), wording.counts(finding.counts[RIGHT])
    head = Text()
    style = (
        STYLES[finding.side]
        if finding.standing <= Standing.MORE
        else "cyan"
        if finding.standing == Standing.CHANGED
        else "dim"
    )
    head.append(f"{source:<14} " if source else "")
    head.append(wording.where(comparison, finding), style=style)
    head.append(f"  {left} | {right}", style="bold")
    head.append(f"  first at {wording.first(finding)}", style="dim")
    lines = [Text(_cut(wording.example(finding)), style="bold" if finding.weight >= GRAVE else "")]
    if finding.standing == Standing.CHANGED:
        lines = [Text(f"{MARKS[s]} {_cut(wording.example(finding, s))}", style=STYLES[s]) for s in (LEFT, RIGHT)]
    if finding.more:
        lines.append(Text(wording.more(finding), style="dim"))
    if text := wording.frames(finding):
        lines.append(Text(_innermost(text), style="dim"))
    return Group(head, *(Padding(line, (0, 0, 0, 2)) for line in lines))


def _innermost(frames: str) -> str:
    """The last two frames of a traceback: the place of the error, and its caller."""
    lines = frames.split("\n")
    starts = [index for index, line in enumerate(lines) if line.startswith('  File "')]
    kept = lines[starts[-2] :] if len(starts) > 1 else lines
    left_out = f"  … {plural(len(starts) - 2, 'frame')} above\n" if len(starts) > 2 else ""
    return left_out + "\n".join(kept)


def _near(finding: Finding, near: tuple[Stretch, ...], wide: bool) -> RenderableType:
    """The lines around the first line of a finding, with time and number. In a narrow terminal they wrap."""
    seen = finding.first[finding.side]
    heads = [(wording.at(stretch.at_ms), *wording.stretch(stretch)) for stretch in near]
    at, times = (max(len(head[column]) for head in heads) for column in (0, 1))
    lines = []
    for stretch, (when, number, text) in zip(near, heads, strict=True):
        is_this = seen is not None and stretch.line == seen.line
        line = Text(
            f"{when:>{at}} {number:>{times}} ", style="dim", no_wrap=wide, overflow="ellipsis" if wide else "fold"
        )
        lines.append(line.append(text, style="bold not dim" if is_this else ""))
    return Group(*lines)


def _facts(comparison: Comparison, group: Facts, wide: bool) -> Iterator[RenderableType]:
    if not group.rows and not group.notes:
        yield Text(f"\n{group.title}: {_same(group)}", style="dim")
        return
    yield _title(f"{group.title}: {plural(len(group.rows), 'difference')}, {_same(group)}")
    if wide:
        grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        grid.add_column("", overflow="fold", max_width=56)
        for side in (LEFT, RIGHT):
            grid.add_column(comparison.name(side), style=STYLES[side], overflow="fold")
        for row in group.rows[:MOST_FACTS]:
            grid.add_row(Text(row.name), Text(row.left), Text(row.right))
        yield grid
    else:
        for row in group.rows[:MOST_FACTS]:
            yield Text(row.name, style="bold")
            yield Text(f"  {MARKS[LEFT]} {row.left}", style=STYLES[LEFT])
            yield Text(f"  {MARKS[RIGHT]} {row.right}", style=STYLES[RIGHT])
    if len(group.rows) > MOST_FACTS:
        yield Text(
            f"… {len(group.rows) - MOST_FACTS} more; {command_text.option('html', 'FILE')} shows them all", style="dim"
        )
    for note in group.notes:
        yield Text(note, style="dim")


def _same(group: Facts) -> str:
    if group.same:
        return f"{grouped(group.same)} the same"
    return "none the same" if group.rows else "nothing to compare"


def _source(comparison: Comparison, source: LogPair, wide: bool, shown: set[Finding]) -> Iterator[RenderableType]:
    yield _title(f"log {source.name}: {wording.total(source.lines)}")
    for note in source.notes:
        yield Text(f"! {note}", style="yellow")
    if not source.findings:
        yield Text(f"no difference: {plural(source.alike, 'kind')} of line on both sides", style="dim")
        return
    further = [finding for finding in source.findings if finding not in shown]
    for finding in further[:MOST_FINDINGS]:
        yield _finding(comparison, finding)
    beyond = len(further) - MOST_FINDINGS
    if beyond > 0:
        yield Text(
            f"… {plural(beyond, 'more difference')}; {command_text.option('html', 'FILE')} shows them",
            style="dim",
        )
    if source.alike:
        yield Text(f"{plural(source.alike, 'kind')} of line on both sides, about as often", style="dim")
    if source.aligned and source.aligned.rows:
        yield from _aligned(comparison, source, wide)


def _aligned(comparison: Comparison, source: LogPair, wide: bool) -> Iterator[RenderableType]:
    aligned = source.aligned
    assert aligned is not None
    first = " | ".join(side.name_of(side.trials[0]) for side in comparison.sides)
    yield Text(f"\nside by side: {first}", style="italic")
    rows = aligned.rows[:MOST_ROWS]
    yield _two_columns(comparison, rows) if wide else _one_column(rows)
    left_out = len(aligned.rows) - len(rows) + aligned.more_rows
    if left_out:
        yield Text(
            f"… {plural(left_out, 'more row')}; {command_text.option('html', 'FILE')} shows up to "
            f"{grouped(len(aligned.rows))}",
            style="dim",
        )
    for side in (LEFT, RIGHT):
        if aligned.beyond[side]:
            lines = plural(aligned.beyond[side], "line")
            yield Text(f"{MARKS[side]} {lines} at its end were not put side by side", style="dim")


def _two_columns(comparison: Comparison, rows: tuple[AlignedRow, ...]) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, expand=True)
    for side in (LEFT, RIGHT):
        grid.add_column(comparison.name(side), ratio=1, no_wrap=True, overflow="ellipsis")
    for row in rows:
        if row.left is None and row.right is None:
            grid.add_row(Text(wording.folded(row), style="dim"), "")
        else:
            grid.add_row(_cell(row.left, LEFT), _cell(row.right, RIGHT))
    return grid


def _one_column(rows: tuple[AlignedRow, ...]) -> Text:
    lines = []
    for row in rows:
        if row.left is None and row.right is None:
            lines.append(Text(wording.folded(row), style="dim"))
        for side, stretch in ((LEFT, row.left), (RIGHT, row.right)):
            if stretch is not None:
                lines.append(Text(f"{MARKS[side]} ", style=STYLES[side]).append_text(_cell(stretch, side)))
    return Text("\n").join(lines)


def _cell(stretch: Stretch | None, side: int) -> Text:
    if stretch is None:
        return Text("")
    times, text = wording.stretch(stretch)
    head = " ".join(part for part in (wording.at(stretch.at_ms), times) if part)
    return Text(f"{head}  " if head else "", style="dim").append(_cut(text), style=STYLES[side])


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
