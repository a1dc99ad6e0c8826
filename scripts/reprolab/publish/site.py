"""Builds the site: the catalogue of all cases, an index of all claims, and a page for each scenario's README.

The site shows the verdicts on record (recorded.json) and the reports of the latest runs, and says which are missing.
"""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from reprolab.core import command_text, files
from reprolab.core.errors import UsageError
from reprolab.core.progress import OnProgress
from reprolab.publish import readme_sections
from reprolab.publish.measured_releases import MeasuredReleases, measured_releases
from reprolab.publish.readme_page import Story, render_readme
from reprolab.publish.run_time import run_time
from reprolab.publish.site_files import ReportLink, ReproducerLink, copy_report, readme_links, write_reproducer
from reprolab.report.html.page import render, script_json
from reprolab.scenario import loader
from reprolab.scenario.catalogue import KINDS
from reprolab.scenario.model import Claim, Scenario
from reprolab.scenario.not_tested import WORD as NOT_TESTED
from reprolab.verdict.answer import Answer, answer
from reprolab.verdict.document import ClaimVerdict
from reprolab.verdict.record import RecordedRun, read_record

NAME = "site"
MARKER = ".reprolab-site"
VERDICTS = ("confirmed", "refuted", "intermittent", "inconclusive")


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
    """One scenario as the site shows it: its claims in order, the record, the report, the reproducer, the README.

    ``releases`` is None if the scenario names no variant as a release, or has no record.
    """

    scenario: Scenario
    claims: tuple[ClaimRow, ...]
    recorded: RecordedRun | None
    counts: tuple[tuple[int, str], ...]
    report: ReportLink
    story: Story | None
    reproducer: ReproducerLink
    answer: Answer | None = None
    releases: MeasuredReleases | None = None

    @property
    def href(self) -> str:
        """The file name of the scenario's page."""
        return f"{self.scenario.name}.html"

    @property
    def summary(self) -> str:
        """The number of claims for each verdict, as text."""
        return " · ".join(f"{n} {word}" for n, word in self.counts)

    @property
    def verdict(self) -> str:
        """The verdict on the claim that gives the answer; "" without one."""
        row = self.recorded.verdict.claim(self.answer.claim) if self.recorded and self.answer else None
        return str(row.verdict) if row else ""

    @property
    def verdicts(self) -> tuple[str, ...]:
        """The verdicts by which the case is found: those of all its claims."""
        return tuple(word for _, word in self.counts)

    @property
    def run_time(self) -> str:
        """How long the run on record took; "" without a record."""
        return run_time(self.recorded.info.times) if self.recorded else ""


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
    command = command_text.kept(root, "site", "site")
    for page in pages:
        on_progress(
            f"{page.scenario.name}: {page.summary or 'not recorded yet'}; {page.report.missing or 'report copied'}"
        )
        html = render(__package__, "story.html.j2", page=page, pages=pages, command=command)
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
        servers=sorted({name for page in pages for name in page.scenario.catalogue.servers}, key=str.lower),
        kinds=[kind for kind in KINDS if any(kind in page.scenario.catalogue.kinds for page in pages)],
        sections=script_json(sections),
        command=command,
    )
    (draft / "index.html").write_text(index, encoding="utf-8")


def _scenario_page(root: Path, name: str, draft: Path, target: Path) -> ScenarioPage:
    scenario = loader.load(root, name)
    record = read_record(scenario)
    # In the order of the document's sentences, across experiments.
    rows = [_claim_row(claim, record.verdict.claim(claim.id) if record else None) for claim in scenario.claims]
    rows += [ClaimRow(row.id, row.text, "", NOT_TESTED, row.why) for row in scenario.not_tested]
    claims = tuple(sorted(rows, key=lambda row: readme_sections.number_of(row.id)))
    numbers = Counter(row.verdict for row in claims if row.verdict)
    counts = tuple((numbers[word], word) for word in VERDICTS if numbers[word])
    readme = scenario.directory / "README.md"
    links = readme_links(root, readme, draft)
    main = answer(scenario, record.verdict) if record else None
    return ScenarioPage(
        scenario,
        claims,
        record,
        counts,
        copy_report(root, scenario, main.claim if main else "", draft, target),
        render_readme(readme.read_text(encoding="utf-8"), links) if readme.exists() else None,
        write_reproducer(scenario, draft),
        main,
        measured_releases(scenario, record.verdict if record else None),
    )


def _claim_row(claim: Claim, row: ClaimVerdict | None) -> ClaimRow:
    if row is None:
        return ClaimRow(claim.id, claim.text, claim.setting)
    has_measured = any(variant.measured is not None for variant in row.variants.values())
    variants = tuple(sorted({name.rpartition("/")[2] for name in row.variants}))
    measured = readme_sections.measured(row) if has_measured else ""
    return ClaimRow(claim.id, claim.text, claim.setting, str(row.verdict), row.reason, measured, variants)
