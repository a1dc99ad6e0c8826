"""Writes the documents of a bisect: bisect.json, report.txt, report.md and report.html."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from reprolab.bisect import html, markdown, terminal
from reprolab.bisect.document import BisectDocument, write_document
from reprolab.core.files import replacing
from reprolab.core.terminal import REPORT_WIDTH, Terminal
from reprolab.evidence.run_dir import PAGE
from reprolab.report.write import REPORT, SUMMARY

QUESTION = "bisect"


def write(directory: Path, document: BisectDocument) -> None:
    """Write all documents. Raises EvidenceError if the disk is full."""
    # They may be published, so they name no directory of this machine.
    public = f"results/{QUESTION}/{document.scenario}/{directory.name}/"
    write_document(directory, document)
    stream = StringIO()
    terminal.render(Terminal(file=stream, width=REPORT_WIDTH, no_color=True), document, public)
    texts = {
        REPORT: stream.getvalue(),
        SUMMARY: markdown.summary(document, public),
        PAGE: html.render(document),
    }
    for name, text in texts.items():
        with replacing(directory / name) as draft:
            draft.write_text(text, encoding="utf-8")
