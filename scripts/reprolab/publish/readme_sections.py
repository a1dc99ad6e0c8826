"""The generated parts of the pages: tables and verdicts come from recorded.json, never from a hand.

A generated part stands between two markers, `<!-- generated: NAME -->` and `<!-- end -->`. With `: a b` behind
results/SCENARIO only these variants are shown, without notes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from reprolab.core.errors import EvidenceError, UsageError
from reprolab.report import table
from reprolab.report.table import Row
from reprolab.report.write import recorded_report
from reprolab.scenario import loader
from reprolab.scenario.model import Claim, Experiment, Scenario
from reprolab.verdict.document import ClaimVerdict, Verdict, VerdictDocument
from reprolab.verdict.record import RecordedRun, read_record, recorded_verdict

PART = re.compile(r"(<!-- generated: ([\w/-]+)(?:: ([\w .-]+?))? -->\n)(.*?)(<!-- end -->)", re.S)
NOT_RUN = "not recorded yet"


def pages(root: Path) -> dict[Path, str]:
    """Every page with generated parts, as it should read."""
    found = [loader.load(root, name) for name in loader.names(root)]
    wanted: dict[Path, str] = {}
    for path in [
        root / "README.md",
        root / "docs" / "claims.md",
        root / "docs" / "workshop.md",
        *(s.directory / "README.md" for s in found),
    ]:
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
    by_name = {one.name: one for one in found}

    def replace(part: re.Match[str]) -> str:
        kind, _, name = part[2].partition("/")
        if kind not in PARTS:
            raise UsageError(f"{path}: unknown generated part {kind!r}", expected=", ".join(PARTS))
        chosen = [by_name[name]] if name in by_name else found
        if name and name not in by_name:
            raise UsageError(f"{path}: no scenario {name!r} for the generated part {kind!r}")
        if part[3]:
            return f"{part[1]}{_rows(path, chosen[0], part[3].split())}\n{part[5]}"
        return f"{part[1]}{PARTS[kind](chosen)}\n{part[5]}"

    return PART.sub(replace, path.read_text(encoding="utf-8"))


def _scenarios(found: list[Scenario]) -> str:
    lines = ["| scenario | what it is about | document | verdicts | run |", "|---|---|---|---|---|"]
    for one in found:
        record = read_record(one)
        words = _words(record.verdict) if record else NOT_RUN
        when = record.info.started if record else "—"
        link = f"[{one.name}](scenarios/{one.name}/README.md)"
        lines.append(f"| {link} | {_cell(one.title)} | {_cell(one.document)} | {words} | {when} |")
    return "\n".join(lines)


def _words(verdict: VerdictDocument) -> str:
    counts = Counter(claim.verdict for claim in verdict.claims)
    return " · ".join(f"{counts[word]} {word}" for word in Verdict if word in counts)


def _judged(one: Scenario) -> dict[str, ClaimVerdict]:
    """The verdicts on record, by the claims' ids; none where nothing is on record."""
    verdict = recorded_verdict(one)
    return {claim.id: claim for claim in verdict.claims} if verdict else {}


def _claims(found: list[Scenario]) -> str:
    parts = []
    for one in found:
        judged = _judged(one)
        lines = [f"## {one.name}: {one.title}", "", f"Document: {one.document}.", ""] if len(found) > 1 else []
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


def _rows(path: Path, one: Scenario, variants: list[str]) -> str:
    """Some variants, in the order in which they are named, of the first experiment that has them all."""
    record = read_record(one)
    if not record:
        return NOT_RUN
    fewest = variants
    for experiment, rows in table.recorded_tables(one, record).items():
        by_name = {row.variant: row for row in rows}
        missing = [name for name in variants if name not in by_name]
        if not missing:
            return _grid(one.experiments[experiment], [by_name[name] for name in variants])
        fewest = min(fewest, missing, key=len)
    raise UsageError(f"{path}: {one.name}'s recorded run has no variant {', '.join(fewest)}")


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


def _report(found: list[Scenario]) -> str:
    record = read_record(found[0])
    text = recorded_report(found[0], record).rstrip() if record else NOT_RUN
    return f"```text\n{text}\n```"


def _cell(text: str) -> str:
    return " ".join(str(text).replace("|", "\\|").split())


PARTS: dict[str, Callable[[list[Scenario]], str]] = {
    "scenarios": _scenarios,
    "claims": _claims,
    "settings": _settings,
    "results": _results,
    "report": _report,
}
