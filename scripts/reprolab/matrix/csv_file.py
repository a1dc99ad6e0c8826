"""A map as CSV: a row for each cell and claim."""

from __future__ import annotations

import csv
from io import StringIO

from reprolab.core.foreign_text import shown
from reprolab.matrix import grid
from reprolab.matrix.document import MatrixCell, MatrixDocument
from reprolab.matrix.layout import dates
from reprolab.matrix.state import reason_of, state_of
from reprolab.verdict.counting import rounded_interval

COLUMNS = (
    *("claim", "state", "shown", "trials", "low", "high", "not_exercised", "busy"),
    *("all_trials", "kept", "invalid", "reason", "companions", "evidence"),
)


def to_csv(document: MatrixDocument) -> str:
    """The text of matrix.csv. ``low`` and ``high`` are the 95 % Wilson interval, empty without a trial that counts."""
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    released = [axis.factor for axis in document.axes if dates(axis)]
    writer.writerow([*(axis.factor for axis in document.axes), *(f"{name} released" for name in released), *COLUMNS])
    for cell in document.cells:
        for claim in document.claims:
            writer.writerow([shown(str(value)) for value in _row(document, cell, claim.id)])
    return stream.getvalue()


def _row(document: MatrixDocument, cell: MatrixCell, claim: str) -> list[object]:
    count = cell.count(claim)
    values = zip(document.axes, cell.coordinates, strict=True)
    released = [dates(axis)[text] for axis, text in values if dates(axis)]
    return [
        *cell.coordinates,
        *released,
        *(claim, state_of(cell, claim), count.shown, count.trials),
        *(rounded_interval(count.shown, count.trials) if count.trials else ("", "")),
        *(count.not_exercised, count.busy, cell.trials, cell.kept, cell.invalid),
        *(reason_of(cell, claim), grid.settings_words(cell.companions), cell.evidence),
    ]
