"""Reads the engine's timestamp at the beginning of a log line."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import AnyStr

STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|\+00:00)?")
IN_FRONT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z"
STAMPED = re.compile(rf"({IN_FRONT})(?: |$)")
STAMPED_BYTES = re.compile(STAMPED.pattern.encode())


# A line in which a program wrote the moment itself, as a probe of the lab does. The engine reads lines later.
OWN = re.compile(rb'"t_ns": ?(\d{19})\b')


def own_ns(line: bytes) -> int | None:
    """The moment in a line of JSON in nanoseconds since the epoch, as its program measured it; None without one."""
    match = OWN.search(line)
    return int(match[1]) if match else None


def split_timestamp(line: AnyStr) -> tuple[AnyStr, AnyStr]:
    """The engine's timestamp at the beginning of a line, and the text after it, with its end of line.

    Without a timestamp the first is empty and the second is the whole line.
    """
    match = STAMPED_BYTES.match(line) if isinstance(line, bytes) else STAMPED.match(line)
    # A server's own text may look like a timestamp, such as one of the 30th of February.
    return (match[1], line[match.end() :]) if match and _is_moment(match[1][:19]) else (line[:0], line)


@lru_cache(4096)
def _is_moment(second: bytes | str) -> bool:
    try:
        moment_ns(second)
    except ValueError:
        return False
    return True


def moment_ns(stamp: bytes | str) -> int:
    """An engine timestamp (RFC 3339, nanoseconds, UTC) as integer nanoseconds since the epoch.

    Raises ValueError for anything else.
    """
    text = stamp.decode("utf-8", "replace") if isinstance(stamp, bytes) else stamp
    if not (match := STAMP.fullmatch(text.strip())):
        raise ValueError(f"not an engine timestamp in UTC: {text!r}")
    seconds = int(datetime.strptime(match[1], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC).timestamp())
    return seconds * 1_000_000_000 + int((match[2] or "").ljust(9, "0"))


def stamp(moment: int) -> str:
    """Nanoseconds since the epoch as a timestamp of the engine's form."""
    seconds, rest = divmod(moment, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


class Clock:
    """Converts engine timestamps into nanoseconds. It remembers the last second, since logs are mostly in order."""

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
