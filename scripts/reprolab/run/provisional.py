"""What the terminal shows after a round: the provisional verdicts."""

from __future__ import annotations

from collections import Counter

from rich.console import Group, RenderableType
from rich.table import Table
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
    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold", style="dim")
    for claim in judged:
        if claim.verdict != Verdict.CONFIRMED:
            drift = f" (recorded: {claim.recorded})" if claim.id in verdict.drifted else ""
            grid.add_row(f"  {claim.id}", Text(_word(claim) + drift, STYLES[claim.verdict]), Text(claim.reason))
    return Group(Text(f"{where}: {summary}", style="bold"), *([grid] if grid.row_count else []))


def _word(claim: ClaimVerdict) -> str:
    if claim.verdict == Verdict.CONFIRMED and claim.thin:
        return "thin"
    return UNDECIDED if claim.verdict == Verdict.INCONCLUSIVE else claim.verdict.value
