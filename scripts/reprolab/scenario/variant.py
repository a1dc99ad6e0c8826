"""A variant of an experiment file that is more than a set of factors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Variant:
    """The factors that differ from the documented ones; in an experiment file a plain dict of them stands for it.

    With ``may_fail_to_start`` the lab starts the services and does not wait: `stack.start` observes how the start of
    the server under test went. Without it a start that fails makes the trial invalid.
    """

    changes: Mapping[str, object] = field(default_factory=dict)
    may_fail_to_start: bool = False
