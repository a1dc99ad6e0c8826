"""Gives jobs to workers, and gives the job of a worker that fails to another one."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty
from typing import Any, Protocol

from reprolab.cluster.crew import POLL, Crew, Job, Member, scheduler_gone
from reprolab.cluster.messages import Failure, Part, Place
from reprolab.cluster.queue import Queue, Unit
from reprolab.core.errors import EngineError, LabError, UsageError
from reprolab.core.number_words import plural

MOST_WORKERS = 3  # a job that failed on so many workers is not tried on another
WAIT_LIMIT = 60.0  # seconds to wait for a first worker
KEPT = "; the trials until now are kept"


@dataclass(frozen=True)
class Answer:
    """What becomes of a job: it is ``done``; else another worker gets it, for this ``reason``, or the same again."""

    done: bool
    reason: str = ""


DONE, AGAIN = Answer(True), Answer(False)


class Handler(Protocol):
    """What is to be done with the results of jobs. All its methods are called in the driver's thread."""

    def begins(self, job: Job, place: Place) -> None:
        """A worker gets a job."""

    def accept(self, job: Job, member: Member, result: Any) -> Answer:
        """A job has its result."""

    def fails(self, job: Job, place: Place, failure: Failure) -> None:
        """A job failed on a worker; another one gets it."""

    def give_up(self, job: Job, reasons: Mapping[str, str], last: bool) -> bool:
        """Whether all jobs of the group are dropped; they are if ``last``: no worker is left that could do it.

        ``reasons`` is worker -> why it did not do it. Raises LabError.
        """


@dataclass
class Dispatcher:
    """Runs jobs on a crew. ``at_once`` jobs without load run side by side on a worker."""

    crew: Crew
    at_once: int = 1
    _queue: Queue = field(default_factory=Queue)
    _units: dict[Any, tuple[Member, Unit]] = field(default_factory=dict)

    def run(self, units: Iterable[Sequence[Job]], handler: Handler) -> None:
        """Run the jobs of all units; returns when they have ended.

        Raises EngineError if no worker is left, LabError for a job that failed on several workers, and what the handler
        raises. The jobs that run then are cancelled.
        """
        self._queue = Queue.of(units)
        idle_since = time.monotonic()
        try:
            while self._queue or self._units:
                for member in self.crew.update():
                    self._lose(member, handler)
                self._give(handler)
                if self._units:
                    idle_since = time.monotonic()
                elif not self.crew.greetings:
                    self._stuck(handler, time.monotonic() - idle_since)
                self._take_done(handler)
        finally:
            self._cancel()

    def _give(self, handler: Handler) -> None:
        """Fill all workers, in turns."""
        running = self.crew.running()
        able = [member for member in self.crew.members.values() if len(member.running) < self.at_once]
        while able and self._queue:
            able = [member for member in able if self._give_next(member, running[member.place.boot], handler)]

    def _give_next(self, member: Member, beside: list[Job], handler: Handler) -> bool:
        """Give a worker a job; returns whether it could do more."""
        picked = self._queue.pick(member, beside)
        if picked is None:
            return False
        job, unit = picked
        handler.begins(job, member.place)
        future = self.crew.submit(member.address, job.call, job.argument(member))
        beside.append(job)
        member.running[future] = job
        self._units[future] = (member, unit)
        return len(member.running) < self.at_once

    def _take_done(self, handler: Handler) -> None:
        """Wait until a job or a greeting has ended, at most POLL seconds, and take all that have."""
        ended: list[tuple[Any, Any]] = []
        with suppress(Empty):
            ended.append(self.crew.done.get(timeout=POLL if self._units or self.crew.greetings else POLL / 10))
            while True:
                ended.append(self.crew.done.get_nowait())
        for future, result in ended:
            if future in self.crew.greetings:
                self.crew.greet(future, result)
            # An earlier one may have been the end of its worker.
            elif future in self._units:
                self._take(future, result, handler)

    def _take(self, future: Any, result: Any, handler: Handler) -> None:
        member, unit = self._units.pop(future)
        job = member.running.pop(future)
        if future.status in ("cancelled", "lost"):
            raise scheduler_gone("it has lost a task")
        if isinstance(result, Exception):
            result = Failure(Part.LAB, f"{type(result).__name__}: {result}")
        if isinstance(result, Failure):
            self._fail(member, job, unit, result, handler)
            return
        answer = handler.accept(job, member, result)
        if answer.done:
            return
        if answer.reason:
            self._queue.refused[job.group][member.name] = answer.reason
        self._queue.put_back(job, unit)
        if answer.reason:
            self._consider(job, handler)

    def _fail(self, member: Member, job: Job, unit: Unit, failure: Failure, handler: Handler) -> None:
        if failure.part is Part.USAGE:
            raise UsageError(failure.text, expected=failure.expected, advice=failure.advice)
        self._note(member, job, unit, failure, handler)
        if failure.part is Part.ENGINE:
            self._lose(self.crew.dismiss(member, failure.text), handler)
        self._check(job)

    def _lose(self, member: Member, handler: Handler) -> None:
        """Give everything that a worker had to others."""
        self._queue.release(member)
        why = Failure(Part.ENGINE, self.crew.gone.get(member.name, "it is gone"))
        jobs = dict(member.running)
        member.running.clear()
        for future, job in jobs.items():
            future.cancel()
            self._note(member, job, self._units.pop(future)[1], why, handler)
        for job in jobs.values():
            self._check(job)

    def _note(self, member: Member, job: Job, unit: Unit, failure: Failure, handler: Handler) -> None:
        self._queue.failed[job][member.name] = failure.line
        handler.fails(job, member.place, failure)
        self._queue.put_back(job, unit)

    def _check(self, job: Job) -> None:
        """Raise LabError for a job that failed on MOST_WORKERS workers, or on all that could do it."""
        reasons = self._queue.failed[job]
        if len(reasons) >= MOST_WORKERS or (self.crew.members and not self._any_able(job)):
            raise LabError(
                f"{job.words} failed on {plural(len(reasons), 'worker')}:\n"
                + "\n".join(f"  {name}: {reason}" for name, reason in reasons.items()),
                expected=f"a worker on which it ends{KEPT}",
                advice="look at these machines, or leave them out",
            )

    def _any_able(self, job: Job) -> bool:
        """Whether some worker can do a job, or one that comes yet."""
        members = self.crew.members.values()
        coming = bool(self.crew.greetings) or self._awaited(job)
        return coming or any(not self._queue.obstacle(member, job) for member in members)

    def _awaited(self, job: Job) -> bool:
        """Whether the only worker that can do a job is not ready yet. One that does not get ready ends by itself."""
        return bool(job.only) and job.only in self.crew.awaited()

    def _consider(self, job: Job, handler: Handler) -> None:
        """Ask the handler whether a job that was refused is tried on another worker."""
        last = not self._any_able(job)
        gone = {job.only: self.crew.gone[job.only]} if job.only in self.crew.gone else {}
        reasons = {**gone, **self._queue.refused[job.group], **self._queue.failed[job]}
        if handler.give_up(job, reasons, last) or last:
            self._queue.drop(job.group)

    def _stuck(self, handler: Handler, seconds: float) -> None:
        """Nothing runs and nothing could be given: no worker is there yet, none is left, or none can do the rest."""
        if self.crew.members:
            for job in list(self._queue.jobs()):
                if job.group not in self._queue.dropped and not self._awaited(job):
                    self._consider(job, handler)
        elif (self.crew.gone and not self.crew.awaited()) or seconds > WAIT_LIMIT:
            reasons = f"\n{self.crew.reasons()}" if self.crew.gone else ""
            raise EngineError(
                f"no worker is left:{reasons}" if self.crew.gone else f"no worker came within {WAIT_LIMIT:g} s",
                expected=f"workers whose engines answer{KEPT}",
                advice="repair one of them, then repeat the question, which goes on where it was",
            )

    def _cancel(self) -> None:
        if self._units:
            self.crew.client.cancel(list(self._units))
        self._units.clear()
        for member in self.crew.members.values():
            member.running.clear()
