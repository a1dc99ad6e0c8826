"""Writes the files of a map beside matrix.json: text, CSV and page; and shows it in the terminal."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from rich.console import Console

from reprolab.core import files
from reprolab.core.terminal import REPORT_WIDTH, Terminal
from reprolab.matrix import page, terminal
from reprolab.matrix.csv_file import to_csv
from reprolab.matrix.document import CSV_FILE, PAGE, TEXT_FILE, MatrixDocument


def write_files(directory: Path, document: MatrixDocument) -> None:
    """Write matrix.txt, matrix.csv and matrix.html into the directory of a map."""
    stream = StringIO()
    # The files may be published, so they name no directory of this machine.
    public = f"results/matrix/{document.scenario}/{document.run}/"
    terminal.render(Terminal(file=stream, width=REPORT_WIDTH, no_color=True), document, public, verbose=True)
    texts = {TEXT_FILE: stream.getvalue(), CSV_FILE: to_csv(document), PAGE: page.render_page(directory, document)}
    for name, text in texts.items():
        with files.replacing(directory / name) as draft:
            draft.write_text(text, encoding="utf-8")


def show(console: Console, directory: Path, document: MatrixDocument, verbose: bool = False) -> None:
    """Print a map."""
    terminal.render(console, document, f"{files.display_path(directory)}/", verbose)
