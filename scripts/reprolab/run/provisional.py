"""What the terminal shows within and after a round: the provisional verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from reprolab.report.terminal import STYLES
from reprolab.verdict.document import ClaimVerdict, Verdict, VerdictDocument

UNDECIDED = "undecided"
WORDS = (Verdict.CONFIRMED.value, "thin", Verdict.REFUTED.value, Verdict.INTERMITTENT.value, UNDECIDED)


def render(verdict: VerdictDocument, where: str) -> RenderableType:
    """A line with the numbers of verdicts, and a line for each judged claim that is not confirmed.

    ``where`` says where the run is: "after round 1 of 3". A claim counts as thin if it is confirmed, but could be so by
    chance.
    """
    judged = [claim for claim in verdict.claims if verdict.asked(claim)]
    counts = Counter(_word(claim) for claim in judged)
    summary = " · ".join(f"{counts[word]} {word}" for word in WORDS if counts[word]) or "no claim is judged"
    rows = [(claim, _label(claim, verdict)) for claim in judged if claim.verdict != Verdict.CONFIRMED]
    identifiers = max((len(claim.id) for claim, _ in rows), default=0)
    labels = max((len(label) for _, label in rows), default=0)
    lines: list[RenderableType] = [Text(f"{where}: {summary}", style="bold")]
    for claim, label in rows:
        line = Text(f"  {claim.id:{identifiers}}  ")
        line.append(f"{label:{labels}}", STYLES[claim.verdict]).append(f"  {claim.why}", "dim")
        lines.append(_OneLine(line))
    return Group(*lines)


@dataclass(frozen=True)
class _OneLine:
    """A text in one line, cut behind a word: the report has the whole reason."""

    text: Text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        words = self.text.plain
        if self.text.cell_len > options.max_width:
            while words and cell_len(words) > options.max_width - 2:
                words = words.rpartition(" ")[0]
            yield self.text[: len(words)].append(" …")
        else:
            yield self.text


def decided(claims: Sequence[ClaimVerdict]) -> Text:
    """A line with the claims that became decided within a round, and their verdicts."""
    line = Text("      so far: ", "dim")
    labels = dict.fromkeys((claim.verdict, bool(claim.thin)) for claim in claims)
    for number, (verdict, thin) in enumerate(labels):
        names = ", ".join(claim.id for claim in claims if (claim.verdict, bool(claim.thin)) == (verdict, thin))
        words = f"{names} {verdict}" + (", thin" if thin else "")
        line.append("; " if number else "").append(words, STYLES[verdict])
    return line


def _label(claim: ClaimVerdict, verdict: VerdictDocument) -> str:
    """The verdict in words, with the recorded one if that differs."""
    drift = f" (recorded: {claim.recorded})" if claim.id in verdict.drifted else ""
    return _word(claim) + (", thin" if claim.thin else "") + drift


def _word(claim: ClaimVerdict) -> str:
    if claim.verdict == Verdict.CONFIRMED and claim.thin:
        return "thin"
    return UNDECIDED if claim.verdict == Verdict.INCONCLUSIVE else claim.verdict.value
