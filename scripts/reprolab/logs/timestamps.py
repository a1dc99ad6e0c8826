"""The moment at the beginning of a log line."""

from __future__ import annotations

import re
from datetime import UTC, datetime

STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|\+00:00)?")


def moment_ns(stamp: bytes | str) -> int:
    """An engine timestamp (RFC 3339, nanoseconds, UTC) as integer nanoseconds since the epoch.

    Raises ValueError for anything else.
    """
    text = stamp.decode("utf-8", "replace") if isinstance(stamp, bytes) else stamp
    if not (found := STAMP.fullmatch(text.strip())):
        raise ValueError(f"not an engine timestamp in UTC: {text!r}")
    seconds = int(datetime.strptime(found[1], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC).timestamp())
    return seconds * 1_000_000_000 + int((found[2] or "").ljust(9, "0"))


class Clock:
    """Turns engine timestamps into nanoseconds, remembering the last second: logs are mostly in order."""

    def __init__(self) -> None:
        self._second = b""
        self._base = 0

    def __call__(self, line: bytes) -> int:
        """The moment of a captured line, in nanoseconds since the epoch."""
        second = line[:19]
        if second != self._second:
            self._second, self._base = second, moment_ns(second)
        end = line.find(b"Z ", 19, 40)
        return self._base + int(line[20:end].ljust(9, b"0")) if end > 20 else self._base
