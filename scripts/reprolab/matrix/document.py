"""The content of matrix.json: the axes of a map, and what the trials of each of its cells showed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from reprolab.core.errors import UsageError
from reprolab.core.files import format_errors, read_object, write_json
from reprolab.core.typed import checked
from reprolab.evidence.run_info import COMPLETE
from reprolab.matrix import grid
from reprolab.matrix.grid import Coordinates
from reprolab.measure.axis import Axis, Value
from reprolab.verdict.counting import rounded_interval
from reprolab.verdict.document import SignCount

SCHEMA = 1
MATRIX_FILE = "matrix.json"
# Made from it: what the terminal shows, a row for each cell and claim, and a page.
TEXT_FILE, CSV_FILE, PAGE = "matrix.txt", "matrix.csv", "matrix.html"
NOT_COUNTED = SignCount(0, 0)


@dataclass(frozen=True)
class MatrixClaim:
    """A claim whose sign was counted in every cell; ``sign`` describes it, and ``trigger`` what must happen before.

    ``asked``: doubt was narrowed for it.
    """

    id: str
    text: str
    sign: str = ""
    asked: bool = False
    trigger: str = ""


def _claim_json(claim: MatrixClaim) -> dict[str, Any]:
    return {name: value for name, value in asdict(claim).items() if value or name != "trigger"}


@dataclass(frozen=True)
class MatrixCell:
    """One cell. ``changes`` are all factors that differ from the documented ones, ``companions`` those of them that
    the scenario chose.

    ``counts`` is claim -> count; ``errors`` is claim -> the first error of its sign. ``trials`` are all trials, of
    which ``kept`` are from earlier questions and ``invalid`` are invalid; ``reason`` is that of the first invalid one.
    ``obstacle`` says why no trial could run. ``evidence`` is the cell's directory, relative to that of all results.
    """

    coordinates: Coordinates
    changes: Mapping[str, str] = field(default_factory=dict)
    companions: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, SignCount] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    trials: int = 0
    kept: int = 0
    invalid: int = 0
    reason: str = ""
    obstacle: str = ""
    evidence: str = ""

    def count(self, claim: str) -> SignCount:
        """The count of a claim's sign; 0 of 0 if nothing was counted."""
        return self.counts.get(claim, NOT_COUNTED)

    @property
    def tried(self) -> bool:
        """Whether the cell was measured, or it was seen that it cannot be."""
        return bool(self.trials or self.obstacle)

    @classmethod
    def from_json(cls, data: Mapping[str, Any], factors: Sequence[str]) -> MatrixCell:
        """Read a cell. Raises ValueError for impossible numbers, and what damaged data raises."""
        counts = {claim: SignCount.from_json(count) for claim, count in data.get("counts", {}).items()}
        other: dict[str, Any] = {name: data[name] for name in (*_NUMBERS, *_TEXTS) if name in data}
        other |= {name: dict(data.get(name, {})) for name in ("changes", "companions", "errors")}
        cell = cls(tuple(data["coordinates"][factor] for factor in factors), counts=counts, **other)
        if not 0 <= cell.kept <= cell.trials or not all(map(cell._possible, counts.values())):
            raise ValueError(f"impossible numbers of trials in {data['coordinates']}")
        return cell

    def _possible(self, count: SignCount) -> bool:
        """Whether a count can be that of the cell's trials."""
        uncounted = (count.not_exercised, count.busy, self.invalid)
        whole = count.trials + sum(uncounted)
        return 0 <= count.shown <= count.trials and min(uncounted) >= 0 and whole <= self.trials

    def to_json(self, factors: Sequence[str], experiment: str) -> dict[str, Any]:
        """The cell with the experiment, so that each cell is complete by itself; empty values are left out."""
        content = {
            "coordinates": dict(zip(factors, self.coordinates, strict=True)),
            "experiment": experiment,
            "changes": dict(self.changes),
            "companions": dict(self.companions),
            "counts": {claim: _count_json(count) for claim, count in self.counts.items()},
            "errors": dict(self.errors),
            **{name: getattr(self, name) for name in (*_NUMBERS, *_TEXTS)},
        }
        return {name: value for name, value in content.items() if value not in ("", {}, 0)}


_NUMBERS = ("trials", "kept", "invalid")
_TEXTS = ("reason", "obstacle", "evidence")


def _count_json(count: SignCount) -> dict[str, Any]:
    interval = {"interval": list(rounded_interval(count.shown, count.trials))} if count.trials else {}
    return count.to_json() | interval


@dataclass(frozen=True)
class MatrixDocument:
    """The content of matrix.json. ``cells`` has every combination of the axes' values, measured or not, in order.

    ``run`` is the stamp of the map. ``documented`` are the scenario's factors, ``fixed`` the factors of all cells that
    the user chose. A cell in doubt gets up to ``trials`` trials. ``budget`` is in seconds; ``ended`` is "budget" if it
    ended the map early. ``status`` and ``reason`` are those of a run. ``hosts`` are the machines of the trials.
    """

    scenario: str
    title: str
    run: str
    experiment: str
    claims: tuple[MatrixClaim, ...]
    axes: tuple[Axis, ...]
    cells: tuple[MatrixCell, ...]
    documented: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
    trials: int = 1
    seed: int = 0
    budget: float | None = None
    started: str = ""
    seconds: float = 0.0
    status: str = COMPLETE
    reason: str = ""
    ended: str = ""
    hosts: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    lab: str = ""
    case: str = ""

    @property
    def asked(self) -> tuple[MatrixClaim, ...]:
        """The claims for which doubt was narrowed."""
        return tuple(claim for claim in self.claims if claim.asked)

    @property
    def trials_run(self) -> int:
        """The number of new trials."""
        return sum(cell.trials - cell.kept for cell in self.cells)

    @property
    def trials_kept(self) -> int:
        """The number of trials from earlier questions."""
        return sum(cell.kept for cell in self.cells)

    @property
    def trials_of_all(self) -> int:
        """The number of trials if every cell had as many as a cell in doubt."""
        return len(self.cells) * self.trials

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> MatrixDocument:
        """Read the content of matrix.json. Raises KeyError, TypeError, ValueError or AttributeError for other data."""
        if data["schema"] != SCHEMA:
            raise ValueError(f"schema {data['schema']!r}, expected {SCHEMA}")
        axes = tuple(_axis(row) for row in data["axes"])
        cells = tuple(MatrixCell.from_json(row, [axis.factor for axis in axes]) for row in data["cells"])
        if not axes or [cell.coordinates for cell in cells] != grid.points(axes):
            raise ValueError("the cells are not all combinations of the axes' values")
        claims = tuple(MatrixClaim(**row) for row in data["claims"])
        if strange := {claim for cell in cells for claim in cell.counts} - {claim.id for claim in claims}:
            raise ValueError(f"counts of unknown claims: {', '.join(sorted(map(str, strange)))}")
        other: dict[str, Any] = {name: data[name] for name in _PLAIN if name in data}
        other |= {name: tuple(data.get(name, ())) for name in ("hosts", "command")}
        other |= {name: dict(data.get(name, {})) for name in ("documented", "fixed")}
        return cls(claims=claims, axes=axes, cells=cells, **other)

    def to_json(self) -> dict[str, Any]:
        """The content of matrix.json. The totals are for readers of the file; they follow from the cells."""
        factors = [axis.factor for axis in self.axes]
        content = {
            "schema": SCHEMA,
            **{name: getattr(self, name) for name in _PLAIN},
            "trials_run": self.trials_run,
            "trials_kept": self.trials_kept,
            "hosts": list(self.hosts),
            "command": list(self.command),
            "documented": dict(self.documented),
            "fixed": dict(self.fixed),
            "claims": [_claim_json(claim) for claim in self.claims],
            "axes": [asdict(axis) for axis in self.axes],
            "cells": [cell.to_json(factors, self.experiment) for cell in self.cells],
        }
        return {name: value for name, value in content.items() if value not in (None, "", [])}


_PLAIN = (
    *("scenario", "title", "run", "experiment", "started", "seconds", "status", "reason", "ended"),
    *("trials", "seed", "budget", "lab", "case"),
)


def _axis(data: Mapping[str, Any]) -> Axis:
    values = tuple(Value(**row) for row in data["values"])
    return Axis(data["factor"], values, data["ordered"], data["package"], tuple(data["notes"]))


def read_matrix(directory: Path) -> MatrixDocument:
    """Read the map of a directory. Raises UsageError that names the file if it is missing or damaged."""
    path = directory / MATRIX_FILE
    if not path.is_file():
        raise UsageError(f"{directory} holds no map: there is no {MATRIX_FILE}", expected="a directory of a matrix")
    content = read_object(path)
    with format_errors(path):
        return checked(MatrixDocument.from_json(content))


def write_matrix(directory: Path, document: MatrixDocument) -> None:
    """Write the map into its directory; the file is never half written."""
    write_json(directory / MATRIX_FILE, document.to_json(), indent=1)
