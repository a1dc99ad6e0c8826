"""The tasks that workers of dask.distributed run. Each worker has one `Workplace` for a question."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from distributed import Semaphore, WorkerPlugin, get_worker

from reprolab.cluster.messages import ERRORS, Built, Failure, Look, Place, Question, Refused, Returned, TrialTask
from reprolab.cluster.workplace import Workplace
from reprolab.core.process_info import boot_id
from reprolab.core.progress import OnProgress
from reprolab.engine import elsewhere
from reprolab.measure.cell import Cell
from reprolab.vm.settings import Settings

TOPIC = "reprolab-{}"
SILENT = "silent"
Result = TypeVar("Result")


class Bench(Protocol):
    """What tasks need of a `Workplace`; tests have others."""

    @property
    def place(self) -> Place: ...
    def look(self, cells: Sequence[Cell]) -> list[Look]: ...
    def build(self, cell: Cell) -> Built | Refused: ...
    def adopt(self, wanted: Sequence[Built]) -> list[str]: ...
    def prepare(self, task: TrialTask) -> Any: ...
    def trial(self, task: TrialTask, prepared: Any) -> Returned | Failure: ...
    def forget(self, paths: Sequence[str]) -> None: ...
    def close(self) -> None: ...


Open = Callable[[Question, str, OnProgress, OnProgress], Bench]


@dataclass(frozen=True)
class Opening:
    """How a worker gets its workplace for a question."""

    question: Question
    open: Open = Workplace.open


@dataclass
class _Entry:
    lock: threading.Lock = field(default_factory=threading.Lock)
    bench: Bench | None = None


_entries: dict[tuple[str, str], _Entry] = {}  # address of a worker and id of a question
_lock = threading.Lock()


def _bench(opening: Opening) -> Bench:
    """The workplace of this worker, opened at its first task. Raises LabError."""
    worker = get_worker()
    question = opening.question
    with _lock:
        entry = _entries.setdefault((worker.address, question.id), _Entry())
    with entry.lock:
        if entry.bench is None:
            topic, address, name = TOPIC.format(question.id), worker.address, worker_name(worker)

            def report(message: str) -> None:
                worker.log_event(topic, {"worker": address, "name": name, "text": message})

            def silent(message: str) -> None:
                worker.log_event(topic, {"worker": address, "name": name, SILENT: message})

            entry.bench = opening.open(question, name, report, silent)
        return entry.bench


def worker_name(worker: Any) -> str:
    """A worker's name; of one that has none, host and port."""
    return str(worker.name).rpartition("//")[2]


def _guarded(action: Callable[[], Result]) -> Result | Failure:
    """The result, or a Failure for an error: that can always be sent, and has all of its parts."""
    try:
        return action()
    except ERRORS as error:
        return Failure.of(error)


def hello(opening: Opening, argument: None) -> tuple[str, Place | Failure]:
    """Open the workplace; returns the name of the worker too."""
    return worker_name(get_worker()), _guarded(lambda: _bench(opening).place)


def look(opening: Opening, cells: Sequence[Cell]) -> list[Look] | Failure:
    """Resolve the stacks of cells."""
    return _guarded(lambda: _bench(opening).look(cells))


def build(opening: Opening, cell: Cell) -> Built | Refused | Failure:
    """Build the images of a cell."""
    return _guarded(lambda: _bench(opening).build(cell))


def adopt(opening: Opening, wanted: Sequence[Built]) -> list[str] | Failure:
    """Use the images of another engine; returns those that are not there yet."""
    return _guarded(lambda: _bench(opening).adopt(wanted))


def run_trial(opening: Opening, task: TrialTask) -> Returned | Refused | Failure:
    """Run one trial. One with load waits for the loads of other questions on the same machine."""

    def run() -> Returned | Refused | Failure:
        bench = _bench(opening)
        bench.forget(task.delivered)
        prepared = bench.prepare(task)
        if isinstance(prepared, Refused):
            return prepared
        # The lease ends by itself if this worker does.
        with machine_lease(opening.question.jobs), load_lease(bench.place.boot) if task.load else nullcontext():
            return bench.trial(task, prepared)

    return _guarded(run)


def machine_lease(jobs: int) -> AbstractContextManager[Any]:
    """The right to run a trial in a virtual machine: together those that do have no more processors than this machine.

    A slow machine that has half of one lets requests wait for longer than an experiment allows. ``jobs`` above 1, which
    only a user chooses there, are without it.
    """
    if not elsewhere.kernel() or jobs > 1:
        return nullcontext()
    at_once = max(1, (os.cpu_count() or 1) // Settings.of().processors)
    lease: AbstractContextManager[Any] = Semaphore(at_once, f"reprolab-vm-{boot_id()}")  # type: ignore[no-untyped-call]
    return lease


def load_lease(boot: str) -> AbstractContextManager[Any]:
    """The right to put load on a machine, whichever driver, worker and engine it is for."""
    lease: AbstractContextManager[Any] = Semaphore(1, f"reprolab-load-{boot}")  # type: ignore[no-untyped-call]
    return lease


def forget(question: str, delivered: dict[str, list[str]]) -> None:
    """Remove the evidence that the driver has; ``delivered`` is address of a worker -> directories."""
    address = get_worker().address
    entry = _entries.get((address, question))
    if entry and entry.bench:
        entry.bench.forget(delivered.get(address, []))


class CloseWorkplaces(WorkerPlugin):
    """Closes the workplace of a question when the driver ends, and when the worker does."""

    def __init__(self, question: str) -> None:
        self.question = question
        self.name = TOPIC.format(question)

    async def teardown(self, worker: Any) -> None:
        entry = _entries.pop((worker.address, self.question), None)
        if entry and entry.bench:
            await asyncio.to_thread(entry.bench.close)
