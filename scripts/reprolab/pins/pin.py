"""Pins, the builds that use them, and the answers of the archives."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

APT = "apt"
PIP = "pip"


@dataclass(frozen=True)
class Pin:
    """One package in one version, for one base.

    ``wanted`` is apt's pattern or pip's specifier, "" for any version. ``base`` is the official image whose apt
    sources are used, or the version of CPython for pip. ``together`` are all packages of the same `apt-get install`,
    ``hashes`` the hashes in the requirements list. ``maybe`` is true if the package is installed inside an `if`,
    which is not evaluated.
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
        """The pin as it is written in the file."""
        return self.name + (f"={self.wanted}" if self.kind == APT and self.wanted else self.wanted)


@dataclass(frozen=True, order=True)
class Use:
    """The place of a pin (file and line, relative to the checkout), and a variant that uses it.

    ``argument`` is the build argument that sets the version, "" if the file itself does. ``scenario`` and ``variant``
    are "" if no variant uses the pin: for the defaults of a Dockerfile, or for a fallback image.
    """

    place: str
    argument: str = ""
    scenario: str = ""
    variant: str = ""


class State(StrEnum):
    """Whether a pin is available."""

    AVAILABLE = "available"
    GONE = "gone"
    NOT_ASKED = "not asked"


@dataclass(frozen=True)
class PinAnswer:
    """The state of a pin. ``text`` is its exact version, else the versions that exist, or the reason for no answer."""

    state: State
    text: str
    warning: str = ""
