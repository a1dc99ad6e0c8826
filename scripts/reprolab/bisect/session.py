"""One bisect from its first batch to its documents: along the factor, then over the commits of each change."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from reprolab.bisect.commit_measurer import CommitMeasurer
from reprolab.bisect.commits import History, history
from reprolab.bisect.document import BisectDocument, CommitSearch, write_document
from reprolab.bisect.findings import Change, read
from reprolab.bisect.measuring import Measuring
from reprolab.bisect.point import Point
from reprolab.bisect.question import Question
from reprolab.bisect.strip import strip
from reprolab.bisect.write import write
from reprolab.core.errors import UsageError
from reprolab.core.number_words import plural
from reprolab.core.progress import OnProgress
from reprolab.engine.host_facts import Host
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import ABORTED, COMPLETE, FAILED, RUNNING
from reprolab.measure.cell import Cell, CellResult, Measurer
from reprolab.measure.hosts import UNNAMED, host_sentences
from reprolab.scenario.digest import case_digest
from reprolab.stack.source_packages import SourcePackage


@dataclass(frozen=True)
class SourceCheckout:
    """A checkout of the package's source, and the packages of commits that the builds know: version -> package."""

    path: Path
    packages: MutableMapping[str, SourcePackage]


@dataclass
class Session:
    """Runs a bisect. ``directory`` gets its documents; ``results`` is the directory of all results.

    ``budget`` is in seconds from the start. ``document`` has what was measured so far, also after an error.
    """

    question: Question
    directory: Path
    results: Path
    on_progress: OnProgress
    budget: float | None = None
    seed: int = 0
    document: BisectDocument = field(init=False)
    _answers: Mapping[Cell, CellResult] = field(default_factory=dict)

    def __post_init__(self) -> None:
        asked = self.question
        scenario, axis = asked.scenario, asked.axis
        self.document = BisectDocument(
            scenario=scenario.name,
            title=scenario.title,
            experiment=asked.experiment.name,
            claim=asked.claim.id,
            sentence=asked.claim.text,
            sign=asked.sign,
            factor=axis.factor,
            package=axis.package,
            documented=scenario.factors.get(axis.factor, ""),
            rules=asked.rules,
            points=tuple(asked.points()),
            settings=dict(asked.fixed),
            notes=axis.notes,
            started=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            status=RUNNING,
            budget=self.budget,
            seed=self.seed,
            case=case_digest(scenario.directory),
            lab=version("reprolab"),
        )

    def execute(self, measurer: Measurer, checkout: SourceCheckout | None = None) -> BisectDocument:
        """Measure, and write the documents, also after an interrupt or an error, which then passes through.

        With a checkout the commits of each change are searched too. Raises UsageError at the end if a release has no
        tag there.
        """
        deadline = None if self.budget is None else time.monotonic() + self.budget
        status, problem = FAILED, None
        try:
            self._along(measurer, deadline)
            if checkout:
                problem = self._deepen(measurer, checkout, deadline)
            status = COMPLETE
        except KeyboardInterrupt:
            status = ABORTED
            raise
        finally:
            notes = (*self.document.notes, *self._host_notes())
            self.document = replace(self._with_host(), status=status, notes=notes)
            write(self.directory, self.document)
        if problem:
            raise problem
        return self.document

    def _along(self, measurer: Measurer, deadline: float | None) -> None:
        asked, points = self.question, list(self.document.points)
        measuring = Measuring(
            measurer, asked.claim, asked.rules, asked.cells(), points, asked.first(), self.results, deadline, self._keep
        )
        self._answers = measuring.answers
        ended = measuring.run()
        self.document = replace(self.document, ended=ended)

    def _keep(self, points: Sequence[Point]) -> None:
        self.document = replace(self.document, points=tuple(points))
        write_document(self.directory, self.document)
        self.on_progress(strip(points))

    def _deepen(self, measurer: Measurer, checkout: SourceCheckout, deadline: float | None) -> UsageError | None:
        """Search the commits of each change. Returns the error of the first change that has no history there."""
        problem = None
        for change in read(self.document.points, self.question.rules).changes:
            try:
                line = history(checkout.path, change.before.value, change.after.value)
            except UsageError as error:
                problem = problem or error
            else:
                self._search(change, line, measurer, checkout, deadline)
        return problem

    def _search(
        self, change: Change, line: History, measurer: Measurer, checkout: SourceCheckout, deadline: float | None
    ) -> None:
        factor, package, last = self.document.factor, self.document.package, len(line.commits) - 1
        # The ends, and what lies between them where they differ: no further points.
        rules = replace(self.question.rules, gap=last + 2, points=None)
        asked = replace(self.question, axis=line.axis(factor, package), rules=rules)
        self.on_progress(f"{plural(last, 'commit')} from {line.tags[0]} to {line.tags[1]}")
        measuring = Measuring(
            CommitMeasurer(measurer, checkout.packages, factor, package, checkout.path, line.hashes),
            asked.claim,
            rules,
            asked.cells(),
            asked.points(line.subjects),
            [0, last],
            self.results,
            deadline,
            lambda points: self.on_progress(strip(points)),
        )
        ended = ""
        try:
            ended = measuring.run()
        finally:
            start, releases = line.commits[0].hash, (change.before.value, change.after.value)
            search = CommitSearch(*releases, line.tags, start, line.forked, rules, tuple(measuring.points), ended)
            self.document = replace(self.document, deep=(*self.document.deep, search))

    def _host_notes(self) -> Iterator[str]:
        """Which hosts ran the trials, and whether the sign depends on the host, if they are several."""
        answers = list(self._answers.values())
        names = list(dict.fromkeys(record.host or UNNAMED for answer in answers for record in answer.records))
        if len(names) > 1:
            yield f"trials ran on {', '.join(names)}; the machine below is that of the first value with evidence"
        yield from host_sentences([self.question.claim], answers)

    def _with_host(self) -> BisectDocument:
        """The document with the machine and the base images of the first cell that has evidence."""
        for point in self.document.points:
            try:
                info = RunDirectory(self.results / point.evidence).info() if point.evidence else None
            except UsageError:
                continue
            if info and info.host != Host():
                bases = tuple(sorted({base.detail for base in info.bases.values() if base.detail}))
                return replace(self.document, host=info.host, bases=bases)
        return self.document
