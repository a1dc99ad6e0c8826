"""The jobs that wait for a worker, in units that stay together."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from reprolab.cluster.crew import Job, Member


@dataclass
class Unit:
    """Jobs that stay on one worker as long as it can do them."""

    jobs: list[Job]


@dataclass
class Queue:
    """Units that wait, and those that belong to a worker: address -> unit.

    ``refused`` is group of jobs -> worker -> why it cannot do them, ``failed`` is job -> worker -> how it failed there.
    """

    waiting: deque[Unit] = field(default_factory=deque)
    owned: dict[str, Unit] = field(default_factory=dict)
    refused: defaultdict[Any, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    failed: defaultdict[Job, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    dropped: set[Any] = field(default_factory=set)

    @classmethod
    def of(cls, units: Iterable[Sequence[Job]]) -> Queue:
        return cls(deque(Unit(list(jobs)) for jobs in units if jobs))

    def __bool__(self) -> bool:
        return any(unit.jobs for unit in (*self.waiting, *self.owned.values()))

    def jobs(self) -> Iterator[Job]:
        """All jobs that have not been given out."""
        for unit in (*self.waiting, *self.owned.values()):
            yield from unit.jobs

    def pick(self, member: Member, beside: Sequence[Job]) -> tuple[Job, Unit] | None:
        """The next job for a worker: of its own unit, else of the first unit that has no worker yet.

        ``beside`` are the jobs that run on the same machine. One with load runs alone.
        """
        if any(job.load for job in beside):
            return None
        unit = self.owned.get(member.address)
        if unit is None or not unit.jobs:
            unit = self._take(member)
        elif self._able_job(member, unit) is None:
            # The rest of it is for another worker.
            self.waiting.append(unit)
            unit = self._take(member)
        job = unit and self._able_job(member, unit)
        if not unit or not job or (job.load and beside):
            return None
        unit.jobs.remove(job)
        return job, unit

    def _take(self, member: Member) -> Unit | None:
        """Give a worker the first unit of which it can do something."""
        self.owned.pop(member.address, None)
        for index, unit in enumerate(self.waiting):
            if self._able_job(member, unit):
                del self.waiting[index]
                self.owned[member.address] = unit
                return unit
        return None

    def _able_job(self, member: Member, unit: Unit) -> Job | None:
        return next((job for job in unit.jobs if not self.obstacle(member, job)), None)

    def obstacle(self, member: Member, job: Job) -> str:
        """Why a worker must not get a job, "" if it can."""
        if job.only and job.only != member.name:
            return f"only {job.only} can"
        return self.refused[job.group].get(member.name, "") or self.failed[job].get(member.name, "")

    def put_back(self, job: Job, unit: Unit) -> None:
        """A job is to be done again, by the worker that has its unit, or else by any."""
        if job.group in self.dropped:
            return
        unit.jobs.insert(0, job)
        if not any(unit is other for other in (*self.waiting, *self.owned.values())):
            self.waiting.appendleft(unit)

    def release(self, member: Member) -> None:
        """The unit of a worker that is gone waits for another one."""
        unit = self.owned.pop(member.address, None)
        if unit and unit.jobs:
            self.waiting.appendleft(unit)

    def drop(self, group: Any) -> None:
        """Forget all jobs of a group."""
        self.dropped.add(group)
        for unit in (*self.waiting, *self.owned.values()):
            unit.jobs = [job for job in unit.jobs if job.group != group]
        self.waiting = deque(unit for unit in self.waiting if unit.jobs)
