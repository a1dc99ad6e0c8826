"""The logs of a stack by hand as a person reads them: all services in the order of time, by one clock.

A line that a service repeats stands once, with its number: an access log under load is then a few lines a second, and
an error between its lines is seen.
"""

from __future__ import annotations

import heapq
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.text import Text

from reprolab.evidence.run_dir import TrialDirectory
from reprolab.logs.access_log import FIELDS, request_ns
from reprolab.logs.log_file import LogFile
from reprolab.logs.python_tracebacks import PYTHON_BEGIN
from reprolab.logs.servers import DIALECTS, is_error, status_pattern
from reprolab.logs.timestamps import Clock, split_timestamp

STATUS = re.compile(status_pattern(r"(\d{3})"))
ACCESS_CLOCK = re.compile(r"\[\d\d/[A-Z][a-z]{2}/\d{4}:[\d:]{8} [+-]\d{4}\] ")
TROUBLE = re.compile(r"\b(errors?|fail(ed|s|ure)?|exception|fatal|panic|killed|refused|denied)\b", re.I)
TRACEBACKS = tuple(text.decode() for text in PYTHON_BEGIN)
SERVER_ERRORS = 500
# Access lines that alternate, such as 200 and 502 of several connections, are counted in steps of this length.
STEP_NS, FOREVER = 1_000_000_000, 1 << 62


@dataclass(frozen=True)
class Entry:
    """A line of a service, and how often it came without another one between. Times are nanoseconds since the epoch."""

    moment_ns: int
    role: str
    text: str
    error: bool
    until_ns: int
    count: int = 1

    @property
    def access(self) -> bool:
        """Whether it is a line about a request."""
        return "HTTP/" in self.text

    def shown(self, width: int) -> Text:
        """The entry as one line; ``width`` is that of the column of the roles."""
        style = "red" if self.error else "dim" if self.access else ""
        more = f"  (× {self.count:,} until {clock(self.until_ns)})" if self.count > 1 else ""
        return Text(f"{clock(self.moment_ns)} {self.role:<{width}} ").append(self.text, style).append(more, "dim")


def clock(moment_ns: int) -> str:
    """The time of day in UTC, with milliseconds."""
    moment = datetime.fromtimestamp(moment_ns // 10**9, UTC)
    return f"{moment:%H:%M:%S}.{moment_ns % 10**9 // 10**6:03}"


def entries(copy: TrialDirectory, roles: Iterable[str], tail: int | None, *, errors: bool = False) -> list[Entry]:
    """The last ``tail`` entries of each service (None for all), or of its errors, in the order of time."""
    chosen = []
    for role in roles:
        wanted = (entry for entry in _of_role(copy, role) if entry.error or not errors)
        chosen.append(deque(wanted, maxlen=tail))
    return list(heapq.merge(*(sorted(of_role, key=_moment) for of_role in chosen), key=_moment))


def _moment(entry: Entry) -> int:
    return entry.moment_ns


def _of_role(copy: TrialDirectory, role: str) -> Iterator[Entry]:
    """The entries of a service: those of its streams, and those of its log file where it writes one."""
    streams, log = copy.streams_path(role), copy.log_path(role)
    for path in dict.fromkeys(path for path in (streams, log) if path.exists()):
        yield from _joined(_read(path, role))


def _read(path: Path, role: str) -> Iterator[Entry]:
    """Each line of a file. A line of a log file has the time that is in it, else that of the line before."""
    engine_time, moment, in_traceback = Clock(), 0, False
    for line in LogFile(path).lines():
        stamp, rest = split_timestamp(line)
        text = rest.decode("utf-8", "replace").rstrip()
        if not text:
            continue
        moment = engine_time(line) if stamp else request_ns(text) or moment
        begins = text.startswith(TRACEBACKS)
        error = begins or in_traceback or _is_trouble(text)
        # A traceback ends with its first line that is not indented.
        in_traceback = begins or (in_traceback and text.startswith(" "))
        yield Entry(moment, role, _without_clock(text), error, moment)


def _is_trouble(text: str) -> bool:
    if "HTTP/" in text and (match := STATUS.search(text)):
        return int(next(filter(None, match.groups()))) >= SERVER_ERRORS
    return is_error(text) or bool(TROUBLE.search(text))


def _without_clock(text: str) -> str:
    """A line without the times that its server wrote: it is shown behind the lab's."""
    if "HTTP/" in text:
        return ACCESS_CLOCK.sub("", FIELDS.sub("", text)).rstrip()
    for dialect in DIALECTS:
        if "clock" in dialect.begins.groupindex and (match := dialect.begins.match(text)):
            begin, end = match.span("clock")
            return (text[:begin].rstrip("[") + text[end:].lstrip("]")).lstrip()
    return text


def _joined(lines: Iterable[Entry]) -> Iterator[Entry]:
    """The lines, with those that follow their own like as one; of access lines all within a second, by their texts."""
    held: dict[str, Entry] = {}
    for line in lines:
        same = held.get(line.text)
        if same is not None and line.moment_ns - same.moment_ns < (STEP_NS if line.access else FOREVER):
            last = max(same.until_ns, line.moment_ns)
            held[line.text] = replace(same, until_ns=last, count=same.count + 1)
            continue
        if not line.access or same is not None or not all(entry.access for entry in held.values()):
            yield from held.values()
            held.clear()
        held[line.text] = line
    yield from held.values()
