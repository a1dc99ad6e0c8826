"""Puts the results of a matrix together: from the trials of cells to the content of matrix.json."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from inspect import isfunction
from pathlib import Path

from reprolab.core.errors import LabError
from reprolab.engine.host_facts import Host
from reprolab.evidence.run_dir import RunDirectory
from reprolab.matrix.document import MatrixCell, MatrixClaim, MatrixDocument
from reprolab.matrix.grid import Coordinates
from reprolab.matrix.plan import GridPoint, MatrixPlan
from reprolab.measure.cell import CellResult
from reprolab.scenario.model import Claim


def cell_of(point: GridPoint, result: CellResult | None, claims: Sequence[Claim], results: Path) -> MatrixCell:
    """A cell with the counts of these claims; without a result it was not measured.

    ``results`` is the directory of all results.
    """
    if result is None:
        return MatrixCell(point.coordinates, point.cell.settings, point.companions)
    counts = {claim.id: result.count(claim) for claim in claims} if result.records else {}
    return MatrixCell(
        point.coordinates,
        point.cell.settings,
        point.companions,
        {claim: count.to_sign() for claim, count in counts.items()},
        {claim: count.errors[0] for claim, count in counts.items() if count.errors},
        len(result.records),
        min(result.kept, len(result.records)),
        len(result.invalid),
        next(iter(result.invalid), ""),
        result.obstacle,
        Path(os.path.relpath(result.directory, results)).as_posix() if result.directory else "",
    )


def hosts_of(results: Iterable[CellResult]) -> tuple[str, ...]:
    """The machines on which the trials ran, each once, as their cells tell."""
    return tuple(dict.fromkeys(words for result in results for words in _hosts_words(result)))


def _hosts_words(result: CellResult) -> list[str]:
    if result.directory is None:
        return []
    try:
        info = RunDirectory(result.directory).info()
    except LabError:
        # A cell whose run.json is damaged still has its trials.
        return []
    named = [f"{name}: {host_words(host.host)}" for name, host in info.hosts.items()]
    last = host_words(info.host)
    return [*named, last] if last and not any(words.endswith(f": {last}") for words in named) else named


def host_words(host: Host) -> str:
    """The processors, the kernel and the engine of a machine in one line; what is not known is left out."""
    return " · ".join(host.words)


def _described(function: object) -> str:
    """The docstring of a sign or a trigger as one line, "" without any."""
    return " ".join((function.__doc__ or "").split()) if isfunction(function) else ""


def claims_of(plan: MatrixPlan) -> tuple[MatrixClaim, ...]:
    """All claims of the experiment, those that were asked for first."""
    others = [claim for claim in plan.experiment.claims if claim not in plan.claims]
    return tuple(
        MatrixClaim(claim.id, claim.text, _described(claim.sign), claim in plan.claims, _described(claim.trigger))
        for claim in (*plan.claims, *others)
    )


def document_of(plan: MatrixPlan, run: str, started: str, cells: Mapping[Coordinates, MatrixCell]) -> MatrixDocument:
    """The map of a plan with the cells so far, as it is while it is measured."""
    scenario = plan.scenario
    return MatrixDocument(
        scenario=scenario.name,
        title=scenario.title,
        run=run,
        experiment=plan.experiment.name,
        claims=claims_of(plan),
        axes=plan.axes,
        cells=tuple(cells[point.coordinates] for point in plan.points),
        documented=dict(scenario.factors),
        fixed=dict(plan.fixed),
        trials=plan.trials,
        seed=plan.seed,
        budget=plan.budget,
        started=started,
        command=(Path(sys.argv[0]).name, *sys.argv[1:]),
        lab=version("reprolab"),
        case=plan.case,
    )
