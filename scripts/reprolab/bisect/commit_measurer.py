"""Measures cells whose value stands for a commit: its source is handed to the builds, then it is a cell like others."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reprolab.bisect.commits import archive
from reprolab.core.errors import BuildError
from reprolab.core.subprocesses import CommandError
from reprolab.measure.cell import Cell, CellResult, Measurer
from reprolab.scenario.model import Claim
from reprolab.stack.source_packages import SourcePackage


@dataclass
class CommitMeasurer:
    """A `Measurer` on another one. ``hashes`` is value of ``factor`` -> commit of the checkout ``source``.

    ``sources`` are the packages that the builds of the other measurer know, by version; the commits are added there.
    """

    inner: Measurer
    sources: MutableMapping[str, SourcePackage]
    factor: str
    package: str
    source: Path
    hashes: Mapping[str, str]
    _obstacles: dict[Cell, str] = field(default_factory=dict)

    def measure(self, wanted: Mapping[Cell, int], claims: Sequence[Claim]) -> dict[Cell, CellResult]:
        """See `Measurer.measure`. A commit that cannot be built is the obstacle of its cell."""
        for cell in wanted:
            self._prepare(cell, claims)
        able = {cell: trials for cell, trials in wanted.items() if not self._obstacles[cell]}
        results = self.inner.measure(able, claims) if able else {}
        return {cell: results.get(cell) or CellResult(cell, obstacle=self._obstacles[cell]) for cell in wanted}

    def _prepare(self, cell: Cell, claims: Sequence[Claim]) -> None:
        """Build the package of a cell. To ask for no trial resolves its stack, and that builds what the stack needs."""
        version = cell.settings[self.factor]
        if cell in self._obstacles:
            return
        try:
            content = archive(self.source, self.hashes[version])
            self.sources[version] = SourcePackage(self.package, version, content)
            self.inner.measure({cell: 0}, claims)
        except (BuildError, CommandError) as error:
            self._obstacles[cell] = f"image build failed: {error}"
        else:
            self._obstacles[cell] = ""
