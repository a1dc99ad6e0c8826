"""One shrink: its directory, its search, and its reports."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from reprolab.core import command_text, files
from reprolab.core.errors import Exit, LabError
from reprolab.core.progress import OnProgress
from reprolab.evidence import lookup
from reprolab.measure.cell import CellResult, Measurer
from reprolab.measure.hosts import host_sentences
from reprolab.scenario.digest import case_digest
from reprolab.shrink import document as shrink_document
from reprolab.shrink import terminal, words, write
from reprolab.shrink.document import ShrinkDocument, Status
from reprolab.shrink.question import Question
from reprolab.shrink.search import Search
from reprolab.shrink.write import QUESTION


class NothingToShrink(LabError):
    """The starting stack does not show the sign in every trial."""

    exit_status = Exit.INCONCLUSIVE


@dataclass
class ShrinkSession:
    """A shrink from its question to its report; ``directory`` has all that it writes."""

    root: Path
    question: Question
    measurer: Measurer
    console: Console
    on_progress: OnProgress
    budget: float | None = None
    directory: Path = field(init=False)

    def execute(self) -> Exit:
        """Search, and report what was found; returns the exit status.

        Raises NothingToShrink, and what the measurer raises. The steps so far are kept and reported then, too.
        """
        self._began, self._begun = time.monotonic(), datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        # As it is when the trials begin: a file may be changed meanwhile.
        self._case = case_digest(self.question.scenario.directory)
        run = lookup.create_run(self.root, f"{QUESTION}/{self.question.scenario.name}")
        self.directory = run.path
        search = Search(self.question, self.measurer, self.on_progress, self._save, self._place_of, self.budget)
        self._search = search
        self._save()
        try:
            search.run()
        except KeyboardInterrupt:
            self.on_progress(f"the same command goes on with the kept trials: {words.repeat(self.document())}")
            raise
        finally:
            self._save()
            if search.steps:
                self._publish(self.document())
                lookup.point_latest(run, self.on_progress)
        if search.status is Status.NOTHING:
            raise self._nothing()
        return Exit.AS_RECORDED if search.status is Status.MINIMAL else Exit.INCONCLUSIVE

    def document(self) -> ShrinkDocument:
        """The shrink so far."""
        question, search = self.question, self._search
        settings = {name: value for name, value in search.state.items() if value != search.space.start[name]}
        records = [result.records for result in search.results.values()]
        kept = sum(result.kept for result in search.results.values())
        return ShrinkDocument(
            question.scenario.name,
            question.experiment.name,
            question.claim.id,
            question.claim.text,
            question.variant,
            self._begun,
            question.trials,
            question.cell({}).settings,
            question.stays,
            search.status,
            search.reason,
            search.space.start,
            dict(search.state),
            (question.services({}), question.services(settings)),
            tuple(search.steps),
            tuple(search.remaining),
            tuple(search.untested),
            search.control,
            sum(map(len, records)) - kept,
            kept,
            round(time.monotonic() - self._began, 1),
            self._case,
            version("reprolab"),
            tuple(host_sentences([question.claim], list(search.results.values()))),
            search.undone,
            dict(question.scenario.factors),
        )

    def _place_of(self, result: CellResult) -> str:
        """The path of a cell's evidence, relative to the directory of all results."""
        results = lookup.results_root(self.root).resolve()
        directory = result.directory.resolve() if result.directory else None
        return str(directory.relative_to(results)) if directory and directory.is_relative_to(results) else ""

    def _save(self) -> None:
        shrink_document.write(self.directory, self.document())

    def _publish(self, document: ShrinkDocument) -> None:
        try:
            self._report(document)
        except LabError as error:
            self.on_progress(f"the report could not be written: {error}")

    def _report(self, document: ShrinkDocument) -> None:
        write.write(self.directory, document, lookup.results_root(self.root))
        terminal.render(self.console, document, f"{files.display_path(self.directory)}/")

    def _nothing(self) -> NothingToShrink:
        document = self.document()
        return NothingToShrink(
            words.result(document).rstrip("."),
            expected=f"the sign in each of {document.trials} trials of {words.start_words(document)}",
            advice=command_text.command(f"run {document.scenario}", f"scenario-{document.scenario}")
            + " shows which variants have it",
        )
