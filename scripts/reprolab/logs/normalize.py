"""What differs between any two lines of a log, taken out: clocks, processes, addresses, ports, durations.

A mask puts a word such as <clock> in the place of what two runs never share. What tells runs apart stays: a status
code, the size of an answer, an exception, errno, a line of source code, a version, a port that somebody chose. Two
lines that differ in one of these are never made equal, and masking what is masked changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

Replacement = str | Callable[[re.Match[str]], str]

MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
DAY = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? )?"
TIME = r"\d\d:\d\d:\d\d(?:[.,]\d+)?"
ZONE = r"(?:Z| ?[+-]\d\d:?\d\d| GMT| UTC)?"
# Linux hands out ports from 32768 on; whoever chooses one chooses a lower one.
EPHEMERAL = r"(?:3276[89]|327[7-9]\d|32[89]\d\d|3[3-9]\d{3}|4\d{4}|5\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])"
PRIVATE = r"(?:10\.\d{1,3}|172\.(?:1[6-9]|2\d|3[01])|192\.168)\.\d{1,3}\.\d{1,3}"

# These stand in nearly every line, and with them out most lines are alike: what follows can be remembered.
FIRST: tuple[tuple[re.Pattern[str], Replacement], ...] = (
    (re.compile(rf"\d{{4}}[-/]\d\d[-/]\d\d[T ]{TIME}{ZONE}|\d\d/{MONTH}/\d{{4}}[: ]{TIME}{ZONE}"), "<clock>"),
    # images/h2o writes the moment of the request (microseconds) and how long it took (seconds, "0" for none).
    (re.compile(r'(?<=") 1[5-9]\d{14} \d+(?:\.\d+)?$'), " <clock> <time>"),
)

# Behind what a line must have (any of these) for the rule to find anything: to look for that takes next to no time.
RULES: tuple[tuple[tuple[str, ...], re.Pattern[str], Replacement], ...] = (
    (("\x1b",), re.compile(r"\x1b\[[0-9;]*m"), ""),
    # Clocks in the other forms that servers write them in, and seconds since the epoch.
    ((":",), re.compile(rf"\b{DAY}{MONTH} {{1,2}}\d{{1,2}},? (?:\d{{4}}(?:,| -)? )?{TIME}(?: \d{{4}}\b)?"), "<clock>"),
    ((":",), re.compile(rf"\b{DAY}\d{{1,2}} {MONTH} \d{{4}} {TIME}{ZONE}"), "<clock>"),
    ((":",), re.compile(rf"(?<![\d:.]){TIME}(?![\d:])"), "<clock>"),
    (("1",), re.compile(r"(?<![\w.-])1[5-9]\d{8}(?:\.\d+|\d{3}|\d{6}|\d{9})?(?![\w.-])"), "<clock>"),
    # scenarios/gunicorn-settings: seconds since the machine started, process, parent, what happened.
    (
        (" import ", " begin ", " end "),
        re.compile(r"^\d+\.\d{6} \d+ \d+ (?=(?:import|begin|end) )"),
        "<clock> <pid> <pid> ",
    ),
    # Addresses in memory, identifiers, and numbers too long to be chosen by anybody.
    (("0x",), re.compile(r"\b0x[0-9a-fA-F]{5,}\b"), "<hex>"),
    (("-",), re.compile(r"(?<!\w)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?!\w)"), "<id>"),
    (("",), re.compile(r"(?<!\w)(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32}|[0-9a-f]{16}|[0-9a-f]{12})(?!\w)"), "<id>"),
    (("",), re.compile(r"(?<![\w.])\d{12,}(?![\w.])"), "<id>"),
    # Where a container or a client happened to be.
    ((".",), re.compile(rf"(?<![\d.]){PRIVATE}(?![\d.])"), "<address>"),
    ((":",), re.compile(rf"(?<=[\d>\]a-z]:){EPHEMERAL}(?!\d)"), "<port>"),
    (("', ",), re.compile(rf"(?<=', ){EPHEMERAL}(?=\))"), "<port>"),
    # Processes and threads, as gunicorn, uWSGI, uvicorn, nginx, syslog and the lab's own witnesses name them.
    (("id", "ID"), re.compile(r'(?<![A-Za-z])((?:P?PID|P?Pid|p?pid|TID|tid)["\']?(?:\s*[:=]\s*|\s+))\d+'), r"\1<pid>"),
    (('": ',), re.compile(r'("(?:parent|thread)": )\d+'), r"\1<pid>"),
    (("<clock>] [",), re.compile(r"(?<=<clock>\] )\[\d+\](?= \[)"), "[<pid>]"),
    ((" of ",), re.compile(r"^\[\d+ of \d+\](?= |$)"), "[<pid> of <pid>]"),
    (
        ("#",),
        re.compile(r"^(<clock> \[\w+\] )\d+#\d+: (\*\d+ )?"),
        lambda m: f"{m[1]}<pid>#<pid>: {'*<n> ' if m[2] else ''}",
    ),
    (("rocess ", "Listening at: "), re.compile(r"((?:Listening at: .*|[Pp]rocess) [\[(])\d+(?=[\])])"), r"\1<pid>"),
    (("[",), re.compile(r"(\b(?:gunicorn|uwsgi|uvicorn|nginx|h2o|python\d?)\[)\d+(?=\])"), r"\1<pid>"),
    (("main.py with ",), re.compile(r"(\bmain\.py with \d+ at )\d+(?=$|main\.py|INFO)"), r"\1<pid>"),
    # Counters that tell only who came first.
    (("|req: ",), re.compile(r"(?<=\|req: )\d+/\d+(?=\])"), "<n>/<n>"),
    ((" vars in ",), re.compile(r"(?<= vars in )\d+(?= bytes\})"), "<n>"),
    (("-",), re.compile(r"(Thread|PoolWorker|ThreadPoolExecutor|Process)-\d+(?:[_:]\d+)*\b"), r"\1-<n>"),
    # How long something took. A whole number with a unit may be a setting; one behind "in" is not.
    (
        ("in ", "took ", "after "),
        re.compile(r"(\b(?:in|took|after) )\d+(?:\.\d+)? ?(?:msecs?|ms|us|µs|s|secs?|seconds?)\b"),
        r"\1<time>",
    ),
    ((".",), re.compile(r"(?<![\d.\w])\d+\.\d{3,}(?![\d.])"), "<time>"),
    ((".",), re.compile(r"(?<![\d.\w])\d+\.\d+ ?(?:msecs?|ms|us|µs|s|secs?|seconds?)\b"), "<time>"),
    # Names that tempfile, mktemp, multiprocessing and gunicorn made up.
    (("/tmp", "/wgunicorn-", "/pymp-"), re.compile(r"(?<=/)(tmp|wgunicorn-|pymp-)[a-z0-9_]{8}(?![\w])"), r"\1<name>"),
    (("/tmp.", "/sem.", "/psm_"), re.compile(r"(?<=/)(tmp\.|sem\.|psm_)\w{6,10}(?!\w)"), r"\1<name>"),
    (("nodename: ",), re.compile(r"(?<=^nodename: )\S+"), "<id>"),
)

# A line without any of these has nothing to mask.
SOME = re.compile(r"[\d\x1b]|/tmp|/wgunicorn-|/pymp-|/sem\.|/psm_|^nodename: ")

# Numbers that mean something where they stand: statuses, errno, exit codes, lines of source code.
TELLING = re.compile(
    r"""(?:\b[1-5]\d\d\b(?!\.)|\b(?:errno|line|code|status|signal|exit)\b["']?[ :=]*-?\d+|<[a-z]+>)|(\d+)""", re.I
)


def mask(text: str) -> str:
    """A line with what always differs replaced by a word for it; pure, and the same when done again."""
    if not SOME.search(text):
        return text
    for pattern, replacement in FIRST:
        text = pattern.sub(replacement, text)
    return _rest(text)


@lru_cache(maxsize=1 << 15)
def _rest(text: str) -> str:
    for needed, pattern, replacement in RULES:
        for word in needed:
            if word in text:
                text = pattern.sub(replacement, text)
                break
    return text


@lru_cache(maxsize=1 << 12)
def shape(masked: str) -> str:
    """A masked line without its remaining plain numbers, to put "request 7" beside "request 8".

    Numbers that tell something stay: a three-digit one that may be a status, errno, an exit code, a line of code.
    """
    return TELLING.sub(lambda found: "#" if found[1] else found[0], masked)
