"""Blocks: which trials stay together on one host, because they are compared with each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from math import ceil
from random import Random

from reprolab.measure.cell import Cell

BlockOf = Callable[[Cell], Hashable]
Block = list[tuple[Cell, int]]  # cells, each with the number of its trial among those to run, from 0
LEAST = 2  # cells of a comparison


def blocks(wanted: Mapping[Cell, int], hosts: int, seed: str, block_of: BlockOf | None = None) -> list[Block]:
    """The trials of cells (cell -> number of trials) as blocks, in the order in which they begin.

    A block is one round of cells that are compared: a trial of each. ``block_of`` names the comparison of a cell.
    Without it all cells are compared with each other if there are as many rounds as hosts. If there are fewer, most
    hosts would be idle: then neighbours along the factor with the most values are compared, in stretches that are as
    long as they can be with a block for each host.
    """
    rounds = max(wanted.values(), default=0)
    if block_of:
        groups = _groups(wanted, block_of)
    elif rounds >= hosts:
        groups = [list(wanted)]
    else:
        lines = _groups(wanted, _line_of(wanted))
        pieces = ceil(hosts / max(1, rounds * len(lines)))
        groups = [stretch for line in lines for stretch in _cut(line, pieces)]
    ordered = []
    for number in range(rounds):
        random = Random(f"{seed} {number}")
        parts = [[(cell, number) for cell in cells if wanted[cell] > number] for cells in groups]
        random.shuffle(parts)
        for part in parts:
            random.shuffle(part)
        ordered += [part for part in parts if part]
    return ordered


def _groups(cells: Iterable[Cell], block_of: BlockOf) -> list[list[Cell]]:
    groups: defaultdict[Hashable, list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[block_of(cell)].append(cell)
    return list(groups.values())


def _line_of(cells: Iterable[Cell]) -> BlockOf:
    """Cells on one line differ only in the factor with the most values."""
    values: defaultdict[str, set[str]] = defaultdict(set)
    for cell in cells:
        for factor, value in cell.changes:
            values[factor].add(value)
    longest = max(values, key=lambda factor: len(values[factor]), default="")

    def others(cell: Cell) -> Hashable:
        return cell.experiment, tuple(change for change in cell.changes if change[0] != longest)

    return others


def _cut(line: list[Cell], pieces: int) -> Iterator[list[Cell]]:
    """Stretches of neighbours of about equal length; none is shorter than LEAST cells, if the line is not."""
    count = max(1, min(pieces, len(line) // LEAST))
    for index in range(count):
        yield line[len(line) * index // count : len(line) * (index + 1) // count]
