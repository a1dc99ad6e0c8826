"""What is asked for, by whom, and what the archives answered."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

APT = "apt"
PIP = "pip"


@dataclass(frozen=True)
class Pin:
    """One package in one version, for one base.

    ``wanted`` is apt's pattern or pip's specifier, "" for any version. ``base`` is the official image whose archive
    is asked (apt) or the version of CPython (pip). ``together`` are all words of the `apt-get install` it stands in,
    ``hashes`` those of its list. ``maybe`` if a condition that is not evaluated decides whether it is installed.
    """

    kind: str
    name: str
    wanted: str
    base: str
    together: tuple[str, ...] = ()
    hashes: frozenset[str] = frozenset()
    maybe: bool = False

    @property
    def text(self) -> str:
        """As it stands in the file."""
        return self.name + (f"={self.wanted}" if self.kind == APT and self.wanted else self.wanted)


@dataclass(frozen=True, order=True)
class Use:
    """Where a pin stands (file and line, relative to the checkout), and a variant that takes it along.

    ``argument`` is the build argument that gives its version, "" where the file itself does. ``scenario`` and
    ``variant`` are "" where nothing but the file asks for it: by its own defaults, or for a host-built base.
    """

    place: str
    argument: str = ""
    scenario: str = ""
    variant: str = ""


class State(StrEnum):
    """What came of asking."""

    THERE = "there"
    GONE = "gone"
    UNASKED = "not asked"


@dataclass(frozen=True)
class Answer:
    """For a pin that is there: its exact version. Else what is there instead, or why it could not be asked."""

    state: State
    text: str
    warning: str = ""
