"""What a log itself says of its server: the release, and a few settings, each with its line."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from reprolab.diagnose.matcher import Block
from reprolab.diagnose.settings import Release, Setting
from reprolab.logs.servers import DIALECTS, RELEASE, FactLine

MOST = 1000  # lines of one kind that are read in a log; servers that start again and again write many
Read = Callable[[str, str], Setting | Release]


@dataclass(frozen=True)
class LogFact:
    """A setting or a release, as a line of a log says it."""

    fact: Setting | Release
    log: str
    line: int
    origin: bytes = b""


@dataclass(frozen=True)
class Kind:
    """A kind of line: a text in each of them, a pattern whose group is the value, and what that is."""

    has: bytes
    pattern: re.Pattern[bytes]
    read: Read


def _kind(server: str, line: FactLine) -> Kind:
    def read(text: str, source: str) -> Setting | Release:
        if line.name == RELEASE:
            return Release(server, text, source)
        return Setting(server, line.name, line.value or text, source)

    pattern = line.pattern or f"({re.escape(line.text)})"
    return Kind(line.text.encode(), re.compile(pattern.encode()), read)


# What tracebacks say, by the paths of their files.
TRACEBACKS = (
    ("python", FactLine(RELEASE, "Python version: 3", r"Python version: (3\.\d+\.\d+)")),
    ("python", FactLine(RELEASE, "/lib/python3.", r"/lib/python(3\.\d+)/")),
    ("gunicorn", FactLine("worker_class", "gunicorn/workers/gthread.py", value="gthread")),
    ("gunicorn", FactLine("worker_class", "eventlet/greenio/base.py", value="eventlet")),
    ("gunicorn", FactLine("seen", "site-packages/gunicorn/", value="true")),
    ("uvicorn", FactLine("http", "uvicorn/protocols/http/httptools_impl.py", value="httptools")),
    ("uvicorn", FactLine("http", "uvicorn/protocols/http/h11_impl.py", value="h11")),
    ("uvicorn", FactLine("loop", "uvloop/loop.pyx", value="uvloop")),
    ("hypercorn", FactLine("seen", "site-packages/hypercorn/", value="true")),
)
DIALECT_FACTS = tuple((dialect.name, line) for dialect in DIALECTS for line in dialect.facts)
KINDS = tuple(_kind(server, line) for server, line in (*DIALECT_FACTS, *TRACEBACKS))


@dataclass
class LogFacts:
    """Collects the facts of one log, block by block. Of equal ones that follow each other the first is kept."""

    facts: list[LogFact] = field(default_factory=list)
    _left: list[int] = field(default_factory=lambda: [MOST] * len(KINDS))
    _last: dict[tuple[bytes, str, str], str] = field(default_factory=dict)

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
            names = (fact.package, "") if isinstance(fact, Release) else (fact.server, fact.name)
            key = (block.origin, *names)
            value = fact.version if isinstance(fact, Release) else fact.value
            if self._last.get(key) != value:
                self._last[key] = value
                self.facts.append(LogFact(fact, block.log, line, block.origin))
