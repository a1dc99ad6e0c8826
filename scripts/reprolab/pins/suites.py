"""The end of support of Debian's releases.

Some months after it the mirrors drop a release, and only the archive of old releases has it.
"""

from __future__ import annotations

from datetime import date

# The end of long-term support, from Debian's wiki page about LTS. For Debian 13 it is five years after the release. A
# release that is not in this table counts as supported.
SUPPORTED_UNTIL = {
    "stretch": ("Debian 9", date(2022, 6, 30)),
    "buster": ("Debian 10", date(2024, 6, 30)),
    "bullseye": ("Debian 11", date(2026, 8, 31)),
    "bookworm": ("Debian 12", date(2028, 6, 30)),
    "trixie": ("Debian 13", date(2030, 6, 30)),
}


def warning(suite: str, today: date) -> str:
    """Return a warning for a release without support; "" for any other."""
    name, until = SUPPORTED_UNTIL.get(suite, ("", date.max))
    if today <= until:
        return ""
    return (
        f"{name} ({suite}) has had no support since {until}: its packages leave the mirrors for the archive of old "
        "releases; name a newer release in its _IMAGE arguments before that"
    )
