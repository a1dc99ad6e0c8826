"""Writes the report of a run to the terminal and to files."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from pathlib import Path

from rich.console import Console

from reprolab.core import files
from reprolab.core.errors import LabError, UsageError
from reprolab.core.progress import OnProgress
from reprolab.core.terminal import Terminal
from reprolab.evidence import run_dir
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import RunInfo
from reprolab.report import layers, table, terminal
from reprolab.report.machine import machine_lines
from reprolab.scenario.model import Scenario
from reprolab.verdict.document import VerdictDocument, read_verdict
from reprolab.verdict.record import read_record

REPORT = "report.txt"


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


def report(console: Console, scenario: Scenario, run: RunDirectory) -> None:
    """Print the report of a run, and write it to report.txt. Raises UsageError for a run without a verdict."""
    info, verdict = run.info(), read_verdict(run)
    if verdict is None:
        raise UsageError(f"{run.path} has no verdict.json", expected="a run that was judged")
    checked = run.checked_trials()
    trials = list(checked.records)
    tables = table.tables(scenario, trials)
    machine = [*checked.lines, *machine_lines(scenario, info, verdict, trials)]
    with files.replacing(run.path / REPORT) as draft:
        draft.write_text(_text(scenario, info, tables, verdict, machine), encoding="utf-8")
    terminal.render(console, scenario, info, tables, verdict, f"{files.display_path(run.path)}/", machine)
    if (record := read_record(scenario)) is not None:
        changed = layers.compare_with_record(scenario, record, info)
        for line in changed.lines if verdict.drifted else ():
            console.print(f"  differs: {line}", style="yellow")
        for line in () if verdict.drifted else changed.short_lines:
            console.print(f"  {line}", style="dim", soft_wrap=True)


def _text(
    scenario: Scenario, info: RunInfo, tables: table.Tables, verdict: VerdictDocument, machine: Sequence[str]
) -> str:
    """The report as plain text. It may be published, so it names no directory of this machine."""
    stream = StringIO()
    plain = Terminal(file=stream, width=terminal.REPORT_WIDTH, no_color=True)
    terminal.render(plain, scenario, info, tables, verdict, f"results/{scenario.name}/{verdict.run}/", machine)
    return stream.getvalue()
