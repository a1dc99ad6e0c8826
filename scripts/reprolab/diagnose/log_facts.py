"""What a log itself says of its server: the release, and a few settings, each with its line."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from reprolab.diagnose.matcher import Block
from reprolab.diagnose.settings import Release, Setting

MOST = 1000  # lines of one kind that are read in a log; servers that start again and again write many
Read = Callable[[str, str], Setting | Release]


@dataclass(frozen=True)
class LogFact:
    """A setting or a release, as a line of a log says it."""

    fact: Setting | Release
    log: str
    line: int


@dataclass(frozen=True)
class Kind:
    """A kind of line: a text in each of them, a pattern whose group is the value, and what that is."""

    has: bytes
    pattern: re.Pattern[bytes]
    read: Read


def _release(package: str, has: str, pattern: str) -> Kind:
    return Kind(has.encode(), re.compile(pattern.encode()), lambda text, source: Release(package, text, source))


def _setting(server: str, name: str, value: str, has: str, pattern: str = "") -> Kind:
    """The value is group 1 of the pattern, or ``value``."""

    def read(text: str, source: str) -> Setting:
        return Setting(server, name, value or text, source)

    return Kind(has.encode(), re.compile((pattern or f"({re.escape(has)})").encode()), read)


KINDS = (
    _release("gunicorn", "Starting gunicorn ", r"Starting gunicorn (\d[\w.]*)"),
    _release("uwsgi", "*** Starting uWSGI ", r"Starting uWSGI (\d[\w.]*)"),
    _release("nginx", ": nginx/", r"\[notice\] \d+#\d+: nginx/(\d[\w.]*)"),
    _release("python", "Python version: 3", r"Python version: (3\.\d+\.\d+)"),
    _release("python", "/lib/python3.", r"/lib/python(3\.\d+)/"),
    _setting("gunicorn", "worker_class", "", "Using worker: ", r"Using worker: (\w[\w.:]*)"),
    _setting("gunicorn", "worker_class", "gthread", "gunicorn/workers/gthread.py"),
    _setting("gunicorn", "worker_class", "eventlet", "eventlet/greenio/base.py"),
    _setting("gunicorn", "bind", "", "Listening at: ", r"Listening at: ([^\s,]+)"),
    _setting("gunicorn", "restarts", "true", "Autorestarting worker after"),
    _setting("gunicorn", "seen", "true", "site-packages/gunicorn/"),
    _setting("uwsgi", "enable-threads", "false", "*** Python threads support is disabled"),
    _setting("uvicorn", "parent", "true", "Started parent process ["),
    _setting("uvicorn", "seen", "true", "Uvicorn running on "),
    _setting("uvicorn", "seen", "true", "Started server process ["),
    _setting("uvicorn", "http", "httptools", "uvicorn/protocols/http/httptools_impl.py"),
    _setting("uvicorn", "http", "h11", "uvicorn/protocols/http/h11_impl.py"),
    _setting("uvicorn", "loop", "uvloop", "uvloop/loop.pyx"),
    _setting("hypercorn", "seen", "true", "site-packages/hypercorn/"),
    _setting("h2o", "seen", "true", "h2o server (pid:"),
)


@dataclass
class LogFacts:
    """Collects the facts of one log, block by block. Of equal ones that follow each other the first is kept."""

    facts: list[LogFact] = field(default_factory=list)
    _left: list[int] = field(default_factory=lambda: [MOST] * len(KINDS))
    _last: dict[tuple[str, str], str] = field(default_factory=dict)

    def feed(self, block: Block) -> None:
        for number, kind in enumerate(KINDS):
            place = block.find(kind.has, 0) if self._left[number] else -1
            while place >= 0 and self._left[number]:
                self._left[number] -= 1
                end = block.content.find(b"\n", place)
                self._add(kind, block, block.content.rfind(b"\n", 0, place) + 1, end)
                place = block.find(kind.has, end)

    def _add(self, kind: Kind, block: Block, begin: int, end: int) -> None:
        if match := kind.pattern.search(block.content[begin:end]):
            line = block.line_number(begin)
            fact = kind.read(match[1].decode("ascii", "replace"), f"{block.log}:{line}")
            key = (fact.package, "") if isinstance(fact, Release) else (fact.server, fact.name)
            value = fact.version if isinstance(fact, Release) else fact.value
            if self._last.get(key) != value:
                self._last[key] = value
                self.facts.append(LogFact(fact, block.log, line))
