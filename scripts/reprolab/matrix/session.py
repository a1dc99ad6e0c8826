"""One matrix from its plan to its files: measures the cells, and keeps the map whatever ends it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from reprolab.core.errors import Exit, LabError
from reprolab.core.number_words import plural
from reprolab.core.progress import OnProgress
from reprolab.evidence import lookup
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import ABORTED, COMPLETE, FAILED, RUNNING
from reprolab.matrix import collect, doubt, write
from reprolab.matrix.document import MatrixDocument, write_matrix
from reprolab.matrix.plan import MatrixPlan
from reprolab.matrix.state import state_of
from reprolab.matrix.strategy import CHUNK, Survey
from reprolab.measure.cell import Measurer, SideBySide
from reprolab.measure.hosts import host_sentences
from reprolab.measure.pages import write_pages

OpenMeasurer = Callable[[], AbstractContextManager[Measurer]]
FOLDER = "matrix"

# With a budget, each of the trials that several hosts run side by side is followed by so many.
CHUNKS_OF_SLOTS = 4


@dataclass
class MatrixSession:
    """Measures a plan. The directory of the map is made as soon as there is a measurer."""

    root: Path
    plan: MatrixPlan
    open_measurer: OpenMeasurer
    console: Console
    on_progress: OnProgress
    verbose: bool = False
    clock: Callable[[], float] = time.monotonic
    run: RunDirectory | None = None
    _survey: Survey | None = None
    _tried: int = 0
    _began: float = 0.0
    _started: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))

    def execute(self) -> Exit:
        """Measure the cells, write the map and show it; returns the exit status.

        Raises LabError, or KeyboardInterrupt; the map so far is written and shown before.
        """
        try:
            with self.open_measurer() as measurer:
                self._measure(measurer)
        except KeyboardInterrupt:
            self._finish(ABORTED, "interrupted from the keyboard or by a signal")
            raise
        except LabError as error:
            self._finish(FAILED, str(error))
            raise
        except BaseException as error:
            self._finish(FAILED, f"{type(error).__name__}: {error}")
            raise
        return self._finish(COMPLETE)

    def _measure(self, measurer: Measurer) -> None:
        self.run = lookup.create_run(self.root, f"{FOLDER}/{self.plan.scenario.name}")
        self._began = self.clock()
        results = lookup.results_root(self.root)
        chunk = self._chunk(measurer)
        self._survey = Survey(self.plan, measurer, results, self.on_progress, self._cells_measured, self.clock, chunk)
        self._write(self._document(RUNNING))
        self._survey.execute()

    def _chunk(self, measurer: Measurer) -> int:
        """How many cells are measured together. Several hosts get a whole round, unless a budget may end it."""
        if not isinstance(measurer, SideBySide):
            return CHUNK
        return len(self.plan.points) if self.plan.budget is None else max(CHUNK, CHUNKS_OF_SLOTS * measurer.slots)

    def _cells_measured(self) -> None:
        """Write the map so far, so that nothing is lost if this process is killed."""
        document = self._document(RUNNING)
        self._write(document)
        tried = sum(cell.tried for cell in document.cells)
        if tried > self._tried:
            self._tried = tried
            self.on_progress(f"map: {tried} of {plural(len(document.cells), 'cell')} measured")

    def _document(self, status: str, reason: str = "") -> MatrixDocument:
        assert self.run
        assert self._survey
        document = collect.document_of(self.plan, self.run.name, self._started, self._survey.cells)
        return replace(
            document,
            status=status,
            reason=reason,
            ended=self._survey.ended,
            seconds=round(self.clock() - self._began, 1),
            hosts=() if status == RUNNING else self._hosts(),
        )

    def _hosts(self) -> tuple[str, ...]:
        """The machines, and whether a sign that was asked for depends on them."""
        assert self._survey
        results = list(self._survey.measured.values())
        return (*collect.hosts_of(results), *host_sentences(self.plan.claims, results))

    def _write(self, document: MatrixDocument) -> None:
        assert self.run
        write_matrix(self.run.path, document)

    def _finish(self, status: str, reason: str = "") -> Exit:
        """Write and show the map. If something else failed before, an error of the files is no more than a line."""
        if self.run is None or self._survey is None:
            return Exit.LAB_FAILED
        document = self._document(status, reason)
        try:
            self._write(document)
            if status != ABORTED:
                # After an interrupt the user wants to leave; the links lead to the directories then.
                places = [result.directory for result in self._survey.measured.values() if result.directory]
                write_pages(self.plan.scenario, places, self.on_progress)
            write.write_files(self.run.path, document)
            lookup.point_latest(self.run, self.on_progress)
            write.show(self.console, self.run.path, document, self.verbose)
        except LabError as error:
            if status == COMPLETE:
                raise
            self.on_progress(f"and the map could not be written: {error}")
        return exit_status(document)


def exit_status(document: MatrixDocument) -> Exit:
    """Whether every cell has a result or a reason why it has none, and nothing that ended it early left a doubt."""
    claims = [claim.id for claim in document.asked]
    nothing = not any(state_of(cell, claim).counted for cell in document.cells for claim in claims)
    cut_short = bool((document.ended or document.status != COMPLETE) and doubt.lacking(document))
    return Exit.INCONCLUSIVE if nothing or cut_short or doubt.undecided(document) else Exit.AS_RECORDED
