"""Words and numbers that the terminal and the page share."""

from __future__ import annotations

from reprolab.compare.comparison import Comparison
from reprolab.compare.differences import Finding, Standing
from reprolab.compare.line_counts import LEFT, RIGHT
from reprolab.compare.side_by_side import AlignedRow, Stretch
from reprolab.core import command_text
from reprolab.core.number_words import grouped, plural, seconds

NORMALIZED = (
    "what always differs is normalized before lines are compared: clocks, processes, addresses, ports, durations, "
    "names by chance; statuses, sizes, errno, exceptions and versions are not"
)

CLOCK = "times are seconds since the first line of the trial, in whichever of its logs that stands"
LOAD_CLOCK = "times are seconds since the load began, as in the timelines of a report"
CAUSES = "what only one side has comes in the order of time: what is first may be the cause of the rest"


def clock(comparison: Comparison) -> str:
    """What the times of lines count from, and the order of the findings."""
    return f"{LOAD_CLOCK if comparison.from_load else CLOCK}; {CAUSES}"


def counts(values: tuple[int, ...]) -> str:
    """The counts of all trials: one number if they are the same, else the range."""
    if not values:
        return "—"
    low, high = min(values), max(values)
    return grouped(low) if low == high else f"{grouped(low)}–{grouped(high)}"


def at(milliseconds: float | None) -> str:
    """A time in seconds, with a real minus sign before the moment zero."""
    return "" if milliseconds is None else seconds(milliseconds)


def where(comparison: Comparison, finding: Finding) -> str:
    """The side that has a finding, and its standing."""
    name = comparison.name(finding.side)
    words = {
        Standing.ONLY: f"only {name}",
        Standing.MORE: f"more in {name}",
        Standing.CHANGED: "changed",
        Standing.ALONG: f"more in {name}, as there is of the whole log",
        Standing.CHANCE: f"only {name}, but not in every trial of a variant",
        Standing.NUMBERS: "other numbers, about as many",
    }
    return words[finding.standing]


def first(finding: Finding) -> str:
    """The time and the line number of a finding's first line."""
    seen = finding.first[finding.side]
    if seen is None:
        return ""
    when = at(seen.at_ms)
    return f"{when}, line {grouped(seen.line)}" if when else f"line {grouped(seen.line)}"


def example(finding: Finding, side: int | None = None) -> str:
    """The first line of a finding on a side; of a traceback, the exception."""
    seen = finding.first[finding.side if side is None else side]
    return (seen.text if seen else finding.normalized).partition("\n")[0]


def frames(finding: Finding) -> str:
    """The frames of a traceback; empty for another line."""
    seen = finding.first[finding.side]
    return (seen.text if seen else finding.normalized).partition("\n")[2]


def more(finding: Finding) -> str:
    """The number of kinds that differ from a finding only in numbers."""
    return f"and {plural(finding.more, 'kind')} like it, other numbers" if finding.more else ""


def folded(row: AlignedRow) -> str:
    """The text in place of folded lines."""
    left, right = row.folded
    if left == right:
        return f"… {plural(left, 'identical line')}"
    return f"… {grouped(left)} | {grouped(right)} lines of kinds that both have"


def stretch(lines: Stretch) -> tuple[str, str]:
    """A stretch as the number of its lines ("×14", empty for 1) and its text; of several kinds, the most frequent."""
    text = lines.text.partition("\n")[0]
    if len(lines.counts) == 1:
        return (f"×{grouped(lines.lines)}" if lines.lines > 1 else "", text)
    parts = [f"{grouped(n)} × {kind.partition(chr(10))[0]}" for kind, n in lines.counts[:3]]
    rest = f"; {plural(len(lines.counts) - 3, 'further kind')}" if len(lines.counts) > 3 else ""
    return f"×{grouped(lines.lines)}", "; ".join(parts) + rest


def doubt(comparison: Comparison) -> str:
    """A warning if the trials do not show differences by chance, with the next step; empty if they do."""
    if comparison.known_chance:
        return ""
    if any(side.by_hand for side in comparison.sides):
        return (
            "a stack by hand is up once: what differs by chance cannot be told apart; trials of a variant tell that "
            f"({command_text.run(comparison.left.scenario)})"
        )
    return (
        "one trial on each side: what differs by chance cannot be told apart; run with "
        + command_text.option("trials", 3)
        + " for that"
    )


def trials(comparison: Comparison, side: int) -> str:
    """The trials of a side."""
    compared = comparison.sides[side]
    if compared.by_hand:
        return f"logs kept {compared.run.name}"
    words = plural(len(compared.trials), "trial") if not compared.named else f"trial {compared.trials[0].trial}"
    if compared.others:
        words += f", {len(compared.others)} more to tell chance"
    if compared.left_out:
        words += f", {compared.left_out} more not read"
    return words


def total(lines: tuple[tuple[int, ...], tuple[int, ...]]) -> str:
    """The number of lines of a log on each side."""
    return f"{counts(lines[LEFT])} | {counts(lines[RIGHT])} lines"
