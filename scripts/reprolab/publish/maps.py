"""Maps on record: matrix.json in a scenario's directory is a reviewed map. Its README shows it as a table."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from reprolab.core import command_text
from reprolab.core.errors import UsageError
from reprolab.core.markdown import cell, foreign, grid, prose, prose_cell
from reprolab.engine.elsewhere import ANOTHER_MACHINE, VIRTUAL_MACHINE
from reprolab.evidence.run_info import COMPLETE
from reprolab.matrix import doubt, layout
from reprolab.matrix.changes import stories
from reprolab.matrix.document import MATRIX_FILE, MatrixDocument, read_matrix, write_matrix
from reprolab.matrix.layout import Layout
from reprolab.matrix.state import State, short_text, state_of
from reprolab.measure.axis import Value
from reprolab.measure.hosts import VIRTUAL
from reprolab.scenario import loader
from reprolab.scenario.digest import case_digest
from reprolab.scenario.kernel_setting import KERNEL
from reprolab.scenario.model import Scenario


def accept_map(root: Path, directory: Path) -> Path:
    """Put the map of a directory on record; returns the path of the record.

    Raises UsageError for a map that was not measured to its end, or with other files than those of the case now.
    """
    document = read_matrix(directory)
    scenario = loader.load(root, document.scenario)
    if document.status != COMPLETE or document.ended or doubt.undecided(document):
        raise UsageError(
            "; ".join(layout.warnings(document)) or f"this map is {document.status}",
            expected="a map in which each cell has a result, or a reason why it has none",
            advice=f"go on where it ended: {again(document)}",
        )
    if document.case and document.case != case_digest(scenario.directory):
        raise UsageError(
            f"the files of {scenario.name} have changed since this map",
            expected="a map of the case as it is",
            advice=f"measure it again: {again(document)}",
        )
    _check_machines(document)
    write_matrix(scenario.directory, _for_record(document))
    return scenario.directory / MATRIX_FILE


def _check_machines(document: MatrixDocument) -> None:
    """Raise UsageError for a map of another kernel or machine, unless its kernels are what it compares."""
    if any(axis.factor == KERNEL for axis in document.axes):
        return
    strange = [host for host in document.hosts if hardware_of(host)]
    if strange or KERNEL in document.fixed:
        where = ", ".join(strange) or f"a virtual machine with kernel {document.fixed[KERNEL]}"
        raise UsageError(
            f"the trials of this map ran elsewhere: {where}",
            expected=f"a map of this machine and its kernel, since later runs are here, or one with an axis {KERNEL}",
        )


def hardware_of(host: str) -> str:
    """The machine of a map's line on a host, such as "virtual machine (TCG)"; "" for this one and other hosts."""
    match = re.match(rf"(?:[^·]*: )?((?:{VIRTUAL_MACHINE}|{ANOTHER_MACHINE}) \([^·]*\))(?: ·|$)", host)
    return match[1] if match else ""


def _for_record(document: MatrixDocument) -> MatrixDocument:
    """The map with the claims that were asked, and without the places of the evidence, which are on one machine."""
    asked = {claim.id for claim in document.asked}
    cells = tuple(
        replace(
            item,
            evidence="",
            counts={claim: count for claim, count in item.counts.items() if claim in asked},
            errors={claim: error for claim, error in item.errors.items() if claim in asked},
        )
        for item in document.cells
    )
    return replace(document, claims=document.asked, cells=cells)


def again(document: MatrixDocument) -> str:
    """The command that measures a map again."""
    over = " ".join(f"{axis.factor}={','.join(value.text for value in axis.values)}" for axis in document.axes)
    fixed = [shlex.quote(f"{name}={value}") for name, value in document.fixed.items()]
    return command_text.command(
        " ".join([f'matrix {document.scenario} --over "{over}"', *(f"--set {setting}" for setting in fixed)]),
        " ".join([f'matrix-{document.scenario} OVER="..."', *fixed]),
    )


def recorded_map(scenario: Scenario) -> MatrixDocument | None:
    """The map on record; None without one."""
    return read_matrix(scenario.directory) if (scenario.directory / MATRIX_FILE).is_file() else None


def render(scenarios: Sequence[Scenario]) -> str:
    """The maps of scenarios: a table for each claim that was asked, and its changes in sentences."""
    documents = [document for scenario in scenarios if (document := recorded_map(scenario))]
    return "\n\n".join(part for document in documents for part in _parts(document)) or "not recorded yet"


def _parts(document: MatrixDocument) -> Iterator[str]:
    drawing = Layout(document)
    for claim in document.asked:
        yield f"**{foreign(claim.id)}**, {foreign(layout.title(document))}: {prose(claim.text)}"
        yield _table(drawing, claim.id)
        yield "\n".join(_changes(document, claim.id))
        if reasons := [f"- {prose(f'{names}: {why}')}" for why, names in layout.reasons(document, claim.id)]:
            yield "\n".join(reasons)
    notes = [f"{mark} with {words}." for words, mark in drawing.marks.items()]
    notes += [f"{note}." for note in layout.notes(document)]
    if machines := dict.fromkeys(filter(None, map(hardware_of, document.hosts))):
        notes.append(f"Not measured on this machine: {', '.join(machines)}; {VIRTUAL}.")
    yield prose(" ".join([*notes, f"Measured {document.started}: {layout.effort(document)}."]))


def _changes(document: MatrixDocument, claim: str) -> Iterator[str]:
    """What changes along the ordered axes, as a list."""
    for story in stories(document, claim):
        yield f"- {prose(story.heading)}"
        yield from (f"  - {prose(words)}" for words in story.changes)


@dataclass(frozen=True)
class Band:
    """Values that follow each other and have the same result in every column."""

    values: tuple[Value, ...]
    cells: tuple[str, ...]


def bands(drawing: Layout, claim: str) -> list[Band]:
    """The rows of a map, those together that have the same states and marks in all columns.

    The counts of a band are sums: 0/13 for thirteen releases with one trial each.
    """
    result = []
    for _, group in groupby(drawing.rows.values, key=lambda value: _kinds(drawing, value, claim)):
        values = tuple(group)
        sums = tuple(_sum(drawing, values, column, claim) for column in drawing.columns)
        result.append(Band(values, sums))
    return result


def _kinds(drawing: Layout, value: Value, claim: str) -> tuple[tuple[State, str], ...]:
    cells = [drawing.cell(value.text, column) for column in drawing.columns]
    return tuple((state_of(item, claim), drawing.mark(item)) for item in cells)


def _sum(drawing: Layout, values: Sequence[Value], column: tuple[str, ...], claim: str) -> str:
    cells = [drawing.cell(value.text, column) for value in values]
    counts = [item.count(claim) for item in cells]
    text = f"{sum(count.shown for count in counts)}/{sum(count.trials for count in counts)}"
    counted = state_of(cells[0], claim).counted
    return (text if counted else short_text(cells[0], claim)) + drawing.mark(cells[0])


def _table(drawing: Layout, claim: str) -> str:
    dated = any(value.date for value in drawing.rows.values)
    names = ["/".join(column) or claim for column in drawing.columns]
    rows = []
    for band in bands(drawing, claim):
        first, last = band.values[0], band.values[-1]
        many = len(band.values) > 1
        name = f"{first.text} to {last.text} ({len(band.values)})" if many else first.text
        if not drawing.rows.ordered:
            # Nobody would know what is between two of them.
            name = ", ".join(value.text for value in band.values)
        dates = [f"{first.date} to {last.date}" if many else first.date] if dated else []
        rows.append([prose_cell(name), *map(prose_cell, dates), *map(prose_cell, band.cells)])
    return grid([cell(drawing.rows.factor), *(["released"] if dated else []), *map(cell, names)], rows)
