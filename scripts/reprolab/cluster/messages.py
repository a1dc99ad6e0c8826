"""What driver and workers send each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import requests
from docker.errors import DockerException

from reprolab.cluster.archive import Archive
from reprolab.core.errors import EngineError, LabError, UsageError
from reprolab.engine.host_facts import Host
from reprolab.evidence.packages import Kinds
from reprolab.evidence.run_info import BaseImage, BuiltImage
from reprolab.measure.cell import Cell
from reprolab.scenario.trial import TrialRecord


@dataclass(frozen=True)
class Question:
    """What a worker must know of the question to which a task belongs.

    ``case`` is the digest of the scenario's files and ``lab`` the lab's identity: those of the worker must be the same.
    ``root`` is the driver's checkout. ``jobs`` trials without load may run side by side on one worker.
    ``kernels`` are the kernels of its cells, each with its package and hardware.
    """

    id: str
    root: str
    scenario: str
    case: str
    lab: str
    jobs: int = 1
    kernels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Place:
    """A worker, in its own words.

    ``boot`` is the same for all workers on one machine since its last start. ``trials`` is the directory in which it
    keeps trials of the question. ``images`` is reference -> id of the lab's images that its engine has.
    """

    name: str
    boot: str
    trials: str
    host: Host = field(default_factory=Host)
    images: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Look:
    """What the stack of a cell is: the key of its trials, or what the worker's machine lacks for it."""

    cell: Cell
    key: str
    lacks: str = ""


@dataclass(frozen=True)
class TrialTask:
    """One trial to run. ``key`` must be that of the cell on the worker.

    ``packages`` (service -> kind -> name -> version) must be those of its images, if they are known. The evidence of
    ``delivered``, trials that the driver has, can be removed.
    """

    cell: Cell
    number: int
    key: str
    load: bool
    packages: Mapping[str, Kinds] = field(default_factory=dict)
    delivered: tuple[str, ...] = ()


@dataclass(frozen=True)
class Built:
    """The images of a cell on a worker, service -> image, and the base images, by official name."""

    images: Mapping[str, BuiltImage]
    bases: Mapping[str, BaseImage]

    def references(self) -> dict[str, str]:
        """Reference -> id of all of them."""
        images = {item.image.reference: item.image.id or "" for item in self.images.values()}
        return images | {base.reference: base.id or "" for base in self.bases.values() if base.reference}


@dataclass(frozen=True)
class Returned:
    """A trial that has ended. ``path`` is its directory on the worker, ``archive`` the content."""

    record: TrialRecord
    archive: Archive
    built: Built
    path: str


class Why(StrEnum):
    """Why a worker does not run a trial of a cell, though it works."""

    LACKS = "lacks"
    """Its machine lacks something that the cell needs."""
    BUILD = "build"
    """An image of the cell cannot be built."""
    STACK = "stack"
    """The cell is another stack there: its base images differ."""
    PACKAGES = "packages"
    """The same images have other packages there."""


@dataclass(frozen=True)
class Refused:
    """A worker cannot run trials of a cell."""

    why: Why
    reason: str


# What a task turns into a Failure. Other exceptions are mistakes in the lab's code.
ERRORS = (LabError, DockerException, requests.RequestException)


class Part(StrEnum):
    """What failed."""

    ENGINE = "engine"
    USAGE = "usage"
    LAB = "lab"


@dataclass(frozen=True)
class Failure:
    """An error of the lab or of the engine on a worker; ``archive`` is what a half trial left."""

    part: Part
    text: str
    expected: str = ""
    advice: str = ""
    archive: Archive | None = None

    @classmethod
    def of(cls, error: Exception, archive: Archive | None = None) -> Failure:
        """The failure for one of ERRORS."""
        if not isinstance(error, LabError):
            return cls(Part.ENGINE, f"the engine failed: {type(error).__name__}: {error}", archive=archive)
        part = Part.ENGINE if isinstance(error, EngineError) else Part.LAB
        part = Part.USAGE if isinstance(error, UsageError) else part
        return cls(part, str(error.args[0]), error.expected, error.advice, archive)

    @property
    def line(self) -> str:
        """The first line of the text."""
        return (self.text.splitlines() or [""])[0]
