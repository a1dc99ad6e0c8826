"""Reads the events of a trial from the logs of servers: workers that start and end, tracebacks, errors of nginx."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from reprolab.logs import timestamps
from reprolab.logs.error_log import nginx_messages
from reprolab.logs.python_tracebacks import tracebacks
from reprolab.logs.servers import DIALECTS, EVENT_KINDS, NGINX
from reprolab.scenario.event import Event

PATTERNS = tuple(
    (EVENT_KINDS[line_type], line.event, re.compile(line.pattern.encode()))
    for dialect in DIALECTS
    for line_type, line in dialect.lines.items()
    if line_type in EVENT_KINDS
)
ACCESS = b" HTTP/1."
# Equal errors of nginx that are no further apart are one event: a server that is down makes hundreds in a second.
TOGETHER_NS = 1_000_000_000


def from_log(lines: Iterable[bytes], zero_ns: int, source: str) -> list[Event]:
    """The events in one service's log by time; each at the moment when the engine read the line.

    ``lines`` begin with the engine's timestamps; ``zero_ns`` is the timeline's zero. A worker may log a restart
    several times; this is one event.
    """
    events: list[Event] = []
    for trace in tracebacks(_collect_worker_events(lines, zero_ns, source, events)):
        message = f": {trace.message}" if trace.message else ""
        text = f"{trace.exception} at {trace.place}{message}"
        events.append(Event(_ms(trace.moment_ns, zero_ns), "traceback", text[:200], source))
    return sorted(_without_repeats(events), key=lambda event: event.at_ms)


def from_proxy_log(lines: Iterable[bytes], zero_ns: int, source: str) -> list[Event]:
    """The events in the error log of nginx by time: its workers, and its errors. Other lines are left out."""
    events: list[Event] = []
    groups: dict[str, tuple[int, int, int]] = {}
    for message in nginx_messages(lines):
        text, at_ns = message.text[:200], message.at_ns
        if kind_and_text := _describe_line(text.encode()):
            events.append(Event(_ms(at_ns, zero_ns), *kind_and_text, source))
        elif message.level in NGINX.errors:
            first, last, number = groups.get(text, (at_ns, at_ns, 0))
            if at_ns - last > TOGETHER_NS:
                events.append(_errors_event(text, (first, last, number), zero_ns, source))
                first, number = at_ns, 0
            groups[text] = (first, at_ns, number + 1)
    events += [_errors_event(text, group, zero_ns, source) for text, group in groups.items()]
    return sorted(_without_repeats(events), key=lambda event: event.at_ms)


def _errors_event(text: str, group: tuple[int, int, int], zero_ns: int, source: str) -> Event:
    """One note for equal errors: the first, the last, their number."""
    first, last, number = group
    if number == 1:
        return Event(_ms(first, zero_ns), "note", text, source)
    return Event(_ms(first, zero_ns), "note", f"{text} ({number} times)", source, _ms(last, zero_ns))


def _collect_worker_events(lines: Iterable[bytes], zero_ns: int, source: str, events: list[Event]) -> Iterator[bytes]:
    """Append the events of single lines to ``events``, and pass the lines on that may belong to a traceback."""
    clock = timestamps.Clock()
    for line in lines:
        # Under load nearly all lines are access lines.
        if ACCESS in line:
            continue
        stamp, text = timestamps.split_timestamp(line)
        if not stamp:
            continue
        if kind_and_text := _describe_line(text):
            events.append(Event(_ms(clock(line), zero_ns), *kind_and_text, source))
        yield line


def _describe_line(text: bytes) -> tuple[str, str] | None:
    """The kind and the text of the event that a line reports; None for any other line."""
    for kind, event_text, pattern in PATTERNS:
        if match := pattern.search(text):
            return kind, event_text.format(match[1].decode("ascii", "replace"))
    return None


def _without_repeats(events: Iterable[Event]) -> list[Event]:
    """Each worker's restart, end and signal once, at its first line; every traceback and note."""
    first: dict[tuple[str, str, float], Event] = {}
    for event in events:
        moment = event.at_ms if event.kind in ("traceback", "note") else 0.0
        first.setdefault((event.kind, event.text, moment), event)
    return list(first.values())


def _ms(moment_ns: int, zero_ns: int) -> float:
    return round((moment_ns - zero_ns) / 1e6, 3)
