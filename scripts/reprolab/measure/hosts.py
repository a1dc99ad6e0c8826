"""Whether a claim's sign depends on the host: for cells whose trials ran on several hosts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from reprolab.core.number_words import plural
from reprolab.core.stats import Table, association, p_words
from reprolab.measure.cell import Cell, CellResult
from reprolab.scenario.kernel_setting import KERNEL, kernel_of
from reprolab.scenario.model import Claim
from reprolab.verdict.counting import count

# The chance of a sentence that a sign depends on the host, where it does not. Two families of tests share it.
ALPHA = 0.05
LEAST_P = ALPHA / 2
VIRTUAL = (
    f"the kernels of {KERNEL} ran in virtual machines, whose processor, disk and network are not those of this machine"
)
UNNAMED = "this machine"  # the trials that name no host ran on the engine in use


@dataclass(frozen=True)
class HostTest:
    """One host against all others, in the cells that both measured.

    ``here`` and ``elsewhere`` are (shown, trials). ``p`` is two-sided and allows for the number of tests; ``smallest``
    is the smallest p that these trials could have given. ``cell`` is None for all cells together.
    """

    host: str
    here: tuple[int, int]
    elsewhere: tuple[int, int]
    p: float
    smallest: float
    cell: Cell | None = None

    @property
    def words(self) -> str:
        """For example "lab2 5/5, the other hosts 0/5 in GUNICORN=19.5.0 (p = 0.0079)"."""
        (k, n), (other, others) = self.here, self.elsewhere
        where = self.cell.words if self.cell else "the cells that they share"
        return f"{self.host} {k}/{n}, the other hosts {other}/{others} in {where} (p {p_words(self.p)})"


@dataclass(frozen=True)
class HostEffect:
    """What the trials of several hosts say of one claim: ``tests`` over all shared cells, ``cell_tests`` over each."""

    claim: str
    hosts: tuple[str, ...]
    cells: int
    alike: int
    tests: tuple[HostTest, ...]
    cell_tests: tuple[HostTest, ...]

    @property
    def depends(self) -> bool:
        """Whether the sign depends on the host, which is false in at most ALPHA of all sets of trials by chance."""
        return any(test.p <= LEAST_P for test in (*self.tests, *self.cell_tests))

    @property
    def telling(self) -> bool:
        """Whether these trials are enough to show a dependence at all."""
        return any(test.smallest <= LEAST_P for test in (*self.tests, *self.cell_tests))

    @property
    def sentence(self) -> str:
        """What a report says."""
        strongest = min((*self.tests, *self.cell_tests), key=lambda test: test.p)
        shared = f"{plural(self.cells, 'cell')} that several hosts measured"
        if self.depends:
            return f"{self.claim} depends on the host: {strongest.words}"
        if self.alike == self.cells:
            return f"{self.claim} does not depend on the host: all trials of each cell came out alike in {shared}"
        if not self.telling:
            return f"whether {self.claim} depends on the host cannot be told: too few trials in {shared}"
        return (
            f"no dependence of {self.claim} on the host was seen in {shared}; the largest difference: {strongest.words}"
        )


def host_effect(claim: Claim, results: Iterable[CellResult]) -> HostEffect | None:
    """Test each host against all others; None if no cell has counting trials of two hosts."""
    shared = {result.cell: sides for result in results if len(sides := _by_host(claim, result)) > 1}
    if not shared:
        return None
    hosts = tuple(dict.fromkeys(host for sides in shared.values() for host in sides))
    tests = [(host, [_table(host, sides) for sides in shared.values() if host in sides]) for host in _to_test(hosts)]
    cell_tests = [
        (host, cell, _table(host, sides)) for cell, sides in shared.items() for host in _to_test(tuple(sides))
    ]
    return HostEffect(
        claim.id,
        hosts,
        len(shared),
        sum(_alike(sides.values()) for sides in shared.values()),
        tuple(_test(host, tables, len(tests)) for host, tables in tests),
        tuple(_test(host, [table], len(cell_tests), cell) for host, cell, table in cell_tests),
    )


def host_sentences(claims: Sequence[Claim], results: Sequence[CellResult]) -> Iterator[str]:
    """A sentence for each claim whose trials ran on several hosts; before them, what holds of the kernels of KERNEL."""
    if any(result.records and _on_kernel(result) for result in results):
        yield VIRTUAL
    for claim in claims:
        if effect := host_effect(claim, results):
            yield effect.sentence
        elif len({host for result in results if not _on_kernel(result) for host in _by_host(claim, result)}) > 1:
            yield f"whether {claim.id} depends on the host cannot be told: each cell ran on one host only"


def _on_kernel(result: CellResult) -> bool:
    """Whether the question itself names the kernel, and so the host, of the cell."""
    return bool(kernel_of(result.cell.settings))


def _by_host(claim: Claim, result: CellResult) -> dict[str, tuple[int, int]]:
    """Host -> (shown, trials), of the trials that count."""
    names = dict.fromkeys(record.host for record in result.records)
    counts = {name: count(claim, [record for record in result.records if record.host == name]) for name in names}
    return {name or UNNAMED: (item.shown, item.trials) for name, item in counts.items() if item.trials}


def _to_test(hosts: tuple[str, ...]) -> tuple[str, ...]:
    """Of two hosts the second would have the same test as the first."""
    return hosts if len(hosts) > 2 else hosts[:1]


def _table(host: str, sides: dict[str, tuple[int, int]]) -> Table:
    others = [side for name, side in sides.items() if name != host]
    return sides[host], (sum(k for k, _ in others), sum(n for _, n in others))


def _alike(sides: Iterable[tuple[int, int]]) -> bool:
    shown, trials = (sum(numbers) for numbers in zip(*sides, strict=True))
    return shown in (0, trials)


def _test(host: str, tables: Sequence[Table], tests: int, cell: Cell | None = None) -> HostTest:
    result = association(tables)
    here, elsewhere = ((sum(k for k, _ in side), sum(n for _, n in side)) for side in zip(*tables, strict=True))
    p, smallest = min(1.0, result.two_sided * tests), min(1.0, result.smallest_two_sided * tests)
    return HostTest(host, here, elsewhere, p, smallest, cell)
