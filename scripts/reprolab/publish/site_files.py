"""The files beside the site's pages: copies of reports, reproducers to download, and files that a README links to."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from markupsafe import Markup

from reprolab.core import command_text
from reprolab.core.errors import UsageError
from reprolab.evidence import lookup, run_dir
from reprolab.evidence.run_dir import RunDirectory
from reprolab.export import spec, write
from reprolab.report.html import opening
from reprolab.report.html.thumbnail import thumbnail
from reprolab.scenario.model import Scenario
from reprolab.verdict import fitting

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
class ReproducerLink:
    """The reproducer of a scenario: the path of its archive, its size and what it shows, or why there is none."""

    href: str = ""
    kilobytes: int = 0
    variant: str = ""
    sign: str = ""
    missing: str = ""


def copy_report(root: Path, scenario: Scenario, claim: str, draft: Path, target: Path) -> ReportLink:
    """Copy the report of the newest run that fits; the copy's links to evidence point to the run's directory.

    ``claim`` is the id of the claim whose trials make the picture.
    """
    name = scenario.name
    try:
        run = lookup.find_run(root, name, partial(_no_page, scenario))
    except UsageError:
        return ReportLink(missing=f"no run of it here; {command_text.run(name)} makes one, with its report")
    source = run.path / run_dir.PAGE
    if not source.is_file():
        again = command_text.command(f"html {name}/{run.name}", f"html RUN={name}/{run.name}")
        missing = f"the run {run.name} has no {run_dir.PAGE}; {again} writes it"
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


def write_reproducer(scenario: Scenario, draft: Path) -> ReproducerLink:
    """Write the archive that an export writes; its own variant and control are those of reproducer.yaml."""
    if not (scenario.directory / spec.FILE).exists():
        return ReproducerLink(missing="this case has none yet")
    try:
        case = write.choose_case(scenario)
    except UsageError as error:
        return ReproducerLink(missing=f"it cannot be exported: {str(error).splitlines()[0]}")
    content = write.pack(write.collect_files(case), case.name)
    href = f"reproducers/{case.name}.tar.gz"
    archive = draft / href
    archive.parent.mkdir(exist_ok=True)
    archive.write_bytes(content)
    return ReproducerLink(href, max(1, round(len(content) / 1000)), case.variant, case.reproducer.sign)


def readme_links(root: Path, page: Path, draft: Path) -> Callable[[str], str]:
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
        # With the suffix .txt a browser shows a file instead of saving it. It draws a picture only under its name.
        copy = draft / "files" / (relative if source.suffix == ".svg" else f"{relative}.txt")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
        return copy.relative_to(draft).as_posix() + mark + anchor

    return link
