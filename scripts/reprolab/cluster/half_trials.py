"""What half trials leave: it is kept apart from trials, and comes to the cell that it was for."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

from reprolab.cluster.archive import Archive, pack
from reprolab.core.errors import LabError
from reprolab.core.files import writing
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.measure.store import CellStore
from reprolab.scenario.model import CUSTOM

ASIDE = "half-trials"  # beside the trials
BUILDS = "builds"


def set_aside(evidence: TrialDirectory) -> None:
    """Move what a half trial with the same number left; a new trial must not write into it."""
    if not evidence.path.exists():
        return
    target = free_place(evidence.path.parent / ASIDE, evidence.path.name)
    with writing(target):
        target.parent.mkdir(exist_ok=True)
        evidence.path.rename(target)


def free_place(folder: Path, name: str) -> Path:
    """A path in a folder that is free: the name, or else the name with a number."""
    stem = re.sub(r"[^\w.-]+", "-", name).strip("-.")
    numbered = (folder / (stem if number == 1 else f"{stem}-{number}") for number in count(1))
    return next(path for path in numbered if not path.exists())


def content_of(evidence: TrialDirectory) -> Archive | None:
    """What a half trial left; None if it is too large to be sent."""
    with suppress(LabError):
        return pack(evidence.path)
    return None


def collect(trials: Path, name: str, store: CellStore, delivered: Collection[str]) -> list[Path]:
    """Move half trials and the logs of builds from a worker's directory into the store; remove the directory.

    ``delivered`` are the trials that the store has. Returns the new places of the half trials.
    """
    places = []
    for experiment, key, path in _trials(trials):
        if str(path) in delivered:
            continue
        target = free_place(store.directory / experiment / key / ASIDE, f"{path.name}-{name}")
        _move(path, target)
        places.append(target)
    for log in sorted(trials.glob(f"{BUILDS}/*")):
        target = store.directory / BUILDS / log.name
        if not target.exists():
            _move(log, target)
    shutil.rmtree(trials, ignore_errors=True)
    return places


def _trials(trials: Path) -> Iterator[tuple[str, str, Path]]:
    """Experiment, key of the cell, and directory of each trial, those that a worker has set aside included."""
    for path in sorted([*trials.glob(f"*/*/*/{CUSTOM}/[0-9]*"), *trials.glob(f"*/*/*/{CUSTOM}/{ASIDE}/*")]):
        experiment, key, *_ = path.relative_to(trials).parts
        yield experiment, key, path


def _move(source: Path, target: Path) -> None:
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(source, target)


def remove_empty(directory: Path) -> None:
    """Remove the empty directories below a directory, and itself if nothing is left in it."""
    for path in sorted((path for path in directory.rglob("*") if path.is_dir()), reverse=True):
        with suppress(OSError):
            path.rmdir()
    with suppress(OSError):
        directory.rmdir()
