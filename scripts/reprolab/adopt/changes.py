"""What `adopt` changes in a stack, each with its reason: shown to the user, and kept in the scenario's README."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Change:
    """One change. ``where`` is its place in the user's file, such as ``web.restart``."""

    where: str
    what: str
    why: str

    @property
    def words(self) -> str:
        """The change in one line."""
        return f"{self.where}: {self.what}: {self.why}"


@dataclass
class Changes:
    """The changes so far, in order."""

    rows: list[Change] = field(default_factory=list)

    def add(self, where: str, what: str, why: str) -> None:
        change = Change(where, what, why)
        if change not in self.rows:
            self.rows.append(change)

    def dropped(self, where: str, why: str) -> None:
        """Note that a key or an entry is left out."""
        self.add(where, "left out", why)
