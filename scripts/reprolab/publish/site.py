"""Builds the site: an index of all claims, a page for each scenario's README, the reports, and the files they link to.

The site shows the verdicts on record (recorded.json) and the reports of the latest runs, and says which are missing.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from markupsafe import Markup

from reprolab.core import files
from reprolab.core.errors import UsageError
from reprolab.core.progress import OnProgress
from reprolab.evidence import lookup, run_dir
from reprolab.evidence.run_dir import RunDirectory
from reprolab.publish import readme_sections
from reprolab.publish.readme_page import Story, render_readme
from reprolab.report.html import opening
from reprolab.report.html.page import render, script_json
from reprolab.report.html.thumbnail import thumbnail
from reprolab.scenario import loader
from reprolab.scenario.model import Claim, Scenario
from reprolab.verdict import fitting
from reprolab.verdict.answer import Answer, answer
from reprolab.verdict.document import ClaimVerdict
from reprolab.verdict.record import RecordedRun, read_record

NAME = "site"
MARKER = ".reprolab-site"
VERDICTS = ("confirmed", "refuted", "intermittent", "inconclusive")
RELATIVE = re.compile(r'(?P<before>\b(?:href|src)=")(?P<target>(?![a-z]+:|#|/)[^"]+)(?=")')


@dataclass(frozen=True)
class ReportLink:
    """The report of a scenario's latest run: the path of its copy and its picture, or why there is none."""

    href: str = ""
    run: str = ""
    status: str = ""
    missing: str = ""
    picture: Markup | str = ""


@dataclass(frozen=True)
class ClaimRow:
    """A claim of the scenario with its verdict on record; without a record the verdict is empty."""

    id: str
    text: str
    setting: str
    verdict: str = ""
    why: str = ""
    measured: str = ""
    variants: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScenarioPage:
    """One scenario as the site shows it: its claims in order, the record, the report, the README."""

    scenario: Scenario
    claims: tuple[ClaimRow, ...]
    recorded: RecordedRun | None
    counts: tuple[tuple[int, str], ...]
    report: ReportLink
    story: Story | None
    answer: Answer | None = None

    @property
    def href(self) -> str:
        """The file name of the scenario's page."""
        return f"{self.scenario.name}.html"

    @property
    def summary(self) -> str:
        """The number of claims for each verdict, as text."""
        return " · ".join(f"{n} {word}" for n, word in self.counts)


def build(root: Path, target: Path, on_progress: OnProgress) -> Path:
    """Write the site to ``target``, completely or not at all; returns the path of its first page.

    Raises UsageError if ``target`` holds anything other than a site.
    """
    _check_target(target)
    with files.replacing(target) as draft:
        draft.mkdir()
        (draft / MARKER).touch()
        _write(root, draft, target, on_progress)
        if target.exists():
            shutil.rmtree(target)
    return target / "index.html"


def _check_target(target: Path) -> None:
    if target.exists() and not (target / MARKER).is_file() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(
            f"{target} holds files that are no site of the lab", expected="a new or empty directory, or such a site"
        )


def _write(root: Path, draft: Path, target: Path, on_progress: OnProgress) -> None:
    pages = [_scenario_page(root, name, draft, target) for name in loader.names(root)]
    for page in pages:
        on_progress(
            f"{page.scenario.name}: {page.summary or 'not recorded yet'}; {page.report.missing or 'report copied'}"
        )
        html = render(__package__, "story.html.j2", page=page, pages=pages)
        (draft / page.href).write_text(html, encoding="utf-8")
    sections = [
        {
            "scenario": page.scenario.name,
            "href": f"{page.href}#{section.anchor}",
            "heading": section.heading,
            "text": section.text,
        }
        for page in pages
        for section in (page.story.sections if page.story else ())
    ]
    totals = Counter(dict.fromkeys(VERDICTS, 0))
    for page in pages:
        totals.update({word: n for n, word in page.counts})
    index = render(
        __package__,
        "site.html.j2",
        pages=pages,
        totals=[(totals[word], word) for word in VERDICTS],
        sections=script_json(sections),
    )
    (draft / "index.html").write_text(index, encoding="utf-8")


def _scenario_page(root: Path, name: str, draft: Path, target: Path) -> ScenarioPage:
    scenario = loader.load(root, name)
    record = read_record(scenario)
    # In the order of the document's sentences, across experiments.
    ordered = sorted(scenario.claims, key=lambda claim: int((re.findall(r"\d+", claim.id) or ["0"])[-1]))
    claims = tuple(_claim_row(claim, record.verdict.claim(claim.id) if record else None) for claim in ordered)
    numbers = Counter(row.verdict for row in claims if row.verdict)
    counts = tuple((numbers[word], word) for word in VERDICTS if numbers[word])
    readme = scenario.directory / "README.md"
    story = render_readme(readme.read_text(encoding="utf-8"), _links(root, readme, draft)) if readme.exists() else None
    main = answer(scenario, record.verdict) if record else None
    report = _copy_report(root, scenario, main.claim if main else "", draft, target)
    return ScenarioPage(scenario, claims, record, counts, report, story, main)


def _claim_row(claim: Claim, row: ClaimVerdict | None) -> ClaimRow:
    if row is None:
        return ClaimRow(claim.id, claim.text, claim.setting)
    has_measured = any(variant.measured is not None for variant in row.variants.values())
    variants = tuple(sorted({name.rpartition("/")[2] for name in row.variants}))
    measured = readme_sections.measured(row) if has_measured else ""
    return ClaimRow(claim.id, claim.text, claim.setting, str(row.verdict), row.reason, measured, variants)


def _copy_report(root: Path, scenario: Scenario, claim: str, draft: Path, target: Path) -> ReportLink:
    """Copy the report of the newest run that fits; the copy's links to evidence point to the run's directory.

    ``claim`` is the id of the claim whose trials make the picture.
    """
    name = scenario.name
    try:
        run = lookup.find_run(root, name, partial(_no_page, scenario))
    except UsageError:
        return ReportLink(missing=f"no run of it here; make scenario-{name} makes one, with its report")
    source = run.path / run_dir.PAGE
    if not source.is_file():
        missing = f"the run {run.name} has no {run_dir.PAGE}; make html RUN={name}/{run.name} writes it"
        return ReportLink(run=run.name, missing=missing)
    try:
        status = "incomplete" if run.checked_trials().faults else run.info().status
    except UsageError as error:
        return ReportLink(run=run.name, missing=f"the run {run.name} cannot be read: {str(error).splitlines()[0]}")
    href = f"reports/{name}.html"
    copy = draft / href
    copy.parent.mkdir(exist_ok=True)
    text = source.read_text(encoding="utf-8")
    copy.write_text(_with_links_to_run(text, run, target / "reports"), encoding="utf-8")
    picture = thumbnail(opening.read_pair(scenario, run, claim))
    return ReportLink(href, run.name, status, picture=picture)


def _no_page(scenario: Scenario, run: RunDirectory) -> str:
    """Why a run's report is not the one to publish; "" if it is."""
    return fitting.to_publish(scenario, run) or ("" if (run.path / run_dir.PAGE).is_file() else "no report")


def _with_links_to_run(text: str, run: RunDirectory, place: Path) -> str:
    """A report whose relative links point from ``place`` to the run's directory, as evidence is not copied."""
    path = Path(os.path.relpath(run.path, place)).as_posix()
    begin, script, rest = text.partition("<script")
    return RELATIVE.sub(rf"\g<before>{path}/\g<target>", begin) + script + rest


def _links(root: Path, page: Path, draft: Path) -> Callable[[str], str]:
    """A function that turns a README's link into a link of the site; copies the file that the link names."""

    def link(href: str) -> str:
        path, mark, anchor = href.partition("#")
        if not path or re.match(r"[a-z]+:", href):
            return href
        source = Path(os.path.normpath(page.parent / path))
        if not source.is_relative_to(root) or not source.exists():
            return href
        relative = PurePosixPath(source.relative_to(root).as_posix())
        if source.name == "README.md" or source.is_dir():
            directory = relative.parent if source.name == "README.md" else relative
            return f"{directory.name}.html{mark}{anchor}" if directory.parent.name == "scenarios" else "index.html"
        # With the suffix .txt a browser shows the file instead of saving it.
        copy = draft / "files" / f"{relative}.txt"
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
        return copy.relative_to(draft).as_posix() + mark + anchor

    return link
