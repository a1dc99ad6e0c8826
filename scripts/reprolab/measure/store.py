"""Where the trials of cells are kept: results/cells/SCENARIO/EXPERIMENT/KEY/, each a run with one variant."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from itertools import count
from pathlib import Path

from reprolab.core.errors import UsageError
from reprolab.core.files import writing
from reprolab.engine import labels
from reprolab.engine.host_facts import Host
from reprolab.evidence import trials_file
from reprolab.evidence.packages import Kinds
from reprolab.evidence.run_dir import PAGE, RUN_FILE, TRIALS, RunDirectory
from reprolab.evidence.run_info import COMPLETE, RUNNING, BaseImage, BuiltImage, PlanEntry, RunHost, RunInfo
from reprolab.measure.cell import Cell
from reprolab.measure.key import same_images
from reprolab.scenario.digest import case_digest
from reprolab.scenario.model import CUSTOM, Scenario
from reprolab.scenario.trial import TrialRecord

CELLS = "cells"


@dataclass(frozen=True)
class KeptCell:
    """The directory of one cell."""

    cell: Cell
    run: RunDirectory

    def info(self) -> RunInfo | None:
        """What is known of the cell; None before its first trial, and if its trials cannot be counted.

        They cannot if a file cannot be read, or if they were read again with other files of the case than those of the
        key.
        """
        try:
            self.run.trials()
            info = self.run.info() if (self.run.path / RUN_FILE).exists() else None
        except UsageError:
            return None
        return None if info and info.observed and info.observed.case != info.case else info

    def records(self) -> tuple[TrialRecord, ...]:
        """The trials of the cell that can be read, each once, in the order of their ends.

        A line of another cell, which somebody has copied, does not count.
        """
        return tuple(record for record in self.run.trials() if self._has(record))

    def _has(self, record: TrialRecord) -> bool:
        place = (record.experiment, record.variant)
        return place == (self.cell.experiment, CUSTOM) and dict(record.factors) == self.cell.settings

    @property
    def packages(self) -> dict[str, Kinds]:
        """Service -> the packages in its image, of the trials."""
        info = self.info()
        return {name.rpartition("/")[2]: kinds for name, kinds in info.packages.items()} if info else {}

    @property
    def images(self) -> list[dict[str, str]]:
        """Reference -> id of the images of the trials, for each host."""
        info = self.info()
        places = [info.images, *(host.images for host in info.hosts.values())] if info else []
        return [
            {image.reference: image.id for services in place.values() for image in services.values() if image.id}
            for place in places
        ]

    def fits(self, present: Mapping[str, str]) -> bool:
        """Whether the trials of one of its hosts ran with the images (reference -> id) that an engine has."""
        return any(same_images(images, present) for images in self.images)

    def next_number(self) -> int:
        """A number that no trial has, also none whose record was lost."""
        numbers = [record.trial for record in self.run.trials()]
        folder = self.run.path / self.cell.experiment / CUSTOM
        numbers += [int(path.name) for path in folder.glob("[0-9]*") if path.name.isdigit()]
        return max(numbers, default=0) + 1


@dataclass(frozen=True)
class CellStore:
    """The cells of one scenario below ``results``, the directory of all results."""

    results: Path
    scenario: Scenario

    @property
    def directory(self) -> Path:
        return self.results / CELLS / self.scenario.name

    def directories(self, cell: Cell, key: str) -> Iterator[KeptCell]:
        """The directories for trials of a cell, the oldest first; the last one is not there yet."""
        for number in count(1):
            folder = self.directory / cell.experiment / (key if number == 1 else f"{key}-{number}")
            yield KeptCell(cell, RunDirectory(folder))
            if not os.path.lexists(folder):
                return

    def open(self, cell: Cell, key: str, present: Mapping[str, str]) -> KeptCell:
        """The directory for trials of a cell; ``present`` is reference -> id of the images that the engine has.

        Trials with another image of the same name stay where they are, and do not count.
        """
        *there, new = self.directories(cell, key)
        return next((kept for kept in there if kept.fits(present)), new)

    def newest(self, cell: Cell, key: str, engines: Sequence[Mapping[str, str]]) -> KeptCell:
        """The directory whose images one of these engines has (reference -> id), else the newest, else a new one."""
        *there, new = self.directories(cell, key)
        readable = [kept for kept in there if kept.info()]
        present = [
            kept for kept in readable if any(ids and ids.items() <= e.items() for ids in kept.images for e in engines)
        ]
        return (present or readable or [new])[-1]

    def begin(self, kept: KeptCell, info: RunInfo, trials: int) -> RunInfo:
        """Write that the cell is measured until it has ``trials`` trials; returns what was written.

        If it has trials of another machine, kernel or engine, or of images that were built anew, what is known of these
        stays among the hosts, as "until" the time of now.
        """
        with writing(kept.run.path):
            kept.run.path.mkdir(parents=True, exist_ok=True)
            # It shows the trials before. The times of files do not tell that: a clock may be set back.
            (kept.run.path / PAGE).unlink(missing_ok=True)
        trials_file.end_last_line(kept.run.path / TRIALS)
        before = kept.info()
        entry = PlanEntry(kept.cell.experiment, CUSTOM, kept.cell.settings, trials)
        hosts = dict(before.hosts) if before else {}
        if before and (before.host, before.images) != (info.host, info.images) and kept.records():
            hosts[f"until {info.started}"] = RunHost(before.host, before.bases, before.images)
        observed = before.observed if before else None
        written = replace(info, plan=(entry,), status=RUNNING, hosts={**hosts, **info.hosts}, observed=observed)
        kept.run.write_info(written)
        return written

    def end(self, kept: KeptCell) -> None:
        """Write that all trials of the cell have ended."""
        info = kept.info()
        if info:
            numbers = {record.trial for record in kept.records()}
            last = max(numbers, default=0)
            skipped = tuple(number for number in range(1, last) if number not in numbers)
            plan = tuple(replace(entry, trials=last, skipped=skipped) for entry in info.plan)
            kept.run.write_info(replace(info, plan=plan, status=COMPLETE))


@cache
def _lab() -> str:
    # A look-up among all installed packages: too slow for each of many thousand cells.
    return version("reprolab")


def cell_info(
    scenario: Scenario,
    cell: Cell,
    host: Host,
    bases: Mapping[str, BaseImage],
    images: Mapping[str, BuiltImage],
    case: str = "",
) -> RunInfo:
    """What is known of a cell when a trial of it begins; ``images`` is service -> image.

    ``case`` is the digest of the scenario's files, if the caller has it.
    """
    variant = scenario.variant_key(cell.experiment, CUSTOM)
    return RunInfo(
        scenario=scenario.name,
        started=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        status=RUNNING,
        pid=labels.own_identity(),
        command=(Path(sys.argv[0]).name, *sys.argv[1:]),
        factors=dict(scenario.factors),
        host=host,
        bases=dict(bases),
        images={variant: {service: built.image for service, built in images.items()}},
        packages={f"{variant}/{service}": built.packages for service, built in images.items()},
        case=case or case_digest(scenario.directory),
        lab=_lab(),
        checksums=True,
    )
