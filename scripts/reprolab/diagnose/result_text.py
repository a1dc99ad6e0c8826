"""The answer of a diagnosis as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from reprolab.core import command_text
from reprolab.core.number_words import plural
from reprolab.diagnose.assess import NAMED, Assessment, Level
from reprolab.diagnose.case_command import CaseCommand
from reprolab.diagnose.mask import masked
from reprolab.diagnose.session import Diagnosis
from reprolab.diagnose.settings import Facts

MOST_UNREAD = 12


def lines(diagnosis: Diagnosis, guide: str) -> Iterator[str]:
    """The lines of the answer; ``guide`` is the page that says how a case is written, as the reader can open it."""
    yield from _read(diagnosis)
    pairs = list(zip(diagnosis.assessments, diagnosis.commands, strict=True))
    for assessment, command in pairs:
        if assessment.level in NAMED:
            yield ""
            yield from _case(assessment, command)
    if not diagnosis.shown:
        yield ""
        yield "none of the lab's cases is shown by these logs"
    yield from _not_this(diagnosis)
    yield from _silent(pairs)
    if not diagnosis.shown:
        yield from _unusual(diagnosis)
        yield from _own_case(guide)


def _read(diagnosis: Diagnosis) -> Iterator[str]:
    for log in diagnosis.logs:
        remarks = "".join(f"; {remark}" for remark in log.remarks)
        yield f"read: {log.name}, {plural(log.lines, 'line')}{remarks}"
    releases = {(row.package, row.version): row.source for row in reversed(diagnosis.facts.releases)}
    if releases:
        words = [f"{package} {version} ({source})" for (package, version), source in sorted(releases.items())]
        yield f"releases: {', '.join(words[:MOST_UNREAD])}"
    yield from _settings(diagnosis.facts)
    unread = list(dict.fromkeys(f"{row.source}: {row.reason}" for row in diagnosis.facts.unread))
    for line in unread[:MOST_UNREAD]:
        yield f"not read: {line}"
    if len(unread) > MOST_UNREAD:
        yield f"not read: {len(unread) - MOST_UNREAD} more places"


def _settings(facts: Facts) -> Iterator[str]:
    """Where settings were read, with their names: so a wrong file is seen. A value may be a secret."""
    places: dict[str, dict[str, None]] = {}
    for row in facts.settings:
        file, _, line = row.source.rpartition(":")
        if row.value:
            places.setdefault(file if line.isdecimal() else row.source, {})[row.name] = None
    for place, names in places.items():
        more = f" and {len(names) - MOST_UNREAD} more" if len(names) > MOST_UNREAD else ""
        yield f"settings in {place}: {masked(', '.join(list(names)[:MOST_UNREAD]))}{more}"


def _case(assessment: Assessment, command: CaseCommand) -> Iterator[str]:
    yield f"{assessment.level}: {assessment.scenario}: {assessment.signature.title}"
    for match in assessment.matches:
        yield f"  {match.log}:{match.line}  {match.what}"
        yield f"      {masked(match.text)}"
    yield from (f"  for it: {reason}" for reason in assessment.for_it)
    yield from (f"  against it: {reason}" for reason in assessment.against)
    yield from (f"  not known: {reason}" for reason in assessment.unknown)
    if assessment.signature.decides:
        yield f"  what decides: {assessment.signature.decides}"
    yield f"  try it: {command.text}"
    for known in assessment.signature.known_from:
        place = known.url or f"{assessment.scenario}'s {known.claim}, a run on record"
        yield f"  known from: {known.what} ({place})"


def _not_this(diagnosis: Diagnosis) -> Iterator[str]:
    rows = [row for row in diagnosis.assessments if row.level is Level.NOT_THIS]
    for row in rows:
        yield ""
        yield f"{row.level}: {row.scenario}: {row.signature.title}"
        for match in row.matches[:1]:
            yield f"  {match.log}:{match.line}  {match.what}"
        yield from (f"  {reason}" for reason in row.against)


def _silent(pairs: list[tuple[Assessment, CaseCommand]]) -> Iterator[str]:
    rows = [pair for pair in pairs if pair[0].level is Level.NOT_SHOWN]
    if rows:
        yield ""
        yield "your release and settings can have these, and no log shows them:"
    for assessment, command in rows:
        yield f"  {assessment.scenario}: {assessment.signature.title}"
        yield f"    {assessment.signature.silent}"
        if assessment.signature.decides:
            yield f"    what decides: {assessment.signature.decides}"
        yield f"    try it: {command.text}"


def _unusual(diagnosis: Diagnosis) -> Iterator[str]:
    yield ""
    if not diagnosis.compared_with:
        yield "the logs name no server whose healthy lines the lab knows; these lines stand out:"
    elif diagnosis.unusual:
        yield f"lines that no healthy run of {' and '.join(diagnosis.compared_with)} has:"
    else:
        yield f"every line is one that healthy runs of {' and '.join(diagnosis.compared_with)} have too"
    for row in diagnosis.unusual:
        yield f"  {row.log}:{row.line}  {'' if row.count == 1 else f'{row.count} such lines: '}{row.text}"


def _own_case(guide: str) -> Iterator[str]:
    yield ""
    command = command_text.command("new-scenario my-case", "new-scenario NAME=my-case")
    yield f"make a case of it: {command} lays out one that runs; {guide} shows how to put your stack into it"
