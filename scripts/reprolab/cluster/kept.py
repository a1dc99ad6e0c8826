"""The cells of a question: where their trials are kept, and what becomes of the results of workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from reprolab.cluster.archive import Archive, unpack
from reprolab.cluster.crew import Job, Member
from reprolab.cluster.dispatch import AGAIN, DONE, Answer
from reprolab.cluster.half_trials import ASIDE, free_place
from reprolab.cluster.messages import Failure, Place, Refused, Returned, Why
from reprolab.cluster.workplace import run_on
from reprolab.core import interrupts
from reprolab.core.errors import LabError
from reprolab.core.files import display_path
from reprolab.engine import labels
from reprolab.evidence.packages import Kinds
from reprolab.evidence.run_info import RUNNING, RunHost, RunInfo
from reprolab.measure.cell import Cell, CellResult
from reprolab.measure.key import package_difference
from reprolab.measure.store import CellStore, KeptCell, cell_info
from reprolab.run.observer import RunObserver
from reprolab.scenario.model import CUSTOM, Scenario
from reprolab.scenario.trial import HOST, TrialRecord

BOOT = "boot"  # the key of a record's ``machine`` for the machine's boot
ENOUGH = 2  # so many workers that cannot build a cell's images are enough


@dataclass
class KnownCell:
    """A cell of a question. ``first`` is the number of its first trial that counts, ``number`` that of the next one.

    ``case`` is the digest of the scenario's files. ``obstacle`` is why it cannot run on any worker. ``packages`` are
    those of its images, by service, once known.
    """

    scenario: Scenario
    store: CellStore
    cell: Cell
    kept: KeptCell
    key: str
    case: str
    obstacle: str = ""
    first: int = 1
    number: int = 1
    kept_trials: int = 0
    new: int = 0
    planned: int = 0
    packages: dict[str, Kinds] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    refusals: dict[str, Refused] = field(default_factory=dict)
    _info: RunInfo | None = None

    @property
    def variant(self) -> str:
        return self.scenario.variant_key(self.cell.experiment, CUSTOM)

    def open(self, fresh: bool) -> None:
        """Read what is kept of it."""
        self.number = self.kept.next_number()
        self.first = self.number if fresh else 1
        self.kept_trials = len(self.records())
        self._info = self.kept.info()
        self.packages = self.kept.packages

    def records(self) -> tuple[TrialRecord, ...]:
        return tuple(record for record in self.kept.records() if record.trial >= self.first)

    def plan(self, trials: int) -> None:
        """So many further trials will run."""
        self.number = self.kept.next_number()
        self.planned = self.number + trials - 1

    def result(self) -> CellResult:
        records = self.records()
        path = self.kept.run.path if records else None
        return CellResult(self.cell, records, "" if records else self.obstacle, path, self.kept_trials, self.images)

    def begin_anew(self) -> None:
        """Its kept trials had other packages than all new ones will have: these go into a directory of their own."""
        *_, self.kept = self.store.directories(self.cell, self.key)
        self.kept_trials, self.packages, self._info = 0, {}, None

    def other_packages(self, returned: Returned) -> str:
        """The first package of a trial's images that is not that of the cell, "" if there is none."""
        present = {service: built.packages for service, built in returned.built.images.items()}
        return package_difference(self.packages, present) if self.packages else ""

    def keep(self, place: Place, returned: Returned) -> TrialRecord:
        """Put a trial into the store; its record names its host. The evidence is there before the record."""
        machine = {**(returned.record.machine or {}), HOST: place.name, BOOT: place.boot}
        record = replace(returned.record, machine=machine)
        self._note_host(place, returned)
        evidence = self.kept.run.trial(record.experiment, record.variant, record.trial)
        unpack(returned.archive, evidence.path)
        self.kept.run.ensure_kept()
        self.kept.run.append(record)
        self.new += 1
        return record

    def _note_host(self, place: Place, returned: Returned) -> None:
        """Write what is known of the cell, and of its hosts, into run.json."""
        images, bases = returned.built.images, dict(returned.built.bases)
        host = RunHost(place.host, bases, {self.variant: {name: built.image for name, built in images.items()}})
        before = self._info
        same = before and (before.status, before.pid) == (RUNNING, labels.own_identity())
        if before and same and before.hosts.get(place.name) == host and before.plan[0].trials >= self.planned:
            return
        info = cell_info(self.scenario, self.cell, place.host, bases, images, self.case)
        if before:
            info = replace(info, host=before.host, bases=before.bases, images=before.images, packages=before.packages)
        self._info = self.store.begin(self.kept, replace(info, hosts={place.name: host}), self.planned)
        self.packages = {name: built.packages for name, built in images.items()}
        self.images = self.images or {name: built.image.id for name, built in images.items()}

    def end(self) -> None:
        """All trials that were planned have ended."""
        self.store.end(self.kept)
        self._info = self.kept.info()

    def set_aside(self, place: Place, number: int, archive: Archive) -> Path:
        """Keep what a trial left that does not count, beside the trials."""
        target = free_place(self.kept.run.path / ASIDE, f"{number}-{place.name}")
        unpack(archive, target)
        return target


@dataclass
class Outcomes:
    """What becomes of the trials of cells: a `Handler` of the dispatcher. ``trials`` counts those that were kept.

    ``delivered`` gets the directories on workers of which the driver has the content. ``left_behind`` counts trials of
    earlier questions that do not count, since the images have other packages now.
    """

    cells: Mapping[Cell, KnownCell]
    observer: RunObserver
    delivered: set[str]
    trials: int = 0
    left_behind: int = 0

    def begins(self, job: Job, place: Place) -> None:
        self.observer.trial_begins(job.words, job.number)

    def accept(self, job: Job, member: Member, result: Returned | Refused) -> Answer:
        known = self.cells[job.group]
        if isinstance(result, Refused):
            return self._refuse(known, member, result)
        # A signal ends the question when the trial is on disk.
        with interrupts.deferred():
            if difference := known.other_packages(result):
                known.set_aside(member.place, result.record.trial, result.archive)
                self._has(result.path, member)
                return self._refuse(known, member, Refused(Why.PACKAGES, difference))
            record = known.keep(member.place, result)
            self._has(result.path, member)
            self.trials += 1
            self.observer.trial_ends(record)
        return DONE

    def _has(self, path: str, member: Member) -> None:
        self.delivered.add(path)
        member.delivered.append(path)

    def _refuse(self, known: KnownCell, member: Member, refused: Refused) -> Answer:
        if refused.why is Why.PACKAGES and not known.new:
            self.left_behind += known.kept_trials
            self.observer.progress(
                f"{known.cell.words}: its earlier trials do not count, since {refused.reason}; it is measured anew"
            )
            known.begin_anew()
            return AGAIN
        if member.name not in known.refusals and refused.why in (Why.STACK, Why.PACKAGES):
            self.observer.progress(f"{member.name} runs no trial of {known.cell.words}: {refused.reason}")
        known.refusals[member.name] = refused
        return Answer(False, refused.reason)

    def fails(self, job: Job, place: Place, failure: Failure) -> None:
        known = self.cells[job.group]
        where = f"what it left stays on its machine below {place.trials}"
        if failure.archive:
            with interrupts.deferred():
                where = f"what it left is in {display_path(known.set_aside(place, job.number, failure.archive))}"
                run = run_on(place, known.cell, known.key)
                self.delivered.add(str(run.trial(known.cell.experiment, CUSTOM, job.number).path))
        self.observer.progress(f"{job.words} was broken off on {place.name} ({failure.line}); {where}")

    def give_up(self, job: Job, reasons: Mapping[str, str], last: bool) -> bool:
        """The cell has an obstacle if no machine has what it needs, or if several cannot build its images."""
        known = self.cells[job.group]
        builds = [refused.reason for refused in known.refusals.values() if refused.why is Why.BUILD]
        lacks = [refused.reason for refused in known.refusals.values() if refused.why is Why.LACKS]
        if len(builds) >= ENOUGH or (last and (builds or lacks)):
            known.obstacle = (builds or lacks)[0]
            return True
        if last:
            raise LabError(
                f"{job.words} runs on no worker:\n" + "\n".join(f"  {name}: {why}" for name, why in reasons.items()),
                expected="workers with the same base images, and with the same packages in the images of a cell",
                advice="--share-images gives all engines the images of the first one",
            )
        return False
