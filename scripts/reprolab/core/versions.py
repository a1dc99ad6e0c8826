"""Version numbers as the various packages of Docker print them."""

from __future__ import annotations

import re

_NUMBERS = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")


def parse_version(text: str) -> tuple[int, int, int]:
    """Return major, minor, patch of ``2.26.1-4``, ``20.10.24+dfsg1``, ``v2.20.0``, ``5:28.2.2~debian`` ...

    A packager's suffix and Debian's epoch say nothing about features, so they are dropped.
    Raises ValueError if the text does not begin with a version.
    """
    match = _NUMBERS.match(re.sub(r"^\d+:", "", text.strip()))
    if match is None:
        raise ValueError(f"not a version: {text!r}")
    major, minor, patch = match.groups(default="0")
    return int(major), int(minor), int(patch)


def at_least(version: str, minimum: str) -> bool:
    """Whether ``version`` is ``minimum`` or later; False for a text that is no version (``dev``, "")."""
    try:
        return parse_version(version) >= parse_version(minimum)
    except ValueError:
        return False
