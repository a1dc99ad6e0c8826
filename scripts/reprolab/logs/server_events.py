"""What a server's log tells of a trial: workers that come and go, Python tracebacks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from reprolab.logs import timestamps
from reprolab.logs.python_tracebacks import tracebacks
from reprolab.logs.servers import DIALECTS, EVENT_KINDS
from reprolab.scenario.event import Event

PATTERNS = tuple(
    (EVENT_KINDS[line_type], line.event, re.compile(line.pattern.encode()))
    for dialect in DIALECTS
    for line_type, line in dialect.lines.items()
    if line_type in EVENT_KINDS
)
ACCESS = b" HTTP/1."


def from_log(lines: Iterable[bytes], zero_ns: int, source: str) -> list[Event]:
    """The events of one service's log, in its order; each at the moment at which the engine read the line.

    ``lines`` bear the engine's timestamps; ``zero_ns`` is the timeline's zero. A worker that says several times that it
    restarts is told of once.
    """
    found: list[Event] = []
    for trace in tracebacks(_watched(lines, zero_ns, source, found)):
        message = f": {trace.message}" if trace.message else ""
        text = f"{trace.exception} at {trace.place}{message}"
        found.append(Event(_ms(trace.moment_ns, zero_ns), "traceback", text[:200], source))
    return sorted(_once(found), key=lambda event: event.at_ms)


def _watched(lines: Iterable[bytes], zero_ns: int, source: str, found: list[Event]) -> Iterator[bytes]:
    """The lines that may belong to a traceback, passed on; what else they tell goes into ``found``."""
    clock = timestamps.Clock()
    for line in lines:
        # Under load nearly all lines are answers.
        if ACCESS in line:
            continue
        stamp, text = timestamps.split_timestamp(line)
        if not stamp:
            continue
        if told := _told(text):
            found.append(Event(_ms(clock(line), zero_ns), *told, source))
        yield line


def _told(text: bytes) -> tuple[str, str] | None:
    """The kind and the words of what a line tells."""
    for kind, words, pattern in PATTERNS:
        if match := pattern.search(text):
            return kind, words.format(match[1].decode("ascii", "replace"))
    return None


def _once(events: Iterable[Event]) -> list[Event]:
    """Each worker's restart, death and signal once, as first told."""
    kept: dict[tuple[str, str, float], Event] = {}
    for event in events:
        again = event.at_ms if event.kind in ("traceback", "note") else 0.0
        kept.setdefault((event.kind, event.text, again), event)
    return list(kept.values())


def _ms(moment_ns: int, zero_ns: int) -> float:
    return round((moment_ns - zero_ns) / 1e6, 3)
