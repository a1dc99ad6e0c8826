"""The log lines of the servers that the lab knows: one `Dialect` for each. A new server's dialect belongs here.

`server_events` reads the events of a timeline from these lines. `normalize` replaces the parts that always differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto
from typing import AnyStr, NamedTuple

from reprolab.logs.timestamps import split_timestamp


class LineType(StrEnum):
    """The type of a log line. Group 1 of its pattern is the process id, if the line has one, or as the comment says."""

    MASTER_STARTING = auto()  # group 1: the release
    LISTENING = auto()  # group 1: the address
    READY = auto()
    STARTED = auto()
    RESPAWNED = auto()
    MAX_REQUESTS = auto()
    RELOADING = auto()
    TIMEOUT = auto()
    EXITING = auto()
    DIED = auto()
    SIGNAL = auto()  # group 1: the name of the signal that the master received
    MASTER_ENDED = auto()


# Type of a line -> kind of its event (scenario/event.py). A line of another type makes no event.
EVENT_KINDS: Mapping[LineType, str] = {
    LineType.STARTED: "started",
    LineType.RESPAWNED: "restarted",
    LineType.MAX_REQUESTS: "ending",
    LineType.RELOADING: "ending",
    LineType.TIMEOUT: "killed",
    LineType.DIED: "killed",
    LineType.SIGNAL: "note",
}
WORKER_BEGINS = (LineType.STARTED, LineType.RESPAWNED)
WORKER_ENDS = (LineType.EXITING, LineType.DIED)


class LinePattern(NamedTuple):
    """A regular expression for a type of line, and the text of its event, where ``{}`` is group 1."""

    pattern: str
    event: str = ""


class FactLine(NamedTuple):
    """A line that says something of its server: its release, or the value of a setting.

    ``text`` is in each such line. The value is group 1 of ``pattern``, or else ``value``.
    """

    name: str
    text: str
    pattern: str = ""
    value: str = ""


RELEASE = "release"


class Rule(NamedTuple):
    """A rule of `normalize`; it applies to lines that contain at least one of the words in ``needed``."""

    needed: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: str | Callable[[re.Match[str]], str]


@dataclass(frozen=True)
class Dialect:
    """How one server writes its log.

    ``begins`` matches the beginning of a line, before the message; its groups are named clock, pid and level.
    ``clock_format`` is for strptime; it is empty if the clock has no time zone. ``errors`` are the levels of errors.
    ``status`` matches the status in an access line, with ``{}`` for the code. ``varies`` are the rules for the parts
    that differ in every run; they see ``<clock>`` in the place of a clock. ``python``: its processes run Python.
    ``facts`` are lines by which the log names its release and settings.
    """

    name: str
    begins: re.Pattern[str]
    lines: Mapping[LineType, LinePattern]
    clock_format: str = ""
    errors: frozenset[str] = frozenset()
    status: str = r'" {}\b'
    varies: tuple[Rule, ...] = ()
    python: bool = False
    facts: tuple[FactLine, ...] = ()

    def pattern(self, line_type: str) -> str:
        """The regular expression of a type. Raises ValueError for an unknown type, KeyError if this server has none."""
        return self.lines[LineType(line_type)].pattern

    def search(self, line_type: str, line: AnyStr) -> re.Match[AnyStr] | None:
        """Match a line, after the engine's timestamp if it has one, against a type. Raises as `pattern` does."""
        pattern, text = self.pattern(line_type), split_timestamp(line)[1]
        return re.search(pattern.encode() if isinstance(text, bytes) else pattern, text)


PYTHON_ERRORS = frozenset({"ERROR", "CRITICAL"})

# [2026-11-26 01:19:01 +0000] [11] [INFO] Booting worker with pid: 11
GUNICORN = Dialect(
    "gunicorn",
    re.compile(r"\[(?P<clock>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4})\] \[(?P<pid>\d+)\] \[(?P<level>[A-Z]+)\] "),
    {
        LineType.MASTER_STARTING: LinePattern(r"Starting gunicorn (\S+)"),
        LineType.LISTENING: LinePattern(r"Listening at: (.+) \(\d+\)"),
        LineType.STARTED: LinePattern(r"Booting worker with pid: (\d+)", "worker {} booted"),
        LineType.MAX_REQUESTS: LinePattern(
            r"\[(\d+)\] \[INFO\] Autorestarting worker", "worker {} reached max_requests"
        ),
        LineType.RELOADING: LinePattern(r"\[(\d+)\] \[INFO\] Worker reloading", "worker {} reloads"),
        LineType.TIMEOUT: LinePattern(r"WORKER TIMEOUT \(pid:\s*(\d+)\)", "worker {} timed out"),
        LineType.EXITING: LinePattern(r"Worker exiting \(pid: (\d+)\)"),
        # 20: "Worker with pid 12 was terminated due to signal 9"; since 21: "Worker (pid:76) was sent SIGKILL!"
        LineType.DIED: LinePattern(
            r"Worker (?:\(pid:\s*|with pid )(\d+)\)? was (?:sent|terminated)", "worker {} was sent a signal"
        ),
        LineType.SIGNAL: LinePattern(r"Handling signal: (\w+)", "the master got a signal: {}"),
        LineType.MASTER_ENDED: LinePattern(r"Shutting down: Master"),
    },
    clock_format="%Y-%m-%d %H:%M:%S %z",
    errors=PYTHON_ERRORS,
    varies=(
        Rule(("<clock>] [",), re.compile(r"(?<=<clock>\] )\[\d+\](?= \[)"), "[<pid>]"),
        Rule(("Listening at: ",), re.compile(r"(Listening at: .*[\[(])\d+(?=[\])])"), r"\1<pid>"),
        Rule(("/wgunicorn-",), re.compile(r"(?<=/)(wgunicorn-)[a-z0-9_]{8}(?![\w])"), r"\1<name>"),
    ),
    python=True,
    facts=(
        FactLine(RELEASE, "Starting gunicorn ", r"Starting gunicorn (\d[\w.]*)"),
        FactLine("worker_class", "Using worker: ", r"Using worker: (\w[\w.:]*)"),
        FactLine("bind", "Listening at: ", r"Listening at: ([^\s,]+)"),
        FactLine("restarts", "Autorestarting worker after", value="true"),
    ),
)

# spawned uWSGI worker 1 (pid: 11, cores: 1)
# [pid: 11|app: 0|req: 1/1] 127.0.0.1 () {18 vars in 179 bytes} [Thu Nov 26 01:19:47 2026] GET / => generated 2 bytes …
UWSGI = Dialect(
    "uwsgi",
    re.compile(r"\[pid: (?P<pid>\d+)\|app: -?\d+\|req: -?\d+/\d+\] "),
    {
        LineType.MASTER_STARTING: LinePattern(r"\*\*\* Starting uWSGI (\S+)"),
        LineType.LISTENING: LinePattern(r"^(?:uWSGI http bound on|uwsgi socket \d+ bound to TCP address) (\S+)"),
        LineType.STARTED: LinePattern(
            r"^spawned uWSGI worker \d+ (?:\(and the only\) )?\(pid: (\d+)", "worker {} spawned"
        ),
        LineType.RESPAWNED: LinePattern(r"^Respawned uWSGI worker \d+ \(new pid: (\d+)\)", "worker {} respawned"),
        LineType.EXITING: LinePattern(r"^Gracefully killing worker \d+ \(pid: (\d+)\)"),
        LineType.DIED: LinePattern(r"DAMN ! worker \d+ \(pid:\s*(\d+)\) died", "worker {} died"),
        LineType.MASTER_ENDED: LinePattern(r"^goodbye to uWSGI\."),
    },
    status=r"\(HTTP/\S+ {}\)",
    varies=(
        Rule(("|req: ",), re.compile(r"(?<=\|req: )\d+/\d+(?=\])"), "<n>/<n>"),
        Rule((" vars in ",), re.compile(r"(?<= vars in )\d+(?= bytes\})"), "<n>"),
        Rule(("nodename: ",), re.compile(r"(?<=^nodename: )\S+"), "<id>"),
    ),
    python=True,
    facts=(
        FactLine(RELEASE, "*** Starting uWSGI ", r"Starting uWSGI (\d[\w.]*)"),
        FactLine("enable-threads", "*** Python threads support is disabled", value="false"),
        FactLine("enable-threads", "python threads support enabled", value="true"),
    ),
)

# INFO:     Started server process [11]
UVICORN = Dialect(
    "uvicorn",
    re.compile(r"(?P<level>[A-Z]+): +"),
    {
        LineType.LISTENING: LinePattern(r"Uvicorn running on (?:unix socket )?(\S+)"),
        LineType.READY: LinePattern(r"Application startup complete"),
        LineType.STARTED: LinePattern(r"Started server process \[(\d+)\]", "server process {} started"),
        LineType.EXITING: LinePattern(r"Finished server process \[(\d+)\]"),
        LineType.DIED: LinePattern(r"Child process \[(\d+)\] died", "worker {} died"),
        LineType.MASTER_ENDED: LinePattern(r"Stopping parent process \[(\d+)\]"),
    },
    errors=PYTHON_ERRORS,
    varies=(Rule(("rocess ",), re.compile(r"([Pp]rocess [\[(])\d+(?=[\])])"), r"\1<pid>"),),
    python=True,
    facts=(
        FactLine("parent", "Started parent process [", value="true"),
        FactLine("seen", "Uvicorn running on ", value="true"),
        FactLine("seen", "Started server process [", value="true"),
    ),
)

# [INFO] raised RLIMIT_NOFILE to 20000
# images/h2o configures the format of its access log; access_log.py reads it.
H2O = Dialect(
    "h2o",
    re.compile(r"\[(?P<level>[A-Z]+)\] "),
    {LineType.READY: LinePattern(r"^h2o server \(pid:(\d+)\) is ready to serve requests")},
    errors=frozenset({"ERROR", "FATAL"}),
    facts=(FactLine("seen", "h2o server (pid:", value="true"),),
)

# 2026/11/26 01:20:20 [alert] 7#7: *29 32 worker_connections are not enough
NGINX = Dialect(
    "nginx",
    re.compile(r"(?P<clock>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(?P<level>[a-z]+)\] (?P<pid>\d+)#\d+: "),
    {
        LineType.STARTED: LinePattern(r"start worker process (\d+)", "worker {} started"),
        LineType.EXITING: LinePattern(r"worker process (\d+) exited with code"),
        LineType.DIED: LinePattern(r"worker process (\d+) exited on signal", "worker {} died"),
    },
    errors=frozenset({"error", "crit", "alert", "emerg"}),
    facts=(FactLine(RELEASE, ": nginx/", r"\[notice\] \d+#\d+: nginx/(\d[\w.]*)"),),
    varies=(
        Rule(
            ("#",),
            re.compile(r"^(<clock> \[\w+\] )\d+#\d+: (\*\d+ )?"),
            lambda match: f"{match[1]}<pid>#<pid>: {'*<n> ' if match[2] else ''}",
        ),
        Rule(("worker process ", " received from "), re.compile(r"((?:worker process|received from) )\d+"), r"\1<pid>"),
    ),
)

DIALECTS = (GUNICORN, UWSGI, UVICORN, H2O, NGINX)
NAMES = tuple(dialect.name for dialect in DIALECTS)


def any_pattern(line_types: Iterable[LineType]) -> re.Pattern[str]:
    """A pattern for the lines of these types of every server; the process id is in the only group that matched."""
    types = tuple(line_types)
    return re.compile("|".join(d.lines[name].pattern for d in DIALECTS for name in types if name in d.lines))


def status_pattern(code: str) -> str:
    """A pattern for the access lines of every server with the status ``code``, a pattern such as ``5\\d\\d``."""
    return "|".join(dict.fromkeys(dialect.status.format(code) for dialect in DIALECTS))


def server_moment_ns(text: str) -> int | None:
    """The time that a server wrote into its line, in nanoseconds since the epoch; None without clock and zone.

    An impossible time is none.
    """
    for dialect in DIALECTS:
        if dialect.clock_format and (match := dialect.begins.match(text)):
            try:
                return int(datetime.strptime(match["clock"], dialect.clock_format).timestamp()) * 1_000_000_000
            except (ValueError, OverflowError):
                return None
    return None


def is_error(text: str) -> bool:
    """Whether a line begins with a level that means an error for its server."""
    matches = ((dialect, dialect.begins.match(text)) for dialect in DIALECTS if dialect.errors)
    return any(match["level"] in dialect.errors for dialect, match in matches if match)
