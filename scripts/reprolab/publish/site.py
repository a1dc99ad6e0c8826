"""Builds the site: an index with all claims, a page for each scenario's story, the reports and the files they name.

What it shows is what is on record (recorded.json), and the reports that runs have left; what is missing, it says.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from reprolab.core import files
from reprolab.core.errors import UsageError
from reprolab.core.progress import OnProgress
from reprolab.evidence import lookup, run_dir
from reprolab.evidence.run_dir import RunDirectory
from reprolab.publish import readme_sections
from reprolab.publish.readme_page import Story, read
from reprolab.report.html.page import render, script_json
from reprolab.scenario import loader
from reprolab.scenario.model import Claim, Scenario
from reprolab.verdict.document import ClaimVerdict
from reprolab.verdict.record import RecordedRun, read_record

NAME = "site"
MARKER = ".reprolab-site"
VERDICTS = ("confirmed", "refuted", "inconclusive")
RELATIVE = re.compile(r'(?P<before>\b(?:href|src)=")(?P<target>(?![a-z]+:|#|/)[^"]+)(?=")')


@dataclass(frozen=True)
class Report:
    """The report of a scenario's latest run: where its copy lies, or why there is none."""

    href: str = ""
    run: str = ""
    status: str = ""
    missing: str = ""


@dataclass(frozen=True)
class ClaimRow:
    """A claim as it stands in the scenario, with what is on record of it; without a record, no verdict."""

    id: str
    text: str
    setting: str
    verdict: str = ""
    why: str = ""
    measured: str = ""
    variants: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """One scenario as the site shows it: its claims in order, the record, the report, the story."""

    scenario: Scenario
    claims: tuple[ClaimRow, ...]
    recorded: RecordedRun | None
    counts: tuple[tuple[str, int], ...]
    report: Report
    story: Story | None

    @property
    def href(self) -> str:
        """The page of the story."""
        return f"{self.scenario.name}.html"

    @property
    def numbers(self) -> str:
        """Its counts in words."""
        return " · ".join(f"{n} {word}" for word, n in self.counts)


def build(root: Path, target: Path, on_progress: OnProgress) -> Path:
    """Write the site to ``target``, whole or not at all; returns the path of its first page.

    Raises UsageError where ``target`` holds something that is no site.
    """
    _check(target)
    with files.replacing(target) as draft:
        draft.mkdir()
        (draft / MARKER).touch()
        _write(root, draft, target, on_progress)
        if target.exists():
            shutil.rmtree(target)
    return target / "index.html"


def _check(target: Path) -> None:
    """Only what the lab made is replaced."""
    if target.exists() and not (target / MARKER).is_file() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(
            f"{target} holds something else than a site", expected="a new or empty directory, or a site of the lab"
        )


def _write(root: Path, draft: Path, target: Path, on_progress: OnProgress) -> None:
    cases = [_case(root, name, draft, target) for name in loader.names(root)]
    for case in cases:
        on_progress(
            f"{case.scenario.name}: {case.numbers or 'not recorded yet'}; {case.report.missing or 'report copied'}"
        )
        (draft / case.href).write_text(render(__package__, "story.html.j2", case=case, cases=cases), encoding="utf-8")
    sections = [
        {"case": case.scenario.name, "href": f"{case.href}#{part.anchor}", "heading": part.heading, "text": part.text}
        for case in cases
        for part in (case.story.sections if case.story else ())
    ]
    totals = Counter(dict.fromkeys(VERDICTS, 0))
    for case in cases:
        totals.update(dict(case.counts))
    index = render(
        __package__,
        "site.html.j2",
        cases=cases,
        totals=[(word, totals[word]) for word in VERDICTS],
        sections=script_json(sections),
    )
    (draft / "index.html").write_text(index, encoding="utf-8")


def _case(root: Path, name: str, draft: Path, target: Path) -> Case:
    found = loader.load(root, name)
    recorded = read_record(found)
    # In the order of the document's sentences, whichever experiment looks at them.
    ordered = sorted(found.claims, key=lambda claim: int((re.findall(r"\d+", claim.id) or ["0"])[-1]))
    claims = tuple(_claim(claim, recorded.verdict.claim(claim.id) if recorded else None) for claim in ordered)
    counts = Counter(row.verdict for row in claims if row.verdict)
    words = tuple((word, counts[word]) for word in VERDICTS if counts[word])
    readme = found.directory / "README.md"
    story = read(readme.read_text(encoding="utf-8"), _links(root, readme, draft)) if readme.exists() else None
    return Case(found, claims, recorded, words, _report(root, name, draft, target), story)


def _claim(claim: Claim, row: ClaimVerdict | None) -> ClaimRow:
    if row is None:
        return ClaimRow(claim.id, claim.text, claim.setting)
    says = any(one.measured is not None for one in row.variants.values())
    variants = tuple(sorted({name.rpartition("/")[2] for name in row.variants}))
    measured = readme_sections.measured(row) if says else ""
    return ClaimRow(claim.id, claim.text, claim.setting, str(row.verdict), row.why, measured, variants)


def _report(root: Path, name: str, draft: Path, target: Path) -> Report:
    """Copy the latest run's report; its links to evidence lead to the run's directory."""
    try:
        run = lookup.open_run(root, name)
    except UsageError:
        return Report(missing=f"no run of it here; make scenario-{name} makes one, with its report")
    source = run.path / run_dir.PAGE
    if not source.is_file():
        return Report(run=run.name, missing=f"the latest run has no {run_dir.PAGE}; make html RUN={name} writes it")
    href = f"reports/{name}.html"
    copy = draft / href
    copy.parent.mkdir(exist_ok=True)
    text = source.read_text(encoding="utf-8")
    copy.write_text(_pointed(text, run, target / "reports"), encoding="utf-8")
    return Report(href, run.name, run.info().status)


def _pointed(text: str, run: RunDirectory, place: Path) -> str:
    """A report with its relative links as they read from the site: evidence is not copied."""
    way = Path(os.path.relpath(run.path, place)).as_posix()
    begin, script, rest = text.partition("<script")
    return RELATIVE.sub(rf"\g<before>{way}/\g<target>", begin) + script + rest


def _links(root: Path, page: Path, draft: Path) -> Callable[[str], str]:
    """Where a README's links lead in the site: to other stories, or to copies of the files they name."""

    def link(href: str) -> str:
        path, mark, anchor = href.partition("#")
        if not path or re.match(r"[a-z]+:", href):
            return href
        named = Path(os.path.normpath(page.parent / path))
        if not named.is_relative_to(root) or not named.exists():
            return href
        inside = PurePosixPath(named.relative_to(root).as_posix())
        if named.name == "README.md" or named.is_dir():
            where = inside.parent if named.name == "README.md" else inside
            return f"{where.name}.html{mark}{anchor}" if where.parent.name == "scenarios" else "index.html"
        # As text: a browser shows it instead of keeping it.
        copy = draft / "files" / f"{inside}.txt"
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(named, copy)
        return copy.relative_to(draft).as_posix() + mark + anchor

    return link
