"""Replaces the parts of a log line that differ in every run: clocks, process ids, addresses, ports, durations.

A rule replaces such a part by a word, for example <clock>. The parts that tell a difference between two runs stay: a
status code, the size of a response, an exception, errno, a line of source code, a version, a configured port. Two lines
that differ in one of these parts never become equal. Normalizing a normalized line changes nothing. The rules for the
lines of one server are in its dialect (servers.py).
"""

from __future__ import annotations

import re
from functools import lru_cache

from reprolab.logs.access_log import FIELDS
from reprolab.logs.servers import DIALECTS, NAMES, Rule

MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
DAY = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? )?"
TIME = r"\d\d:\d\d:\d\d(?:[.,]\d+)?"
ZONE = r"(?:Z| ?[+-]\d\d:?\d\d| GMT| UTC)?"
# Linux gives ephemeral ports from 32768 on. A configured port is lower.
EPHEMERAL = r"(?:3276[89]|327[7-9]\d|32[89]\d\d|3[3-9]\d{3}|4\d{4}|5\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])"
PRIVATE = r"(?:10\.\d{1,3}|172\.(?:1[6-9]|2\d|3[01])|192\.168)\.\d{1,3}\.\d{1,3}"

# These parts are in nearly every line. Without them most lines are equal, and the cache of the other rules helps.
CLOCK = re.compile(rf"\d{{4}}[-/]\d\d[-/]\d\d[T ]{TIME}{ZONE}|\d\d/{MONTH}/\d{{4}}[: ]{TIME}{ZONE}")
FIRST = ((CLOCK, "<clock>"), (FIELDS, " <clock> <time>"))
DIGIT = re.compile(r"\d")

# A rule's words are searched first: this is much faster than its pattern.
RULES: tuple[Rule, ...] = (
    Rule(("\x1b",), re.compile(r"\x1b\[[0-9;]*m"), ""),
    # Other formats of clocks, and seconds since the epoch.
    Rule(
        (":",), re.compile(rf"\b{DAY}{MONTH} {{1,2}}\d{{1,2}},? (?:\d{{4}}(?:,| -)? )?{TIME}(?: \d{{4}}\b)?"), "<clock>"
    ),
    Rule((":",), re.compile(rf"\b{DAY}\d{{1,2}} {MONTH} \d{{4}} {TIME}{ZONE}"), "<clock>"),
    Rule((":",), re.compile(rf"(?<![\d:.]){TIME}(?![\d:])"), "<clock>"),
    Rule(("1",), re.compile(r"(?<![\w.-])1[5-9]\d{8}(?:\.\d+|\d{3}|\d{6}|\d{9})?(?![\w.-])"), "<clock>"),
    # scenarios/gunicorn-settings: seconds since the machine started, process id, id of the parent, event.
    Rule(
        (" import ", " begin ", " end "),
        re.compile(r"^\d+\.\d{6} \d+ \d+ (?=(?:import|begin|end) )"),
        "<clock> <pid> <pid> ",
    ),
    # Addresses in memory, identifiers, and numbers too long for a setting.
    Rule(("0x",), re.compile(r"\b0x[0-9a-fA-F]{5,}\b"), "<hex>"),
    Rule(("-",), re.compile(r"(?<!\w)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?!\w)"), "<id>"),
    Rule(
        ("",), re.compile(r"(?<!\w)(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32}|[0-9a-f]{16}|[0-9a-f]{12})(?!\w)"), "<id>"
    ),
    Rule(("",), re.compile(r"(?<![\w.])\d{12,}(?![\w.])"), "<id>"),
    # Addresses and ports of containers and clients.
    Rule((".",), re.compile(rf"(?<![\d.]){PRIVATE}(?![\d.])"), "<address>"),
    Rule((":",), re.compile(rf"(?<=[\d>\]a-z]:){EPHEMERAL}(?!\d)"), "<port>"),
    Rule(("', ",), re.compile(rf"(?<=', ){EPHEMERAL}(?=\))"), "<port>"),
    # Process ids and thread ids, in the formats of several servers, of syslog and of the scenarios' own programs.
    Rule(
        ("id", "ID"),
        re.compile(r'(?<![A-Za-z])((?:P?PID|P?Pid|p?pid|TID|tid)["\']?(?:\s*[:=]\s*|\s+))\d+'),
        r"\1<pid>",
    ),
    Rule(('": ',), re.compile(r'("(?:parent|thread)": )\d+'), r"\1<pid>"),
    Rule((" of ",), re.compile(r"^\[\d+ of \d+\](?= |$)"), "[<pid> of <pid>]"),
    Rule(("[",), re.compile(rf"(\b(?:{'|'.join(NAMES)}|python\d?)\[)\d+(?=\])"), r"\1<pid>"),
    *(rule for dialect in DIALECTS for rule in dialect.varies),
    # Counters that show only an order of creation.
    Rule(("-",), re.compile(r"(Thread|PoolWorker|ThreadPoolExecutor|Process)-\d+(?:[_:]\d+)*\b"), r"\1-<n>"),
    # Durations. A whole number with a unit may be a setting, but not after "in", "took" or "after".
    Rule(
        ("in ", "took ", "after "),
        re.compile(r"(\b(?:in|took|after) )\d+(?:\.\d+)? ?(?:msecs?|ms|us|µs|s|secs?|seconds?)\b"),
        r"\1<time>",
    ),
    Rule((".",), re.compile(r"(?<![\d.\w])\d+\.\d{3,}(?![\d.])"), "<time>"),
    Rule((".",), re.compile(r"(?<![\d.\w])\d+\.\d+ ?(?:msecs?|ms|us|µs|s|secs?|seconds?)\b"), "<time>"),
    # Random names of tempfile, mktemp and multiprocessing.
    Rule(("/tmp", "/pymp-"), re.compile(r"(?<=/)(tmp|pymp-)[a-z0-9_]{8}(?![\w])"), r"\1<name>"),
    Rule(("/tmp.", "/sem.", "/psm_"), re.compile(r"(?<=/)(tmp\.|sem\.|psm_)\w{6,10}(?!\w)"), r"\1<name>"),
)

# Numbers with a meaning: statuses, errno, exit codes, lines of source code. Group 1 is any other number.
MEANINGFUL = re.compile(
    r"""(?:\b[1-5]\d\d\b(?!\.)|\b(?:errno|line|code|status|signal|exit)\b["']?[ :=]*-?\d+|<[a-z]+>)|(\d+)""", re.I
)


def normalize_line(text: str) -> str:
    """Replace the parts of a line that differ in every run by words; a second time changes nothing."""
    if DIGIT.search(text):
        for pattern, replacement in FIRST:
            text = pattern.sub(replacement, text)
    return _apply_rules(text)


@lru_cache(maxsize=1 << 15)
def _apply_rules(text: str) -> str:
    for needed, pattern, replacement in RULES:
        for word in needed:
            if word in text:
                text = pattern.sub(replacement, text)
                break
    return text


@lru_cache(maxsize=1 << 12)
def shape(normalized: str) -> str:
    """A normalized line with "#" for its remaining numbers, so that "request 7" and "request 8" have one shape.

    Numbers with a meaning stay: three digits that may be a status, errno, an exit code, a line of source code.
    """
    return MEANINGFUL.sub(lambda match: "#" if match[1] else match[0], normalized)
