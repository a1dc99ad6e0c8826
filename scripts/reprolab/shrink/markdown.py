"""A shrink as Markdown, to paste into a ticket."""

from __future__ import annotations

from reprolab.core.markdown import cell, code, foreign, grid, prose, prose_cell
from reprolab.shrink import words
from reprolab.shrink.document import ShrinkDocument


def summary(document: ShrinkDocument, where: str) -> str:
    """The text of report.md; ``where`` names the directory of the evidence."""
    rows = [[_cell(text) for text in row] for row in words.side_by_side(document)]
    steps = [[_cell(text) for text in row.cells] for row in words.step_rows(document)]
    sentence, about = words.outcome(document)
    control = words.control(document)
    parts = [
        f"**{sentence}**{f': {code(about)}' if about else ''}. {foreign(words.minimality(document))}".strip(),
        grid(("", _cell(words.start_words(document)), "least"), rows),
        f"{foreign(control[0])}." if control else "",
        f"All settings of the least stack: {code(whole)}" if (whole := words.whole(document)) else "",
        f"{document.claim}: {prose(document.text)}",
        grid([prose_cell(heading) for heading in words.STEP_HEADINGS], steps),
        f"{foreign(document.scenario)}, {foreign(document.begun)}. {foreign(words.effort(document))}.",
        f"Again, in the lab folder of this case: {code(words.repeat(document))}",
        f"Evidence: {code(where)}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _cell(text: str) -> str:
    return cell(foreign(text))
