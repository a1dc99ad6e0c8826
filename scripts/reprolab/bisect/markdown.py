"""The result of a bisect as Markdown, ready to paste into an issue of the project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reprolab.bisect import words
from reprolab.bisect.document import BisectDocument
from reprolab.bisect.reading import HEADINGS, Reading, has_companions, of_commits, of_document
from reprolab.bisect.strip import legend, strip
from reprolab.core.markdown import block, cell, code, foreign, grid, prose


def summary(document: BisectDocument, where: str) -> str:
    """The text of report.md; ``where`` names the directory of the evidence."""
    reading = of_document(document)
    subject = document.package or document.factor
    parts = [f"### {foreign(subject)}: {prose(document.sign)}", prose(reading.headline)]
    if early := words.ended_words(document.ended, document.status):
        parts.append(f"**{early}**")
    parts += list(_parts(reading))
    for search in document.deep:
        deep = of_commits(search)
        parts += [f"#### {prose(words.commits_title(search))}", prose(deep.headline), *_parts(deep)]
    parts += list(_behind(document, where))
    return "\n\n".join(parts) + "\n"


def _parts(reading: Reading) -> Iterator[str]:
    yield block("\n".join([strip(reading.points), "", *legend(reading.points)]), "text")
    lines = [f"**{prose(change.sentence)}** {prose(change.counts)}" for change in reading.changes]
    yield from _listed([*lines, *map(prose, reading.edges)])
    yield _table(reading)
    yield from _titled("Between the points that were measured:", reading.assumed)
    yield from _titled("Not measured:", reading.holes)
    yield from _titled("How sure:", reading.sureness)
    yield prose(reading.trials)


def _table(reading: Reading) -> str:
    rows, kind = reading.rows, reading.kind
    companions, notes = has_companions(rows), any(row.note for row in rows)
    headings = [kind, *(HEADINGS if companions else HEADINGS[:-1]), *(["subject"] if notes else [])]
    cells = [
        [row.value, row.date, row.side, row.count, row.interval]
        + ([row.companions] if companions else [])
        + ([row.note] if notes else [])
        for row in rows
    ]
    return grid(headings, [[cell(foreign(text)) for text in line] for line in cells])


def _titled(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield title
        yield from _listed([foreign(line) for line in lines])


def _listed(lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield "\n".join(f"- {line}" for line in lines)


def _behind(document: BisectDocument, where: str) -> Iterator[str]:
    settings = " ".join(f"{name}={value}" for name, value in document.settings.items())
    facts = [f"Claim: {document.claim}, {prose(document.sentence)}"]
    facts += [f"Documented: {code(f'{document.factor}={document.documented}')}"] if document.documented else []
    facts += [f"Settings of all trials: {code(settings)}"] if settings else []
    facts += [foreign(note) for note in document.notes]
    facts += [f"Base image: {foreign(base)}" for base in document.bases]
    facts += [f"Measured on: {foreign(words.host_words(document.host))}, {foreign(document.started)}"]
    facts += [f"Again, in the lab folder of this case: {code(words.repeat(document))}"]
    facts += [f"Evidence: {code(where)}"]
    yield from _listed(facts)
