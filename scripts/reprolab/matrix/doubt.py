"""Which cells of a map are in doubt, so that further trials are worth most there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from reprolab.matrix import grid
from reprolab.matrix.document import MatrixCell, MatrixDocument
from reprolab.matrix.grid import Coordinates
from reprolab.matrix.state import State, state_of
from reprolab.measure.axis import Axis


def doubtful(axes: Sequence[Axis], cells: Mapping[Coordinates, MatrixCell], claims: Iterable[str]) -> set[Coordinates]:
    """The points that are in doubt for one of the claims; only points with a trial that counts.

    A cell is in doubt if its sign showed in some of its trials only, if the next cell along an ordered axis is in
    another state, or if that cell has no trial that counts: a change may be hidden there.
    """
    points: set[Coordinates] = set()
    lines = grid.lines(axes)
    for claim in claims:
        states = {point: state_of(cell, claim) for point, cell in cells.items()}
        points |= {point for point, state in states.items() if state is State.MIXED}
        for line in lines:
            for pair in pairwise(line.points):
                here, there = (states.get(point, State.NOT_RUN) for point in pair)
                if here != there:
                    points |= {point for point, state in zip(pair, (here, there), strict=True) if state.counted}
    return points


def lacking(document: MatrixDocument) -> list[MatrixCell]:
    """The cells in doubt that have fewer trials that count than a cell in doubt may have."""
    claims = [claim.id for claim in document.asked]
    points = doubtful(document.axes, {cell.coordinates: cell for cell in document.cells}, claims)
    return [cell for cell in document.cells if cell.coordinates in points and fewest(cell, claims) < document.trials]


def fewest(cell: MatrixCell, claims: Iterable[str]) -> int:
    """The smallest number of trials of a cell that count for one of the claims."""
    return min(cell.count(claim).trials for claim in claims)


def undecided(document: MatrixDocument) -> list[MatrixCell]:
    """The cells without a result that measuring again may give one, for a claim that was asked for."""
    claims = [claim.id for claim in document.asked]
    return [cell for cell in document.cells if any(state_of(cell, claim).undecided for claim in claims)]
