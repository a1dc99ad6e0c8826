"""Writes the generated parts of the pages: their tables and verdicts come from recorded.json and the definitions.

A generated part stands between two markers, `<!-- generated: NAME -->` and `<!-- end -->`. Some parts take arguments
after a colon: `scenarios: ko` is the table in Korean, `results/SCENARIO: a b` has only these variants and no notes,
`summary/SCENARIO: a b SV-1` is a report of only these variants and claims.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from reprolab.core.errors import EvidenceError, UsageError
from reprolab.core.markdown import block, cell, code, foreign, grid, prose, prose_cell
from reprolab.publish import curves, maps, scenario_table, short_report, sources
from reprolab.report import table
from reprolab.report.table import Row
from reprolab.scenario import loader
from reprolab.scenario.model import Claim, Experiment, Scenario
from reprolab.verdict.document import ClaimVerdict
from reprolab.verdict.record import RecordedRun, read_record, recorded_verdict

PART = re.compile(r"(<!-- generated: ([\w/-]+)(?:: ([\w .-]+?))? -->\n)(.*?)(<!-- end -->)", re.S)
SETTINGS = ("setting", "id", "sentence", "what was measured", "verdict", "number", "experiment")
NOT_RUN = scenario_table.WORDS["en"].not_run
PAGES = (
    "README.md",
    "README.ko.md",
    "README.ja.md",
    "docs/claims.md",
    "docs/sources.md",
    "docs/verdicts.md",
    "docs/workshop.md",
)


def pages(root: Path) -> dict[Path, str]:
    """The text of every page, with its generated parts made anew, and of every picture; "" for one that must go."""
    scenarios = [loader.load(root, name) for name in loader.names(root)]
    paths = [*(root / page for page in PAGES), *(scenario.directory / "README.md" for scenario in scenarios)]
    return {path: _fill(path, scenarios) for path in paths if path.exists()} | curves.pictures(scenarios)


def stale(root: Path) -> list[Path]:
    """The pages and pictures that are out of date."""
    return list(_stale_texts(root))


def write(root: Path) -> list[Path]:
    """Bring the pages and pictures up to date; returns those that changed.

    Raises EvidenceError if one cannot be written; those written before are restored.
    """
    before: dict[Path, bytes | None] = {}
    wanted = _stale_texts(root)
    try:
        for path, text in wanted.items():
            before[path] = path.read_bytes() if path.exists() else None
            if text:
                path.write_text(text, encoding="utf-8")
            else:
                path.unlink()
    except OSError as error:
        for path, content in before.items():
            # The page that failed may fail again; the others are restored all the same.
            with suppress(OSError):
                path.unlink(missing_ok=True) if content is None else path.write_bytes(content)
        raise EvidenceError(f"the pages could not be written: {error}", expected="permission and room") from error
    return list(wanted)


def _stale_texts(root: Path) -> dict[Path, str]:
    """The new text of each page and picture that is out of date."""
    texts = pages(root)
    old = {path: path.read_text(encoding="utf-8") if path.exists() else "" for path in texts}
    return {path: text for path, text in texts.items() if text != old[path]}


def _fill(path: Path, scenarios: list[Scenario]) -> str:
    def replace(match: re.Match[str]) -> str:
        kind, _, name = match[2].partition("/")
        return f"{match[1]}{_content(path, kind, name, (match[3] or '').split(), scenarios)}\n{match[5]}"

    return PART.sub(replace, path.read_text(encoding="utf-8"))


def _recorded_claims(scenario: Scenario) -> dict[str, ClaimVerdict]:
    """The verdicts on record, by the claims' ids; empty where nothing is on record."""
    verdict = recorded_verdict(scenario)
    return {claim.id: claim for claim in verdict.claims} if verdict else {}


def _content(path: Path, kind: str, name: str, words: list[str], scenarios: list[Scenario]) -> str:
    """The content of one part. Raises UsageError that names the page for a marker with a wrong name or arguments."""
    chosen = [scenario for scenario in scenarios if name in ("", scenario.name)]
    if name and not chosen:
        raise UsageError(f"{path}: no scenario {name!r} for the generated part {kind!r}")
    if kind not in PARTS | WITH_PAGE | WITH_WORDS:
        expected = ", ".join(PARTS | WITH_PAGE | WITH_WORDS)
        raise UsageError(f"{path}: unknown generated part {kind!r}", expected=expected)
    if words and (kind not in WITH_WORDS or (kind in SINGLE_SCENARIO and not name)):
        raise UsageError(f"{path}: the generated part {kind!r} takes no words", expected="; ".join(WORDS_EXPECTED))
    if not words and kind not in PARTS | WITH_PAGE:
        raise UsageError(f"{path}: the generated part {kind!r} needs words", expected="; ".join(WORDS_EXPECTED))
    if words:
        return WITH_WORDS[kind](path, chosen, words)
    return WITH_PAGE[kind](path, chosen) if kind in WITH_PAGE else PARTS[kind](chosen)


def _scenario_table(path: Path, scenarios: list[Scenario], words: list[str]) -> str:
    """The table of scenarios in one language."""
    if len(words) != 1 or words[0] not in scenario_table.WORDS:
        raise UsageError(
            f"{path}: the table of scenarios in {' '.join(words)!r}", expected=", ".join(scenario_table.WORDS)
        )
    return scenario_table.render(scenarios, words[0])


def _claims(scenarios: list[Scenario]) -> str:
    parts = []
    for scenario in scenarios:
        recorded = _recorded_claims(scenario)
        lines = []
        if len(scenarios) > 1:
            lines += [
                f"## {scenario.name}: {prose(scenario.title)}",
                "",
                f"Document: {prose(scenario.document.citation)}.",
                "",
            ]
        rows = []
        for _, claim in _claims_by_number(scenario):
            row = recorded.get(claim.id)
            word, why = (f"**{row.verdict}**", row.reason) if row else (NOT_RUN, "—")
            rows.append((claim.id, prose_cell(claim.text), word, prose_cell(why)))
        parts.append("\n".join([*lines, grid(("id", "claim", "verdict", "why"), rows)]))
    return "\n\n".join(parts)


def _settings(scenarios: list[Scenario]) -> str:
    """A row for each claim: its setting, the measured values, the verdict and the experiment's file."""
    rows = []
    for scenario in scenarios:
        recorded = _recorded_claims(scenario)
        for experiment, claim in _claims_by_number(scenario):
            row = recorded.get(claim.id)
            word = f"**{row.verdict}**" if row else NOT_RUN
            if row and claim.but:
                word += f", but see {', '.join(claim.but)}"
            cells = [claim.setting or experiment, claim.id, claim.text, measured(row), word, _sign_counts(row)]
            link = f"[{experiment}]({experiment}.py)"
            rows.append([*map(prose_cell, cells), link])
    return grid(SETTINGS, rows)


def _claims_by_number(scenario: Scenario) -> list[tuple[str, Claim]]:
    """Each claim with its experiment's name, in the order of the document's sentences."""
    pairs = [(experiment.name, claim) for experiment in scenario.experiments.values() for claim in experiment.claims]
    return sorted(pairs, key=lambda pair: int(re.findall(r"\d+", pair[1].id)[-1]))


def measured(row: ClaimVerdict | None) -> str:
    """What the claim's `measured` said of each variant; variants with the same text are named together."""
    names: dict[str, list[str]] = {}
    for name, variant in row.variants.items() if row else ():
        text = ", ".join(variant.measured or ()) or "—"
        names.setdefault(text, []).append(name.partition("/")[2] or name)
    return "; ".join(f"{', '.join(variants)}: {text}" for text, variants in names.items()) or "—"


def _sign_counts(row: ClaimVerdict | None) -> str:
    """The number of trials with the sign, for the variants that must show it and for the controls."""
    parts = []
    for expected, word in ((True, "shown"), (False, "control")):
        counts = [variant.count for variant in row.variants.values() if variant.expected is expected] if row else []
        if counts:
            parts.append(f"{word} {sum(count.shown for count in counts)}/{sum(count.trials for count in counts)}")
    return " · ".join(parts) or "—"


def _results(scenarios: list[Scenario]) -> str:
    parts = []
    for scenario in scenarios:
        record = read_record(scenario)
        if not record:
            parts.append(NOT_RUN)
            continue
        for name, rows in table.recorded_tables(scenario, record).items():
            if len(scenario.experiments) > 1:
                parts.append(f"**{name}**")
            parts.append(_grid(scenario.experiments[name], rows))
            parts.append(_notes(rows))
        parts.append(_provenance(record))
    return "\n\n".join(part for part in parts if part)


def _grid(experiment: Experiment, rows: list[Row]) -> str:
    headings = table.headings(experiment)
    head = ["variant", "changes", "valid", *map(prose_cell, headings)]
    lines = []
    for row in rows:
        reason = table.short_reason(row.invalid)[:160]
        cells = row.cells or ((f"invalid: {reason}",) if reason else ())
        cells = (*cells, *[""] * (len(headings) - len(cells)))
        line = [cell(code(row.changes)), *map(prose_cell, (row.trials, *cells))]
        lines.append([cell(foreign(row.variant)), *line])
    return grid(head, lines)


def _some_results(path: Path, scenarios: list[Scenario], variants: list[str]) -> str:
    """The rows of some variants, without notes."""
    record = read_record(scenarios[0])
    return _grid(*_choose_rows(path, scenarios[0], record, variants)) if record else NOT_RUN


def _choose_rows(
    path: Path, scenario: Scenario, record: RecordedRun, variants: list[str]
) -> tuple[Experiment, list[Row]]:
    """The first experiment that has all the variants, and their rows in the order of ``variants``."""
    fewest = variants
    for experiment, rows in table.recorded_tables(scenario, record).items():
        by_name = {row.variant: row for row in rows}
        missing = [name for name in variants if name not in by_name]
        if not missing:
            return scenario.experiments[experiment], [by_name[name] for name in variants]
        fewest = min(fewest, missing, key=len)
    raise UsageError(f"{path}: {scenario.name}'s recorded run has no variant {', '.join(fewest)}")


def _summary(path: Path, scenarios: list[Scenario], words: list[str]) -> str:
    """A short report. Words that are ids of claims choose claims, all others choose variants."""
    scenario = scenarios[0]
    record = read_record(scenario)
    if not record:
        return f"```text\n{NOT_RUN}\n```"
    # As the scenario words them now: the record keeps the words of its run.
    texts = {claim.id: claim.text for claim in scenario.claims}
    claims = {claim.id: replace(claim, text=texts.get(claim.id, claim.text)) for claim in record.verdict.claims}
    experiment, rows = _choose_rows(path, scenario, record, [word for word in words if word not in claims])
    headings = table.headings(experiment)
    text = short_report.render(scenario, record, headings, rows, [claims[word] for word in words if word in claims])
    return block(text, "text")


def _notes(rows: list[Row]) -> str:
    """The notes of each variant's first trial, in a folded element."""
    lines = [line for row in rows for note in row.notes for line in _note(row.variant, note)]
    if not lines:
        return ""
    return "\n".join(
        ["<details><summary>Notes: the first trial of each variant</summary>", "", *lines, "", "</details>"]
    )


def _note(variant: str, note: str) -> list[str]:
    """One item of the list; a note of several lines keeps its lines and spaces."""
    first, *rest = note.split("\n")
    if not rest:
        return [f"- {variant}: {prose_cell(note)}"]
    return [
        f"- {variant}: {prose_cell(first)}",
        "",
        *(f"  {line}".rstrip() for line in block("\n".join(rest), "text").split("\n")),
        "",
    ]


def _provenance(record: RecordedRun) -> str:
    host = record.info.host
    bases = "; ".join(sorted({base.detail or "?" for base in record.info.bases.values()}))
    return foreign(
        f"Run {record.verdict.run}, {record.info.started}: kernel {host.kernel}, engine {host.engine}, "
        f"Compose {host.compose}, {host.cpus} × {host.cpu}. Base images: {bases}."
    )


PARTS: dict[str, Callable[[list[Scenario]], str]] = {
    "scenarios": lambda scenarios: scenario_table.render(scenarios, "en"),
    "claims": _claims,
    "settings": _settings,
    "results": _results,
    "map": maps.render,
    "sources": sources.render,
}
# Their links depend on the place of the page.
WITH_PAGE: dict[str, Callable[[Path, list[Scenario]], str]] = {"curves": curves.render}
WITH_WORDS: dict[str, Callable[[Path, list[Scenario], list[str]], str]] = {
    "scenarios": _scenario_table,
    "results": _some_results,
    "summary": _summary,
}
# The parts of WITH_WORDS that need the name of a scenario.
SINGLE_SCENARIO = ("results", "summary")
WORDS_EXPECTED = ("scenarios: LANGUAGE", "results/SCENARIO: VARIANTS", "summary/SCENARIO: VARIANTS and CLAIMS")
