"""A cell: one experiment with chosen factors, and what its trials showed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from reprolab.scenario.kernel_setting import KERNEL
from reprolab.scenario.load_settings import LOAD_SETTINGS
from reprolab.scenario.model import DOCUMENTED, Claim, Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.counting import Count, count


@dataclass(frozen=True)
class Cell:
    """An experiment with factors; ``changes`` are the factors that differ from the documented ones, in their order.

    The lab's settings for load and kernel follow the factors. Each of them is a change: the documented load is the
    experiment's own, and the documented kernel that of the engine in use.
    """

    experiment: str
    changes: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, scenario: Scenario, experiment: str, settings: Mapping[str, str]) -> Cell:
        """The cell with these factors; a setting that is the documented value is no change."""
        order = [name for name in (*scenario.factors, *LOAD_SETTINGS, KERNEL) if name in settings]
        return cls(
            experiment, tuple((name, settings[name]) for name in order if settings[name] != scenario.factors.get(name))
        )

    @property
    def settings(self) -> dict[str, str]:
        """Factor -> value, for the factors that differ."""
        return dict(self.changes)

    @property
    def words(self) -> str:
        """For example "GUNICORN=19.4.5 WORKER_CLASS=gthread"."""
        return " ".join(f"{name}={value}" for name, value in self.changes) or DOCUMENTED


@dataclass(frozen=True)
class CellResult:
    """The trials of a cell that were asked for, earlier ones included.

    ``obstacle`` is the reason why the cell cannot run at all: its images do not build, or the machine lacks something.
    Then it has no trial. ``directory`` holds its evidence, as a run with one variant. ``kept`` of the records are from
    earlier questions. ``images`` is service -> image id.
    """

    cell: Cell
    records: tuple[TrialRecord, ...] = ()
    obstacle: str = ""
    directory: Path | None = None
    kept: int = 0
    images: Mapping[str, str] = field(default_factory=dict)

    def count(self, claim: Claim) -> Count:
        """How often the claim's sign showed in the trials that count."""
        return count(claim, self.records)

    @property
    def invalid(self) -> list[str]:
        """The reasons of the trials that are invalid, first of those during which no other work used the processors."""
        return [
            f"while {record.busy}: {record.invalid}" if record.busy else record.invalid
            for record in sorted(self.records, key=lambda record: bool(record.busy))
            if record.invalid
        ]


class Measurer(Protocol):
    """Runs trials of cells. `measure` blocks until they have ended."""

    def measure(self, wanted: Mapping[Cell, int], claims: Sequence[Claim]) -> dict[Cell, CellResult]:
        """See that each cell has so many trials that count for every one of these claims; returns all their trials.

        What was measured before counts. A trial that does not count (invalid, not exercised, busy) is repeated, but not
        endlessly: a cell may come back with fewer trials. Raises LabError if the engine or the disk fails.
        """
        ...


@runtime_checkable
class SideBySide(Protocol):
    """What a measurer on several hosts has beside its `measure`."""

    @property
    def slots(self) -> int:
        """How many trials can run side by side."""
        ...
