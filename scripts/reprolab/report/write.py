"""A run's report in the terminal and in files."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from reprolab.core import files
from reprolab.core.errors import LabError
from reprolab.core.progress import OnProgress
from reprolab.evidence import packages, run_dir
from reprolab.evidence.run_dir import RunDirectory
from reprolab.report import terminal
from reprolab.report.html import report as html_report
from reprolab.scenario.model import Scenario
from reprolab.verdict.judge import drifted
from reprolab.verdict.record import recorded_verdict

REPORT_WIDTH = 160
REPORT = "report.txt"


def write_page(found: Scenario, run: RunDirectory) -> Path:
    """Write a run's report.html from its files; returns its path."""
    # The drawing library takes most of a second to load, which other commands need not wait for.

    return html_report.write(found, run, recorded_verdict(found))


def add_page(found: Scenario, run: RunDirectory, say: OnProgress) -> None:
    """Write report.html, after all else: that it cannot be written must not cost the user the verdict."""
    try:
        path = write_page(found, run)
    except Exception as error:
        told = str(error) if isinstance(error, LabError) else f"{type(error).__name__}: {error}"
        say(f"{run_dir.PAGE} could not be written, but the verdict stands: {told}")
    else:
        say(f"page: {files.display_path(path)}")


def report(console: Console, found: Scenario, run: RunDirectory) -> None:
    """Print a run's report and keep it as text beside the evidence."""
    content = files.read_json(run.path / "run.json")
    verdict = files.read_json(run.path / "verdict.json")
    trials = run.trials()
    where = f"results/{found.name}/{run.name}/"
    terminal.render(console, found, content, trials, verdict, f"{files.display_path(run.path)}/")
    recorded, named = recorded_verdict(found) or {}, packages.named(found)
    if drifted(verdict):
        for line in terminal.differences(recorded, content, named):
            console.print(f"  differs: {line}", style="yellow", highlight=False)
    elif told := terminal.packages_changed(recorded, content, named):
        console.print(f"  {told}", style="dim", highlight=False, soft_wrap=True)
    with files.writing(run.path / REPORT), (run.path / REPORT).open("w", encoding="utf-8") as stream:
        # This report may be recorded and published: it names no folder of this machine.
        plain = Console(file=stream, width=REPORT_WIDTH, no_color=True, highlight=False)
        terminal.render(plain, found, content, trials, verdict, where)
