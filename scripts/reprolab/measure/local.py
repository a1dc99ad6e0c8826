"""Measures cells on the engine in use. What was measured before, with the same images and files, counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

import docker

from reprolab.engine import host_facts, labels
from reprolab.engine.images import listed_images
from reprolab.evidence.run_info import BaseImage
from reprolab.measure.cell import Cell, CellResult
from reprolab.measure.key import cell_key, package_difference
from reprolab.measure.store import CellStore, KeptCell, cell_info
from reprolab.report.table import short_reason
from reprolab.run.plan import PlannedVariant
from reprolab.run.repeat import MOST_REPEATS
from reprolab.run.rounds import Step
from reprolab.run.runner import Prepared, Runner
from reprolab.scenario.digest import CaseFiles
from reprolab.scenario.model import CUSTOM, Claim, Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.counting import count

# After so many trials of which none counts, none will: the cell does not start, or does not exercise the claim.
HOPELESS = 2


@dataclass(frozen=True)
class _Measured:
    """A cell on the way: its stack, its key, its directory, and the number of its first trial that counts."""

    prepared: Prepared
    key: str
    kept: KeptCell
    first: int = 1

    def records(self) -> tuple[TrialRecord, ...]:
        return tuple(record for record in self.kept.records() if record.trial >= self.first)


@dataclass
class LocalMeasurer:
    """A `Measurer` with one `Runner`. With ``fresh``, trials of earlier questions do not count.

    ``files`` are those of the case when its Python was loaded. ``trials_run`` counts the new trials, ``trials_kept``
    those of earlier questions.
    """

    scenario: Scenario
    runner: Runner
    store: CellStore
    files: CaseFiles
    seed: int = 0
    fresh: bool = False
    trials_run: int = 0
    trials_kept: int = 0
    _cells: dict[Cell, _Measured] = field(default_factory=dict)
    _kept: dict[Cell, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.runner.before_keeping = self.files.check

    def measure(self, wanted: Mapping[Cell, int], claims: Sequence[Claim]) -> dict[Cell, CellResult]:
        """See `Measurer.measure`. Raises LabError if the files of the case have changed."""
        self._resolve([cell for cell in wanted if cell not in self._cells])
        while cells := {cell: n for cell in wanted if (n := self._lacking(cell, wanted[cell], claims)) > 0}:
            self._run(cells)
        return {cell: self._result(cell) for cell in wanted}

    def _resolve(self, cells: Sequence[Cell]) -> None:
        """Resolve the stacks of cells, and find what was measured of them before."""
        if not cells:
            return
        self.files.check()
        prepared = self.runner.resolve([cell_variant(self.scenario, cell) for cell in cells], all_needed=False)
        present = dict(self._images())
        for cell, item in zip(cells, prepared, strict=True):
            owner = labels.object_labels(self.scenario.name, self.runner.run.name)
            key = cell_key(self.scenario, cell, item.model, owner, self.files.digest)
            kept = self.store.open(cell, key, present)
            measured = _Measured(item, key, kept, kept.next_number() if self.fresh else 1)
            self._cells[cell] = measured
            self._kept[cell] = len(measured.records())
            self.trials_kept += self._kept[cell]

    def _images(self) -> Iterator[tuple[str, str]]:
        return lab_images(self.runner.client)

    def _lacking(self, cell: Cell, wanted: int, claims: Sequence[Claim]) -> int:
        """How many trials to run now: what is lacking, but not endlessly where trials do not count."""
        measured = self._cells[cell]
        if measured.prepared.obstacle:
            return 0
        records = measured.records()
        return lacking(wanted, records, claims, self._kept[cell])

    def _run(self, cells: Mapping[Cell, int]) -> None:
        """Run so many further trials of each cell, in a random order."""
        self._build(cells)
        able = {cell: n for cell, n in cells.items() if not self._cells[cell].prepared.obstacle}
        steps = []
        for cell, n in able.items():
            measured = self._cells[cell]
            number = measured.kept.next_number()
            self._begin(measured, number + n - 1)
            steps += [Step(measured.prepared.variant, number + more) for more in range(n)]
        Random(f"{self.seed} {self.trials_run}").shuffle(steps)
        before = self._count(able)
        try:
            self.runner.run_steps(
                steps, {item.prepared.key: item.prepared for item in map(self._cells.get, able) if item}
            )
        finally:
            self.trials_run += self._count(able) - before
            for cell in able:
                self.store.end(self._cells[cell].kept)

    def _count(self, cells: Iterable[Cell]) -> int:
        return sum(len(self._cells[cell].records()) for cell in cells)

    def _build(self, cells: Iterable[Cell]) -> None:
        """Build the images of cells; a build that fails becomes the obstacle of its cell."""
        items = {cell: self._cells[cell] for cell in cells}
        self.runner.start_builds([item.prepared for item in items.values()])
        for cell, item in items.items():
            built = self.runner.built(item.prepared)
            if built.obstacle:
                # One line: many cells may have the same obstacle, and the answer names it.
                self.runner.observer.progress(f"cannot run {cell.words}: {short_reason(built.obstacle)}")
            self._cells[cell] = self._apart(replace(item, prepared=built))
        self.files.check()

    def _apart(self, item: _Measured) -> _Measured:
        """The cell in a directory of its own, if its images were built anew and have other packages than before."""
        images, kept = item.prepared.images, item.kept
        present = {built.image.reference: built.image.id or "" for built in images.values()}
        if not kept.records() or kept.fits(present):
            return item
        difference = package_difference(kept.packages, {name: built.packages for name, built in images.items()})
        if not difference:
            return item
        cell = kept.cell
        self.runner.observer.progress(
            f"{cell.words}: its earlier trials do not count, since after a new build {difference}; it is measured anew"
        )
        self.trials_kept -= self._kept[cell]
        self._kept[cell] = 0
        *_, new = self.store.directories(cell, item.key)
        return replace(item, kept=new, first=1)

    def _begin(self, measured: _Measured, trials: int) -> None:
        """Write what is known of a cell, before its trials run."""
        host = host_facts.facts_of(self.runner.engine, self.runner.client)
        info = cell_info(
            self.scenario,
            measured.kept.cell,
            host,
            used_bases(self.runner),
            measured.prepared.images,
            self.files.digest,
        )
        self.store.begin(measured.kept, info, trials)
        self.runner.places[measured.prepared.key] = measured.kept.run

    def _result(self, cell: Cell) -> CellResult:
        measured = self._cells[cell]
        records = measured.records()
        images = {service: built.image.id for service, built in measured.prepared.images.items()}
        return CellResult(
            cell,
            records,
            "" if records else measured.prepared.obstacle,
            measured.kept.run.path if records else None,
            self._kept[cell],
            images,
        )


def cell_variant(scenario: Scenario, cell: Cell) -> PlannedVariant:
    """The variant of a cell. Its start may fail where that of the named variant with its factors may."""
    experiment = scenario.experiments[cell.experiment]
    same = [
        name for name, changes in experiment.variants.items() if Cell.of(scenario, cell.experiment, changes) == cell
    ]
    may_fail = experiment.may_fail | ({CUSTOM} if experiment.may_fail & set(same) else set())
    return PlannedVariant(replace(experiment, may_fail=may_fail), CUSTOM, cell.settings, 1)


def lab_images(client: docker.DockerClient) -> Iterator[tuple[str, str]]:
    """Reference and id of the lab's images on an engine."""
    for image in listed_images(client, filters={"label": labels.OBJECT}):
        yield from ((tag, image.id) for tag in image.tags)


def used_bases(runner: Runner) -> dict[str, BaseImage]:
    """The base images that a runner has found, by official name."""
    return {
        name: BaseImage(base.reference, base.image_id, str(base.origin), base.digest, base.detail)
        for name, base in runner.bases.items()
    }


def lacking(wanted: int, records: Sequence[TrialRecord], claims: Sequence[Claim], kept: int = 0) -> int:
    """The number of trials to add so that ``wanted`` count for each claim; at most MOST_REPEATS beyond ``wanted``.

    None where the first trials show that none will count: they are all invalid, or do not exercise a claim. Trials that
    other work disturbed show nothing of that. The first ``kept`` records are from earlier questions; those of them that
    were disturbed use up no repeat, since the machine may be idle now.
    """
    records = [record for record in records[:kept] if not _disturbed(record, claims)] + [*records[kept:]]
    counts = [count(claim, records) for claim in claims]
    counting = min((item.trials for item in counts), default=sum(record.valid for record in records))
    busy = any(_disturbed(record, claims) for record in records)
    if len(records) >= HOPELESS and counting == 0 and not busy:
        return 0
    missing, allowed = wanted - counting, wanted + MOST_REPEATS - len(records)
    # One at a time after the first, if none has counted yet.
    return max(0, min(missing, allowed) if counting or not records else min(missing, allowed, 1))


def _disturbed(record: TrialRecord, claims: Sequence[Claim]) -> bool:
    """Whether a trial does not count for a claim, and other work used the processors meanwhile."""
    return bool(record.busy) and (not record.valid or any(count(claim, [record]).busy for claim in claims))
