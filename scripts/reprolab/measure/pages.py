"""The pages of measured cells: each is a run with one variant, and has its report as any other run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from reprolab.core.errors import LabError
from reprolab.core.progress import OnProgress
from reprolab.evidence.run_dir import PAGE, TRIALS, RunDirectory
from reprolab.report import write
from reprolab.scenario.model import Scenario
from reprolab.verdict.record import judge_run


def write_pages(scenario: Scenario, directories: Iterable[Path], on_progress: OnProgress) -> None:
    """Write report.html of each cell that has new trials. A page that cannot be written is told, and left out."""
    stale = [path for path in dict.fromkeys(directories) if _stale(path)]
    if len(stale) > 1:
        on_progress(f"writing the pages of {len(stale)} cells")
    for path in stale:
        run = RunDirectory(path)
        try:
            judge_run(scenario, run)
            write.write_page(scenario, run)
        except (LabError, OSError, ValueError) as error:
            on_progress(f"the page of {path.name} could not be written: {error}")


def _stale(path: Path) -> bool:
    page, trials = path / PAGE, path / TRIALS
    return trials.exists() and not (page.exists() and page.stat().st_mtime >= trials.stat().st_mtime)
