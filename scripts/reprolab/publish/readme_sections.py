"""The generated parts of the pages: tables and verdicts come from recorded.json, never from a hand.

A generated part stands between two markers, `<!-- generated: NAME -->` and `<!-- end -->`. Some parts take words behind
a colon: `scenarios: ko` is the table in Korean, `results/SCENARIO: a b` shows these variants alone, without notes, and
`summary/SCENARIO: a b SV-1` is a report cut to these variants and claims.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from reprolab.core.errors import EvidenceError, UsageError
from reprolab.publish import scenario_table, short_report, sources
from reprolab.publish.markdown import cell as _cell
from reprolab.report import table
from reprolab.report.table import Row
from reprolab.scenario import loader
from reprolab.scenario.model import Claim, Experiment, Scenario
from reprolab.verdict.document import ClaimVerdict
from reprolab.verdict.record import RecordedRun, read_record, recorded_verdict

PART = re.compile(r"(<!-- generated: ([\w/-]+)(?:: ([\w .-]+?))? -->\n)(.*?)(<!-- end -->)", re.S)
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
    """Every page with generated parts, as it should read."""
    found = [loader.load(root, name) for name in loader.names(root)]
    wanted: dict[Path, str] = {}
    for path in [*(root / page for page in PAGES), *(s.directory / "README.md" for s in found)]:
        if path.exists():
            wanted[path] = _fill(path, found)
    return wanted


def stale(root: Path) -> list[Path]:
    """The pages whose generated parts are not what the recorded verdicts say."""
    return [path for path, text in pages(root).items() if path.read_text(encoding="utf-8") != text]


def write(root: Path) -> list[Path]:
    """Bring the pages up to date; returns those that changed. All or none: what was written is put back."""
    before: dict[Path, bytes] = {}
    wanted = {path: text for path, text in pages(root).items() if path.read_text(encoding="utf-8") != text}
    try:
        for path, text in wanted.items():
            before[path] = path.read_bytes()
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        for path, content in before.items():
            # The one that failed may refuse this too: the others are put back all the same.
            with suppress(OSError):
                path.write_bytes(content)
        raise EvidenceError(f"the pages could not be written: {error}", expected="permission and room") from error
    return list(wanted)


def _fill(path: Path, found: list[Scenario]) -> str:
    def replace(part: re.Match[str]) -> str:
        kind, _, name = part[2].partition("/")
        return f"{part[1]}{_content(path, kind, name, (part[3] or '').split(), found)}\n{part[5]}"

    return PART.sub(replace, path.read_text(encoding="utf-8"))


def _judged(one: Scenario) -> dict[str, ClaimVerdict]:
    """The verdicts on record, by the claims' ids; none where nothing is on record."""
    verdict = recorded_verdict(one)
    return {claim.id: claim for claim in verdict.claims} if verdict else {}


def _content(path: Path, kind: str, name: str, words: list[str], found: list[Scenario]) -> str:
    """One generated part. Raises UsageError that names the page for a marker that nothing would ever fill."""
    chosen = [scenario for scenario in found if name in ("", scenario.name)]
    if name and not chosen:
        raise UsageError(f"{path}: no scenario {name!r} for the generated part {kind!r}")
    if kind not in PARTS | WITH_WORDS:
        raise UsageError(f"{path}: unknown generated part {kind!r}", expected=", ".join(PARTS | WITH_WORDS))
    if words and (kind not in WITH_WORDS or (kind in OF_ONE and not name)):
        raise UsageError(f"{path}: the generated part {kind!r} takes no words", expected="; ".join(WORDS_EXPECTED))
    if not words and kind not in PARTS:
        raise UsageError(f"{path}: the generated part {kind!r} needs words", expected="; ".join(WORDS_EXPECTED))
    return WITH_WORDS[kind](path, chosen, words) if words else PARTS[kind](chosen)


def _scenarios(path: Path, found: list[Scenario], words: list[str]) -> str:
    """The table in one language."""
    if len(words) != 1 or words[0] not in scenario_table.WORDS:
        raise UsageError(
            f"{path}: the table of scenarios in {' '.join(words)!r}", expected=", ".join(scenario_table.WORDS)
        )
    return scenario_table.render(found, words[0])


def _claims(found: list[Scenario]) -> str:
    parts = []
    for one in found:
        judged = _judged(one)
        lines = [f"## {one.name}: {one.title}", "", f"Document: {one.document.citation}.", ""] if len(found) > 1 else []
        lines += ["| id | claim | verdict | why |", "|---|---|---|---|"]
        for _, claim in _by_number(one):
            row = judged.get(claim.id)
            word, why = (f"**{row.verdict}**", row.why) if row else (NOT_RUN, "—")
            lines.append(f"| {claim.id} | {_cell(claim.text)} | {word} | {_cell(why)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _settings(found: list[Scenario]) -> str:
    """Every claim as an engineer looks it up: by setting, with what was measured and where it is written down."""
    lines = [
        "| setting | id | sentence | what was measured | verdict | number | experiment |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in found:
        judged = _judged(one)
        for experiment, claim in _by_number(one):
            row = judged.get(claim.id)
            word = f"**{row.verdict}**" if row else NOT_RUN
            if row and claim.but:
                word += f", but see {', '.join(claim.but)}"
            cells = [claim.setting or experiment, claim.id, claim.text, measured(row), word, _number(row)]
            place = f"[{experiment}]({experiment}.py)"
            lines.append("| " + " | ".join([_cell(text) for text in cells] + [place]) + " |")
    return "\n".join(lines)


def _by_number(one: Scenario) -> list[tuple[str, Claim]]:
    """Each claim with its experiment, in the order of the document's sentences."""
    pairs = [(e.name, claim) for e in one.experiments.values() for claim in e.claims]
    return sorted(pairs, key=lambda pair: int(re.findall(r"\d+", pair[1].id)[-1]))


def measured(row: ClaimVerdict | None) -> str:
    """What each variant found, those with the same words together."""
    found: dict[str, list[str]] = {}
    for name, variant in row.variants.items() if row else ():
        words = ", ".join(variant.measured or ()) or "—"
        found.setdefault(words, []).append(name.partition("/")[2] or name)
    return "; ".join(f"{', '.join(names)}: {words}" for words, names in found.items()) or "—"


def _number(row: ClaimVerdict | None) -> str:
    """In how many trials the sign showed, where it was to show and where it was not."""
    parts = []
    for expected, words in ((True, "shown"), (False, "control")):
        counts = [one.count for one in row.variants.values() if one.expected is expected] if row else []
        if counts:
            parts.append(f"{words} {sum(one.shown for one in counts)}/{sum(one.trials for one in counts)}")
    return " · ".join(parts) or "—"


def _results(found: list[Scenario]) -> str:
    parts = []
    for one in found:
        record = read_record(one)
        if not record:
            parts.append(NOT_RUN)
            continue
        for name, rows in table.recorded_tables(one, record).items():
            if len(one.experiments) > 1:
                parts.append(f"**{name}**")
            parts.append(_grid(one.experiments[name], rows))
            parts.append(_notes(rows))
        parts.append(_provenance(record))
    return "\n\n".join(part for part in parts if part)


def _grid(experiment: Experiment, rows: list[Row]) -> str:
    headings = table.headings(experiment)
    head = ["variant", "changes", "valid", *headings]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        reason = table.short_reason(row.invalid)[:160]
        cells = row.cells or ((f"invalid: {reason}",) if reason else ())
        cells = (*cells, *[""] * (len(headings) - len(cells)))
        line = [row.variant, f"`{row.changes}`", row.trials, *cells]
        lines.append("| " + " | ".join(_cell(text) for text in line) + " |")
    return "\n".join(lines)


def _rows(path: Path, found: list[Scenario], variants: list[str]) -> str:
    """The results of some variants."""
    record = read_record(found[0])
    return _grid(*_chosen(path, found[0], record, variants)) if record else NOT_RUN


def _chosen(path: Path, one: Scenario, record: RecordedRun, variants: list[str]) -> tuple[Experiment, list[Row]]:
    """The rows, in the order in which they are named, of the first experiment that has them all."""
    fewest = variants
    for experiment, rows in table.recorded_tables(one, record).items():
        by_name = {row.variant: row for row in rows}
        missing = [name for name in variants if name not in by_name]
        if not missing:
            return one.experiments[experiment], [by_name[name] for name in variants]
        fewest = min(fewest, missing, key=len)
    raise UsageError(f"{path}: {one.name}'s recorded run has no variant {', '.join(fewest)}")


def _summary(path: Path, found: list[Scenario], words: list[str]) -> str:
    """A short report; words that are ids of claims choose claims, the others variants."""
    one = found[0]
    record = read_record(one)
    if not record:
        return f"```text\n{NOT_RUN}\n```"
    claims = {claim.id: claim for claim in record.verdict.claims}
    experiment, rows = _chosen(path, one, record, [word for word in words if word not in claims])
    headings = table.headings(experiment)
    text = short_report.render(one, record, headings, rows, [claims[word] for word in words if word in claims])
    return f"```text\n{text}\n```"


def _notes(rows: list[Row]) -> str:
    """What stands below the table, folded: of each variant's first trial."""
    lines = [line for row in rows for note in row.notes for line in _note(row.variant, note)]
    if not lines:
        return ""
    return "\n".join(
        ["<details><summary>Notes: the first trial of each variant</summary>", "", *lines, "", "</details>"]
    )


def _note(variant: str, note: str) -> list[str]:
    """One item of the list; what has several lines keeps them, and their spaces."""
    first, *rest = note.split("\n")
    if not rest:
        return [f"- {variant}: {_cell(note)}"]
    return [f"- {variant}: {_cell(first)}", "", "  ```text", *(f"  {line}".rstrip() for line in rest), "  ```", ""]


def _provenance(record: RecordedRun) -> str:
    host = record.info.host
    bases = "; ".join(sorted({base.detail or "?" for base in record.info.bases.values()}))
    return (
        f"Run {record.verdict.run}, {record.info.started}: kernel {host.kernel}, engine {host.engine}, "
        f"Compose {host.compose}, {host.cpus} × {host.cpu}. Base images: {bases}."
    )


PARTS: dict[str, Callable[[list[Scenario]], str]] = {
    "scenarios": lambda found: scenario_table.render(found, "en"),
    "claims": _claims,
    "settings": _settings,
    "results": _results,
    "sources": sources.render,
}
WITH_WORDS: dict[str, Callable[[Path, list[Scenario], list[str]], str]] = {
    "scenarios": _scenarios,
    "results": _rows,
    "summary": _summary,
}
# Those of WITH_WORDS that are about a single scenario, and how each is written.
OF_ONE = ("results", "summary")
WORDS_EXPECTED = ("scenarios: LANGUAGE", "results/SCENARIO: VARIANTS", "summary/SCENARIO: VARIANTS and CLAIMS")
