"""Makes the text of a bug report: the project's form, filled from a run, without private data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from reprolab.bugreport import redact, release_table, sections
from reprolab.bugreport.forms import ANSWER, FORMS
from reprolab.bugreport.input import BugReportInput
from reprolab.bugreport.provenance import recorded_model
from reprolab.bugreport.redact import Masker
from reprolab.bugreport.spec import BugReport, fill
from reprolab.core.foreign_text import plain
from reprolab.core.shared_files import IMAGES, installed
from reprolab.evidence.lookup import results_root

# GitHub refuses a body of more than 65536 characters.
MOST = 60_000


def write(report_input: BugReportInput, root: Path) -> str:
    """The whole report as Markdown. The folded logs are left out if it would be too long for GitHub."""
    masker = build_masker(report_input, root)
    text = masker.text(plain(_compose(report_input, whole=True)))
    return text if len(text) <= MOST else masker.text(plain(_compose(report_input, whole=False)))


def build_masker(report_input: BugReportInput, root: Path) -> Masker:
    """A masker for the names and paths of this machine and of the run's machine."""
    services = recorded_model(report_input).get("services", {})
    contexts = [Path(s["build"]["context"]) for s in services.values() if (s.get("build") or {}).get("context")]
    checkouts = {place for context in contexts if (place := _checkout(context))}
    variants = report_input.report.experiment.variants.values()
    values = {value for factors in (report_input.scenario.factors, *variants) for value in factors.values()}
    packages = {
        version
        for kinds in report_input.info.packages.values()
        for names in kinds.values()
        for version in names.values()
    }
    public = (report_input.scenario.document.url, report_input.report.form.place)
    hosts = [*services, *filter(None, [urlsplit(address).hostname for address in public])]
    places = [root, results_root(root), report_input.run.path, *sorted(checkouts), installed(IMAGES).parent]
    return redact.masker(places, hosts, values | packages)


def _checkout(context: Path) -> Path | None:
    """The checkout of a run, found from the directory of one of its image builds."""
    for parent in context.parents:
        if parent.name in ("scenarios", "images"):
            return parent.parent
    return None


def headline(report_input: BugReportInput) -> str:
    """What to know before the report is filed: its state upstream, and the releases that were measured."""
    report = report_input.report
    rows = release_table.rows(report_input)
    ours = f" By this run's measurement: {release_table.summary(rows)}." if rows else ""
    links = ", ".join(f"[{thread.thread}]({thread.link})" for thread in report.known) or "no thread that is known"
    status = f" {report.status}" if report.status else ""
    clean = release_table.newest_is_clean(rows)
    if report.state == "fixed" and clean is False:
        return (
            f"**Upstream calls it fixed ({links}), but the newest release measured here still shows it.**{status}{ours}"
        )
    if report.state == "fixed":
        first = release_table.first_clean(rows)
        since = (
            f" in {_program(report)} {first}, the first release measured after"
            if first
            else " (this run measured no later release)"
        )
        by = ", ".join(f"[{thread.thread}]({thread.link})" for thread in report.fixed_by)
        fix = f"; fixed by {by}" if by else ""
        return f"**Already fixed{since}: there is nothing to file.** Known as {links}{fix}.{status}{ours}"
    if report.state == "intended":
        return f"**It works as it is meant to: there is no bug to file.**{status}{ours}"
    if clean:
        return f"**The newest release measured does not show it: do not file this as it stands.**{status}{ours}"
    if report.state == "open":
        return f"**Known upstream and open: add this to {links} instead of filing anew.**{status}{ours}"
    if report.state == "closed":
        return (
            f"**Reported before ({links}) and closed; the newest release measured here still shows it.**{status}{ours}"
        )
    beside = ", ".join(f"[{thread.thread}]({thread.link})" for thread in (*report.known, *report.related))
    near = f" Near it: {beside}." if beside else ""
    return f"**Not reported upstream, as far as was searched.**{near}{status}{ours}"


def _program(report: BugReport) -> str:
    """The program whose releases were measured; it may differ from the project (Python for gunicorn's report)."""
    factor = report.releases.factor if report.releases else ""
    forms = (*FORMS.values(), report.form)
    names = {form.package.upper(): form.package for form in forms} | {"PYTHON": "Python"}
    return names.get(factor, factor.lower())


def _compose(report_input: BugReportInput, *, whole: bool) -> str:
    return "\n\n".join(_sections(report_input, whole)) + "\n"


def _sections(report_input: BugReportInput, whole: bool) -> Iterator[str]:
    report, form = report_input.report, report_input.report.form
    title = fill(report.title, report_input.factors(report.shows))
    place = report.known[0].link if report.state == "open" and report.known else form.place
    run = f"{report_input.scenario.name}/{report_input.run.name}"
    yield f"<!-- Made by reprolab from run {run}. Form: {form.source}. -->"
    yield f"> {headline(report_input)}"
    yield (
        f"- **Title:** {form.prefix}{title}\n- **For:** {form.project}, {place}\n"
        "- What stands below the line is the report. Read it before you file it; look again at the threads it names."
    )
    yield "---"
    for field in form.fields:
        yield f"### {field.heading}"
        yield _part(report_input, field.part, whole)


def _part(report_input: BugReportInput, name: str, whole: bool) -> str:
    if name.startswith(ANSWER):
        answer = report_input.report.answers.get(name.removeprefix(ANSWER), "")
        return fill(answer, report_input.factors(report_input.report.shows)) or "—"
    if name == "logs":
        return sections.logs(report_input, whole=whole)
    return sections.PARTS[name](report_input)
