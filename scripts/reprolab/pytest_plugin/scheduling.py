"""How pytest-xdist spreads claims: those of one case stay together, so that the case runs once."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest
from xdist.scheduler import LoadGroupScheduling  # type: ignore[import-untyped]


class CaseScheduling(LoadGroupScheduling):  # type: ignore[misc]
    """Gives each test to the next free worker, as xdist does with load, but all claims of a case to one."""

    def __init__(self, config: pytest.Config, log: Any, cases: Collection[str]) -> None:
        super().__init__(config, log)
        self.cases = frozenset(cases)

    def _split_scope(self, nodeid: str) -> str:
        """The claims of a case, the tests of a group, or the test alone."""
        case = nodeid.partition("::")[0]
        return case if case in self.cases else super()._split_scope(nodeid)
