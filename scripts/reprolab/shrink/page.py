"""A shrink as one HTML page."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from reprolab.report.html import page
from reprolab.shrink import words
from reprolab.shrink.document import ShrinkDocument


def render(document: ShrinkDocument, directory: Path, results: Path) -> str:
    """The HTML text of the page in ``directory``; its links lead to the evidence below ``results``."""
    return page.render(
        __package__,
        "shrink.html.j2",
        document=document,
        words=words,
        rows=list(words.step_rows(document)),
        remaining=words.remaining_rows(document),
        control=words.control(document),
        links={step.number: _link(step.evidence, directory, results) for step in document.steps},
    )


def _link(evidence: str, directory: Path, results: Path) -> str:
    """The address of a directory of evidence, seen from the page; "" where there is none."""
    return quote(f"{os.path.relpath(results / evidence, directory)}/", errors="replace") if evidence else ""
