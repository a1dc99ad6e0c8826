"""The words and figures that the terminal and the page share."""

from __future__ import annotations

from reprolab.compare.comparison import Comparison
from reprolab.compare.differences import Finding, Standing
from reprolab.compare.line_counts import LEFT, RIGHT
from reprolab.compare.side_by_side import AlignedRow, Stretch

NORMALIZED = (
    "what always differs is normalized before lines are compared: clocks, processes, addresses, ports, durations, "
    "names by chance; statuses, sizes, errno, exceptions and versions are not"
)

CLOCK = "times are seconds since the first line of the trial, in whichever of its logs that stands"


def number(value: int) -> str:
    """A figure with spaces between its thousands, at which no line breaks."""
    return f"{value:,}".replace(",", "\u00a0")


def plural(value: int, singular: str, plural_form: str = "") -> str:
    """ "1 line", "1 204 lines"."""
    return f"{number(value)} {singular if value == 1 else plural_form or singular + 's'}"


def counts(values: tuple[int, ...]) -> str:
    """How often in each trial: one figure where it is the same in all, else a range."""
    if not values:
        return "—"
    low, high = min(values), max(values)
    return number(low) if low == high else f"{number(low)}–{number(high)}"


def at(milliseconds: float | None) -> str:
    """A moment since the trial's first line."""
    return "" if milliseconds is None else f"{milliseconds / 1000:.2f} s"


def where(comparison: Comparison, finding: Finding) -> str:
    """Which side has it, in words."""
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
    """When and where it stood first on its side."""
    seen = finding.first[finding.side]
    if seen is None:
        return ""
    when = at(seen.at_ms)
    return f"{when}, line {number(seen.line)}" if when else f"line {number(seen.line)}"


def example(finding: Finding, side: int | None = None) -> str:
    """The line as it was, where it stood first on a side; of a traceback its exception."""
    seen = finding.first[finding.side if side is None else side]
    return (seen.text if seen else finding.normalized).partition("\n")[0]


def frames(finding: Finding) -> str:
    """The frames of a traceback; empty for a line."""
    seen = finding.first[finding.side]
    return (seen.text if seen else finding.normalized).partition("\n")[2]


def more(finding: Finding) -> str:
    """How many further kinds stand behind this one."""
    return f"and {plural(finding.more, 'kind')} like it, other numbers" if finding.more else ""


def folded(row: AlignedRow) -> str:
    """What stands for folded lines."""
    left, right = row.folded
    if left == right:
        return f"… {plural(left, 'identical line')}"
    return f"… {number(left)} | {number(right)} lines of kinds that both have"


def stretch(folded: Stretch) -> tuple[str, str]:
    """A stretch as its number of lines ("×14", empty for one) and its text; of several kinds, the most frequent."""
    text = folded.text.partition("\n")[0]
    if len(folded.counts) == 1:
        return (f"×{number(folded.lines)}" if folded.lines > 1 else "", text)
    parts = [f"{number(n)} × {kind.partition(chr(10))[0]}" for kind, n in folded.counts[:3]]
    rest = f"; {plural(len(folded.counts) - 3, 'further kind')}" if len(folded.counts) > 3 else ""
    return f"×{number(folded.lines)}", "; ".join(parts) + rest


def doubt(comparison: Comparison) -> str:
    """What the number of trials does not allow one to say, with the next step."""
    if comparison.known_chance:
        return ""
    if any(side.by_hand for side in comparison.sides):
        return (
            "a stack by hand is up once: what differs by chance cannot be told apart; trials of a variant tell that "
            f"(make scenario-{comparison.left.scenario})"
        )
    return "one trial on each side: what differs by chance cannot be told apart; run with TRIALS=3 for that"


def trials(comparison: Comparison, side: int) -> str:
    """Which trials a side stands for."""
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
    """The lines of one log on either side."""
    return f"{counts(lines[LEFT])} | {counts(lines[RIGHT])} lines"
