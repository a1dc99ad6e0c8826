"""The pages of measured cells: each is a run with one variant, and has its report as any other run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from reprolab.core import command_text
from reprolab.core.errors import LabError
from reprolab.core.files import display_path
from reprolab.core.number_words import plural
from reprolab.core.progress import OnProgress
from reprolab.evidence.run_dir import PAGE, TRIALS, RunDirectory
from reprolab.report import write
from reprolab.scenario.model import Scenario
from reprolab.verdict.record import judge_run

# A page takes a second and a megabyte. A map with thousands of cells would wait for hours.
MOST = 500


def write_pages(scenario: Scenario, directories: Iterable[Path], on_progress: OnProgress) -> None:
    """Write report.html of the first MOST cells that have new trials. A line says which pages are left out."""
    stale = [path for path in dict.fromkeys(directories) if _stale(path)]
    pages, rest = stale[:MOST], stale[MOST:]
    if len(pages) > 1:
        on_progress(f"writing the pages of {len(pages)} cells")
    if rest:
        command = command_text.command(f"html {display_path(rest[0])}", f"html RUN={display_path(rest[0])}")
        on_progress(f"the pages of {plural(len(rest), 'further cell')} are left out; `{command}` writes the first")
    for path in pages:
        run = RunDirectory(path)
        try:
            judge_run(scenario, run)
            write.write_page(scenario, run)
        except (LabError, OSError, ValueError) as error:
            on_progress(f"the page of {path.name} could not be written: {error}")


def _stale(path: Path) -> bool:
    page, trials = path / PAGE, path / TRIALS
    return trials.exists() and not (page.exists() and page.stat().st_mtime >= trials.stat().st_mtime)
