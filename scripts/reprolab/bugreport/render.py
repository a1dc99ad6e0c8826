"""A bug report to file upstream: the project's own form filled from a run, and nothing private in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from reprolab.bugreport import release_table, sections
from reprolab.bugreport.forms import FORMS
from reprolab.bugreport.input import Material
from reprolab.bugreport.provenance import model
from reprolab.bugreport.redact import Masker, masker
from reprolab.bugreport.spec import Report, fill
from reprolab.evidence.lookup import results_root

# GitHub refuses a body of more than 65536 characters.
MOST = 60_000


def write(material: Material, root: Path) -> str:
    """The whole report as Markdown. The logs in full are left out where it would be too long for GitHub."""
    clean = mask_of(material, root)
    text = clean.text(_compose(material, whole=True))
    return text if len(text) <= MOST else clean.text(_compose(material, whole=False))


def mask_of(material: Material, root: Path) -> Masker:
    """What is private here and where the run took place, and the versions that only look it."""
    services = model(material).get("services", {})
    contexts = [Path(s["build"]["context"]) for s in services.values() if (s.get("build") or {}).get("context")]
    there = {place for context in contexts if (place := _checkout(context))}
    variants = material.report.experiment.variants.values()
    values = {value for factors in (material.scenario.factors, *variants) for value in factors.values()}
    packages = {
        version for kinds in material.info.packages.values() for names in kinds.values() for version in names.values()
    }
    hosts = [*services, *filter(None, [urlsplit(material.scenario.document.url).hostname])]
    return masker([root, results_root(root), material.run.path, *sorted(there)], hosts, values | packages)


def _checkout(context: Path) -> Path | None:
    """The checkout in which a run was made, from where it built an image."""
    for parent in context.parents:
        if parent.name in ("scenarios", "images"):
            return parent.parent
    return None


def headline(material: Material) -> str:
    """What is to be known before anything is filed, by what upstream says and by what was measured."""
    report = material.report
    rows = release_table.rows(material)
    told = f" By this run's measurement: {release_table.summary(rows)}." if rows else ""
    links = ", ".join(f"[{one.thread}]({one.link})" for one in report.known) or "no thread that is known"
    status = f" {report.status}" if report.status else ""
    clean = release_table.newest_is_clean(rows)
    if report.state == "fixed" and clean is False:
        return (
            f"**Upstream calls it fixed ({links}), but the newest release measured here still shows it.**{status}{told}"
        )
    if report.state == "fixed":
        first = release_table.first_clean(rows)
        since = (
            f" in {_program(report)} {first}, the first release measured after"
            if first
            else " (this run measured no later release)"
        )
        by = ", ".join(f"[{one.thread}]({one.link})" for one in report.fixed_by)
        fix = f"; fixed by {by}" if by else ""
        return f"**Already fixed{since}: there is nothing to file.** Known as {links}{fix}.{status}{told}"
    if report.state == "intended":
        return f"**It works as it is meant to: there is no bug to file.**{status}{told}"
    if clean:
        return f"**The newest release measured does not show it: do not file this as it stands.**{status}{told}"
    if report.state == "open":
        return f"**Known upstream and open: add this to {links} instead of filing anew.**{status}{told}"
    if report.state == "closed":
        return (
            f"**Reported before ({links}) and closed; the newest release measured here still shows it.**{status}{told}"
        )
    beside = ", ".join(f"[{one.thread}]({one.link})" for one in (*report.known, *report.related))
    near = f" Near it: {beside}." if beside else ""
    return f"**Not reported upstream, as far as was searched.**{near}{status}{told}"


def _program(report: Report) -> str:
    """Whose releases were measured, by its own name; that need not be the project's (Python beneath gunicorn)."""
    factor = report.releases.factor if report.releases else ""
    names = {form.package.upper(): form.package for form in FORMS.values()} | {"PYTHON": "Python"}
    return names.get(factor, factor.lower())


def _compose(material: Material, *, whole: bool) -> str:
    return "\n\n".join(_sections(material, whole)) + "\n"


def _sections(material: Material, whole: bool) -> Iterator[str]:
    report, form = material.report, FORMS[material.report.project]
    title = fill(report.title, material.factors(report.shows))
    place = report.known[0].link if report.state == "open" and report.known else form.place
    yield f"<!-- Made by reprolab from run {material.scenario.name}/{material.run.name}. Form: {form.source}. -->"
    yield f"> {headline(material)}"
    yield (
        f"- **Title:** {form.prefix}{title}\n- **For:** {form.project}, {place}\n"
        "- What stands below the line is the report. Read it before you file it; look again at the threads it names."
    )
    yield "---"
    for field in form.fields:
        yield f"### {field.heading}"
        yield _part(material, field.part, whole)


def _part(material: Material, name: str, whole: bool) -> str:
    if name.startswith("answer:"):
        answer = material.report.answers.get(name.partition(":")[2], "")
        return fill(answer, material.factors(material.report.shows)) or "—"
    if name == "logs":
        return sections.logs(material, whole=whole)
    return sections.PARTS[name](material)
