"""The workers that a driver uses: those that came, what runs on them, and why some are used no more."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from queue import SimpleQueue
from typing import Any

from reprolab.cluster.messages import Failure, Place
from reprolab.cluster.own import OwnWorkers
from reprolab.cluster.tasks import Opening, hello
from reprolab.core.errors import EngineError
from reprolab.core.progress import OnProgress

FETCHES = 8  # results that are fetched at once
POLL = 1.0  # seconds between two looks at the scheduler's workers


@dataclass(frozen=True)
class Job:
    """Something that one worker does: ``call(opening, argument(member))``.

    A worker that refuses a job gets no other one of the same ``group``. Jobs with ``load`` run alone on a machine.
    ``only`` is the name of the worker that must do it, if there is only one that can. ``number`` is that of a trial.
    """

    words: str
    call: Callable[..., Any]
    argument: Callable[[Member], Any]
    group: Any = None
    load: bool = False
    only: str = ""
    number: int = 0


@dataclass
class Member:
    """A worker that can be used. ``delivered`` are trials that the driver has, which it may forget."""

    address: str
    place: Place
    running: dict[Any, Job] = field(default_factory=dict)
    delivered: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.place.name

    def hand_over(self) -> tuple[str, ...]:
        """The trials to forget, once."""
        delivered, self.delivered = tuple(self.delivered), []
        return delivered


@dataclass
class Crew:
    """All workers of the scheduler. ``client`` is that of dask.distributed.

    ``gone`` is name -> why a worker is used no more. ``silent`` is filled from the workers' events: address -> reason.
    ``own`` are the driver's own workers; with a scheduler that is there it has none.
    """

    client: Any
    opening: Opening
    on_progress: OnProgress
    own: OwnWorkers | None = None
    members: dict[str, Member] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)
    silent: dict[str, str] = field(default_factory=dict)
    greetings: dict[Any, str] = field(default_factory=dict)
    done: SimpleQueue[tuple[Any, Any]] = field(default_factory=SimpleQueue)
    _fetching: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(FETCHES))
    _numbers: count[int] = field(default_factory=count)
    _known: set[str] = field(default_factory=set)
    _due: float = 0.0

    def update(self) -> list[Member]:
        """Look for workers that came and that are gone; returns those that are gone. Raises EngineError."""
        if time.monotonic() < self._due and not self.silent:
            return []
        self._due = time.monotonic() + POLL
        try:
            present = set(self.client.nthreads())
        except (OSError, TimeoutError) as error:
            raise scheduler_gone(error) from error
        # An address that is gone may come back with another worker.
        new, self._known = present - self._known, present
        for address in sorted(new):
            self.greetings[self.submit(address, hello, None)] = address
        for greeting in [item for item, address in self.greetings.items() if address not in present]:
            greeting.cancel()
            self._refuse(self.greetings.pop(greeting), "it ended before it was ready")
        ended = self.own.ended() if self.own else {}
        lost = [member for address, member in self.members.items() if address not in present]
        gone = [(member, ended.get(member.name, "the scheduler has lost it")) for member in lost]
        gone += [(self.members[a], why) for a, why in self.silent.items() if a in self.members and a in present]
        self.silent.clear()
        for name in [name for name in self.awaited() if name in ended]:
            self._refuse(name, ended[name])
        return [self.dismiss(member, why) for member, why in gone]

    def submit(self, address: str, call: Callable[..., Any], argument: Any) -> Any:
        """Let one worker call a function; the future comes into ``done`` with its result, or with its exception."""
        key = f"reprolab-{self.opening.question.id}-{next(self._numbers)}"
        future = self.client.submit(call, self.opening, argument, workers=[address], key=key, pure=False)
        future.add_done_callback(lambda _: self._fetching.submit(self._fetch, future))
        return future

    def _fetch(self, future: Any) -> None:
        # The result is still on its worker. If that dies now, this waits until the future is cancelled.
        try:
            self.done.put((future, future.result()))
        except Exception as error:
            self.done.put((future, error))

    def awaited(self) -> list[str]:
        """The driver's own workers that are not ready yet."""
        names = {member.name for member in self.members.values()}
        expected = self.own.names if self.own else []
        return [name for name in expected if name not in names and name not in self.gone]

    @property
    def size(self) -> int:
        """The number of workers, those that are not ready yet included."""
        return len(self.members) + max(len(self.greetings), len(self.awaited()))

    def greet(self, future: Any, greeting: Any) -> None:
        """Take a worker that has answered, or note why it cannot be used."""
        address = self.greetings.pop(future)
        if isinstance(greeting, Exception):
            self._refuse(address, f"{greeting}")
            return
        name, answer = greeting
        if isinstance(answer, Failure):
            self._refuse(name, str(EngineError(answer.text, expected=answer.expected, advice=answer.advice)))
            return
        self.members[address] = Member(address, answer)
        self.gone.pop(answer.name, None)

    def _refuse(self, name: str, reason: str) -> None:
        self.gone[name] = reason
        self.on_progress(f"the worker {name} is not used: {reason}")

    def dismiss(self, member: Member, why: str) -> Member:
        """Use a worker no more."""
        del self.members[member.address]
        self.gone[member.name] = why
        # Until it ends it may hold the lock for load of its machine.
        if self.own:
            self.own.end(member.name)
        self.on_progress(f"{member.name} is used no more: {why}")
        return member

    def running(self) -> dict[str, list[Job]]:
        """The jobs that run on each machine, by its boot."""
        jobs: defaultdict[str, list[Job]] = defaultdict(list)
        for member in self.members.values():
            jobs[member.place.boot] += member.running.values()
        return jobs

    def reasons(self) -> str:
        """Why workers are used no more, a line for each."""
        return "\n".join(f"  {name}: {(why.splitlines() or [''])[0]}" for name, why in self.gone.items())


def scheduler_gone(error: object) -> EngineError:
    """The error of a driver whose scheduler does not answer."""
    return EngineError(
        f"the scheduler does not answer: {error}",
        expected="a scheduler that runs until the question is answered; the trials until now are kept",
        advice="start it again, then repeat the question, which goes on where it was",
    )
