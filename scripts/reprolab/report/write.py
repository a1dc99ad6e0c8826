"""Writes the report of a run to the terminal and to files."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from rich.console import Console

from reprolab.core import files
from reprolab.core.errors import LabError, UsageError
from reprolab.core.progress import OnProgress
from reprolab.core.terminal import REPORT_WIDTH, Terminal
from reprolab.evidence import run_dir
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import RunInfo
from reprolab.report import layers, markdown, table, terminal
from reprolab.report.curves import plot
from reprolab.report.machine import machine_lines
from reprolab.scenario.digest import case_digest
from reprolab.scenario.model import Scenario
from reprolab.verdict.document import read_verdict
from reprolab.verdict.record import read_record

REPORT, SUMMARY = "report.txt", "report.md"


def write_page(scenario: Scenario, run: RunDirectory) -> Path:
    """Write the report.html of a run from its files; returns the path."""
    # The drawing library takes a quarter of a second to load. Commands that draw nothing do not wait for it.
    from reprolab.report.html import report as html_report

    return html_report.write(scenario, run, read_record(scenario))


def add_page(scenario: Scenario, run: RunDirectory, on_progress: OnProgress) -> None:
    """Write report.html. An error is reported in one line and not raised, as the verdict is valid without the page."""
    try:
        path = write_page(scenario, run)
    except Exception as error:
        reason = str(error) if isinstance(error, LabError) else f"{type(error).__name__}: {error}"
        on_progress(f"{run_dir.PAGE} could not be written, but the verdict stands: {reason}")
    else:
        on_progress(f"page: {files.display_path(path)}")


def report(console: Console, scenario: Scenario, run: RunDirectory, verbose: bool = False) -> None:
    """Print the report of a run, and write it to report.txt and report.md. Raises UsageError without a verdict.

    What is printed is short without ``verbose``; the files have everything.
    """
    info, verdict = run.info(), read_verdict(run)
    if verdict is None:
        raise UsageError(f"{run.path} has no verdict.json", expected="a run that was judged")
    record = read_record(scenario)
    recorded = record.verdict if record else None
    checked = run.checked_trials()
    trials = list(checked.records)
    tables, curves = table.tables(scenario, trials), plot(scenario, trials)
    machine = [*checked.lines, *_changed_since(scenario, info), *machine_lines(scenario, info, verdict, trials)]
    # The files may be published, so they name no directory of this machine.
    public = f"results/{scenario.name}/{verdict.run}/"
    stream = StringIO()
    plain = Terminal(file=stream, width=REPORT_WIDTH, no_color=True)
    terminal.render(plain, scenario, info, tables, verdict, public, machine, recorded, curves=curves)
    _write(run.path / REPORT, stream.getvalue())
    _write(run.path / SUMMARY, markdown.summary(scenario, info, tables, verdict, public, recorded))
    where = f"{files.display_path(run.path)}/"
    terminal.render(console, scenario, info, tables, verdict, where, machine, recorded, verbose, curves)
    if record is not None:
        changed = layers.compare_with_record(scenario, record, info)
        for line in changed.lines if verdict.drifted else ():
            console.print(f"  differs: {line}", style="yellow")
        for line in () if verdict.drifted else changed.short_lines:
            console.print(f"  {line}", style="dim")


def _changed_since(scenario: Scenario, info: RunInfo) -> list[str]:
    """That the trials were made with other files than those that judge them now."""
    case = (info.observed.case if info.observed else "") or info.case
    if not case or case == case_digest(scenario.directory):
        return []
    return ["the case's files have changed since this run: the trials are of the old files, the claims of the new ones"]


def _write(path: Path, text: str) -> None:
    with files.replacing(path) as draft:
        draft.write_text(text, encoding="utf-8")
