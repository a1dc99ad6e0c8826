"""Writes the reports of a shrink beside shrink.json: report.txt, report.md and report.html."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from reprolab.core.files import replacing
from reprolab.core.terminal import REPORT_WIDTH, Terminal
from reprolab.evidence.run_dir import PAGE
from reprolab.report.write import REPORT, SUMMARY
from reprolab.shrink import markdown, page, terminal
from reprolab.shrink.document import ShrinkDocument

QUESTION = "shrink"


def write(directory: Path, document: ShrinkDocument, results: Path) -> None:
    """Write all reports; ``results`` is the directory of all results. Raises EvidenceError if the disk is full."""
    # The files may be published, so they name no directory of this machine.
    public = f"results/{QUESTION}/{document.scenario}/{directory.name}/"
    stream = StringIO()
    terminal.render(Terminal(file=stream, width=REPORT_WIDTH, no_color=True), document, public)
    texts = {
        REPORT: stream.getvalue(),
        SUMMARY: markdown.summary(document, public),
        PAGE: page.render(document, directory, results),
    }
    for name, text in texts.items():
        with replacing(directory / name) as draft:
            draft.write_text(text, encoding="utf-8")
