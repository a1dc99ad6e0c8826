"""Gives all engines the images of the first one, so that a cell is the same everywhere and is built once."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, Queue
from threading import Thread
from typing import Any

from reprolab.cluster.crew import Job, Member
from reprolab.cluster.dispatch import DONE, Answer, Dispatcher
from reprolab.cluster.kept import KnownCell
from reprolab.cluster.messages import Built, Failure, Place, Refused
from reprolab.cluster.tasks import adopt, build
from reprolab.core.errors import EngineError
from reprolab.core.number_words import plural
from reprolab.core.progress import OnProgress
from reprolab.measure.cell import Cell
from reprolab.vm.images import give_images


@dataclass
class Sharer:
    """``engines`` is name of a worker -> endpoint of its engine, as this machine's docker command line knows it."""

    engines: dict[str, str]
    docker: str
    on_progress: OnProgress
    _built: dict[Cell, Built] = field(default_factory=dict)

    @property
    def first(self) -> str:
        """The worker that builds."""
        return next(iter(self.engines))

    @property
    def images(self) -> dict[str, str]:
        """Reference -> id of the images that were built so far."""
        return {name: identity for built in self._built.values() for name, identity in built.references().items()}

    def build(self, dispatcher: Dispatcher, cells: Sequence[KnownCell]) -> None:
        """Build the images of cells on the first engine. Raises EngineError."""
        new = {known.cell: known for known in cells if known.cell not in self._built}
        results = _Results(self.first)
        dispatcher.run([[_build_job(cell, self.first)] for cell in new], results)
        for cell, result in results.seen.items():
            if isinstance(result, Refused):
                new[cell].obstacle = result.reason
            else:
                self._built[cell] = result

    def share(self, dispatcher: Dispatcher, cells: Sequence[KnownCell]) -> None:
        """Give the images of cells, which are built, to the other engines. Raises EngineError."""
        wanted = [self._built[known.cell] for known in cells if known.cell in self._built]
        others = [name for name in self.engines if name != self.first]
        self._copy(self._offer(dispatcher, wanted, others))
        offered = self._offer(dispatcher, wanted, others)
        if any(offered.values()):
            raise self._not_arrived(offered)

    def _offer(self, dispatcher: Dispatcher, wanted: Sequence[Built], names: Sequence[str]) -> dict[str, list[str]]:
        """Name of a worker -> the images that its engine lacks. One that lacks none uses them from now on."""
        results = _Results(self.first)
        # A worker that is not ready yet gets them too: in a virtual machine it could not build its own.
        present = [name for name in names if name not in dispatcher.crew.gone]
        dispatcher.run([[_offer_job(wanted, name)] for name in present], results)
        return results.seen

    def _not_arrived(self, lacking: Mapping[str, Sequence[str]]) -> EngineError:
        """Without this error an engine would build them anew, or fail for another reason if it has no network."""
        return EngineError(
            f"images of {self.first} were loaded and are not there: "
            + "; ".join(f"{', '.join(images)} on {name}" for name, images in lacking.items() if images),
            expected="the same images, with the same ids, on all engines; the trials until now are kept",
            advice="look at the space on their disks, and whether both engines keep images in the same way: "
            "docker info --format '{{.DriverStatus}}'",
        )

    def _copy(self, lacking: Mapping[str, Sequence[str]]) -> None:
        """Load images into engines, so many side by side as there are processors here. Raises EngineError."""
        left: Queue[tuple[str, Sequence[str]]] = Queue()
        for name, references in lacking.items():
            if references:
                left.put((name, references))
        failures: list[Exception] = []

        def work() -> None:
            with suppress(Empty):
                while not failures:
                    name, references = left.get_nowait()
                    try:
                        self._copy_to(name, references)
                    except Exception as error:
                        failures.append(error)

        # An interrupted question does not wait for them: they end with the machines.
        threads = [Thread(target=work, daemon=True) for _ in range(min(left.qsize(), os.cpu_count() or 1))]
        for thread in threads:
            thread.start()
        for thread in threads:
            # A join without a limit would keep the signals back.
            while thread.is_alive():
                thread.join(0.2)
        if failures:
            raise failures[0]

    def _copy_to(self, name: str, references: Sequence[str]) -> None:
        begun, images = time.monotonic(), plural(len(references), "image")
        self.on_progress(f"loading {images} of {self.first} into the engine of {name}")
        target = self.engines[name]
        give_images(
            self.docker, self.engines[self.first], target, references, lambda text: self.on_progress(f"{name}: {text}")
        )
        self.on_progress(f"{name} has {images} after {time.monotonic() - begun:.0f} s")


def _build_job(cell: Cell, only: str) -> Job:
    return Job(f"the images of {cell.words}", build, lambda member: cell, cell, only=only)


def _offer_job(wanted: Sequence[Built], only: str) -> Job:
    return Job(f"taking images from another engine to {only}", adopt, lambda member: wanted, only, only=only)


@dataclass
class _Results:
    """Collects what workers return, by the group of the job."""

    first: str
    seen: dict[Any, Any] = field(default_factory=dict)

    def begins(self, job: Job, place: Place) -> None:
        pass

    def accept(self, job: Job, member: Member, result: Any) -> Answer:
        self.seen[job.group] = result
        return DONE

    def fails(self, job: Job, place: Place, failure: Failure) -> None:
        pass

    def give_up(self, job: Job, reasons: Mapping[str, str], last: bool) -> bool:
        if job.only != self.first:
            return True
        raise EngineError(
            f"{job.only} is gone, from which the other engines get their images",
            expected="a first engine that stays; the trials until now are kept",
            advice="repair it, or leave --share-images out",
        )
