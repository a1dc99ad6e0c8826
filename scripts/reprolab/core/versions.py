"""Version numbers as Docker's many packagings print them."""

from __future__ import annotations

import re

_NUMBERS = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")


def parse_version(text: str) -> tuple[int, int, int]:
    """Return major, minor, patch of ``2.26.1-4``, ``20.10.24+dfsg1``, ``v2.20.0``, ``5:28.2.2~debian`` ...

    What a packager appends says nothing about features, so it is dropped, as is Debian's epoch.
    Raises ValueError where the text does not begin with a version.
    """
    found = _NUMBERS.match(re.sub(r"^\d+:", "", text.strip()))
    if found is None:
        raise ValueError(f"not a version: {text!r}")
    major, minor, patch = found.groups(default="0")
    return int(major), int(minor), int(patch)


def at_least(found: str, minimum: str) -> bool:
    """Whether version ``found`` is ``minimum`` or later; what is no version (``dev``, nothing) is not."""
    try:
        return parse_version(found) >= parse_version(minimum)
    except ValueError:
        return False
