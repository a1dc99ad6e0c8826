"""Measures cells on the workers of a cluster. The driver keeps the store, as on one machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reprolab.cluster.blocks import BlockOf, blocks
from reprolab.cluster.crew import Job, Member
from reprolab.cluster.dispatch import DONE, Answer, Dispatcher
from reprolab.cluster.engines import vm_name
from reprolab.cluster.kept import KnownCell, Outcomes
from reprolab.cluster.messages import Failure, Look, Place, TrialTask
from reprolab.cluster.share import Sharer
from reprolab.cluster.tasks import look, run_trial
from reprolab.core.errors import LabError
from reprolab.measure.cell import Cell, CellResult
from reprolab.measure.local import lacking
from reprolab.measure.store import CellStore
from reprolab.run.observer import RunObserver
from reprolab.scenario.kernel_setting import kernel_of
from reprolab.scenario.model import Claim, Scenario

NO_KEY = "lacks"  # of a cell that no machine can run
LOOKS = 10  # cells whose stacks one task resolves


@dataclass
class ClusterMeasurer:
    """A `Measurer` that gives each trial to a worker. With ``fresh``, trials of earlier questions do not count.

    ``trials_run`` counts the new trials, ``trials_kept`` those of earlier questions. ``block_of`` names the comparison
    that a cell is part of: in a round, the trials of such cells stay on one host. Without it see `blocks`. With
    ``by_kernel`` the virtual machine of a cell's kernel runs its trials, and the first engine those of cells without;
    ``require_kernels`` starts those of the kernels that it gets.
    """

    scenario: Scenario
    store: CellStore
    dispatcher: Dispatcher
    observer: RunObserver
    seed: int = 0
    fresh: bool = False
    block_of: BlockOf | None = None
    sharer: Sharer | None = None
    trials_run: int = 0
    trials_kept: int = 0
    delivered: set[str] = field(default_factory=set)
    by_kernel: bool = False
    require_kernels: Callable[[Iterable[str]], None] = lambda kernels: None
    _cells: dict[Cell, KnownCell] = field(default_factory=dict)

    def measure(self, wanted: Mapping[Cell, int], claims: Sequence[Claim]) -> dict[Cell, CellResult]:
        """See `Measurer.measure`."""
        self._resolve([cell for cell in wanted if cell not in self._cells])
        while cells := {cell: n for cell in wanted if (n := self._lacking(cell, wanted[cell], claims)) > 0}:
            self._run(cells)
        return {cell: self._cells[cell].result() for cell in wanted}

    @property
    def slots(self) -> int:
        """How many trials can run side by side."""
        return max(1, self.dispatcher.crew.size) * self.dispatcher.at_once

    def results(self) -> list[CellResult]:
        """All cells that were measured so far."""
        return [known.result() for known in self._cells.values()]

    def _lacking(self, cell: Cell, wanted: int, claims: Sequence[Claim]) -> int:
        known = self._cells[cell]
        return 0 if known.obstacle else lacking(wanted, known.records(), claims, known.kept_trials)

    def _resolve(self, cells: Sequence[Cell]) -> None:
        """Resolve the stacks of cells on the workers, and find what was measured of them before."""
        only = self.sharer.first if self.sharer else ""
        looks = _Looks()
        chunks = [tuple(cells[start : start + LOOKS]) for start in range(0, len(cells), LOOKS)]
        self.dispatcher.run([[_look_job(chunk, only)] for chunk in chunks], looks)
        # What one machine lacks another one may have.
        lacking_cells = [] if only else [item.cell for item in looks.seen.values() if item.lacks]
        self.dispatcher.run([[_look_job((cell,), only)] for cell in lacking_cells], replace(looks, each=True))
        case = self.dispatcher.crew.opening.question.case
        presents = [member.place.images for member in self.dispatcher.crew.members.values()]
        for cell in cells:
            item = looks.seen[cell]
            kept = self.store.newest(cell, item.key or NO_KEY, presents)
            known = KnownCell(self.scenario, self.store, cell, kept, item.key, case, item.lacks)
            known.open(self.fresh)
            self._cells[cell] = known
            self.trials_kept += known.kept_trials

    def _run(self, cells: Mapping[Cell, int]) -> None:
        """Run so many further trials of each cell: first those without load, then the others."""
        if self.sharer:
            known = [self._cells[cell] for cell in cells]
            self.sharer.build(self.dispatcher, known)
            # A machine that starts has all that was built until then.
            self.require_kernels([kernel_of(cell.settings) for cell in cells])
            self.sharer.share(self.dispatcher, known)
        able = {cell: n for cell, n in cells.items() if not self._cells[cell].obstacle}
        for cell, n in able.items():
            self._cells[cell].plan(n)
        outcomes = Outcomes(self._cells, self.observer, self.delivered)
        try:
            for load in (False, True):
                part = {cell: n for cell, n in able.items() if self._load(cell) is load}
                self.dispatcher.run(self._units(part), outcomes)
        finally:
            self.trials_run += outcomes.trials
            self.trials_kept -= outcomes.left_behind
            for cell in able:
                self._cells[cell].end()

    def _load(self, cell: Cell) -> bool:
        return not self.scenario.experiments[cell.experiment].parallel

    def _units(self, cells: Mapping[Cell, int]) -> list[list[Job]]:
        hosts = self.dispatcher.crew.size
        block_of = self._only if self.by_kernel else self.block_of
        parts = blocks(cells, hosts, f"{self.seed} {self.trials_run}", block_of)
        return [[self._job(self._cells[cell], number) for cell, number in part] for part in parts]

    def _job(self, known: KnownCell, index: int) -> Job:
        number = known.number + index

        def argument(member: Member) -> TrialTask:
            return TrialTask(known.cell, number, known.key, self._load(known.cell), known.packages, member.hand_over())

        words, load = f"trial {number} of {known.cell.words}", self._load(known.cell)
        return Job(words, run_trial, argument, known.cell, load, self._only(known.cell), number)

    def _only(self, cell: Cell) -> str:
        """The worker that must run the trials of a cell, "" if any can."""
        if not self.by_kernel:
            return ""
        kernel = kernel_of(cell.settings)
        return vm_name(kernel) if kernel else self.sharer.first if self.sharer else ""


def _look_job(cells: tuple[Cell, ...], only: str) -> Job:
    return Job(f"the stack of {cells[0].words}", look, lambda member: cells, cells, only=only)


@dataclass(frozen=True)
class _Looks:
    """Collects what workers say of the stacks of cells. With ``each``, what one lacks the next one is asked for."""

    seen: dict[Cell, Look] = field(default_factory=dict)
    each: bool = False

    def begins(self, job: Job, place: Place) -> None:
        pass

    def accept(self, job: Job, member: Member, result: list[Look]) -> Answer:
        self.seen.update({item.cell: item for item in result})
        return Answer(False, result[0].lacks) if self.each and result[0].lacks else DONE

    def fails(self, job: Job, place: Place, failure: Failure) -> None:
        pass

    def give_up(self, job: Job, reasons: Mapping[str, str], last: bool) -> bool:
        if last and not self.each:
            raise LabError(f"{job.words} could not be resolved on any worker: {reasons or job.only}")
        return last
