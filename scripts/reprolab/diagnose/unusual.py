"""Which lines of a log look unusual against healthy runs of the same server: templates of lines, learned from runs."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from reprolab.diagnose.mask import masked
from reprolab.diagnose.matcher import Block
from reprolab.logs.normalize import normalize_line, shape
from reprolab.logs.servers import DIALECTS, is_error
from reprolab.logs.timestamps import split_timestamp

FIRST_LINES = 2000  # lines at the beginning of a log that are all compared
MOST_LINES = 5000  # further lines with a word of WORDS
MOST_TEMPLATES = 2000
SHOWN = 8
LONGEST = 500  # bytes of a line that are compared
WORDS = (
    *(b"[ERROR]", b"[CRITICAL]", b"[WARNING]", b"ERROR:", b"CRITICAL:", b"WARNING:", b"[error]", b"[crit]", b"[alert]"),
    *(
        b"[emerg]",
        b"[warn]",
        b"Traceback (most",
        b"Error: ",
        b"Exception: ",
        b"died, killed by signal",
        b"!!! ",
        b"HARAKIRI",
        b"Segmentation",
    ),
)
ERROR = re.compile(r"\b(?:error|critical|fatal|traceback|exception|damn|crit|alert|emerg|harakiri)\b", re.IGNORECASE)
# A request with any status below 500 is usual, in the access logs of all servers.
REQUEST = re.compile(r'"[A-Z]+ \[path\][^"]*" [1-4]\d\d\b|\} \[[^\]]*\] [A-Z]+ \[path\] => .*\(HTTP/\S+ [1-4]\d\d\)')
# What a server says of itself differs from stack to stack: its release, its address.
SAID = "|".join(re.escape(line.text) for dialect in DIALECTS for line in dialect.facts if line.pattern)
NAME = re.compile(rf"({SAID}|running on |Running on |mountpoint=|binary path: )\S+")
MACHINE = re.compile(r"(\bOS: |^os: |^machine: |^Python version: |^compiled with version: |^nodename: ).*")
FRAME = re.compile(r"^\s|^$")  # a frame of a traceback says nothing without its exception


@dataclass(frozen=True)
class UnusualLine:
    """A line whose template no healthy run has, with the number of such lines among those that were compared."""

    log: str
    line: int
    text: str
    count: int


@dataclass
class LineSample:
    """Collects templates of one log: all of its first lines, and later those that look like errors."""

    log: str
    templates: dict[str, list[int]] = field(default_factory=dict)  # template -> first line, count
    texts: dict[str, bytes] = field(default_factory=dict)
    _left: int = MOST_LINES

    def feed(self, block: Block) -> None:
        for number, line in self._lines(block):
            template = template_of(line)
            if template in self.templates:
                self.templates[template][1] += 1
            elif len(self.templates) < MOST_TEMPLATES:
                self.templates[template] = [number, 1]
                self.texts[template] = line[: 2 * LONGEST]

    def _lines(self, block: Block) -> Iterator[tuple[int, bytes]]:
        first = max(0, FIRST_LINES - block.before)
        head = block.content.split(b"\n", first)[:first] if first else []
        yield from ((block.before + number, line) for number, line in enumerate(head, 1) if line)
        begin = sum(len(line) + 1 for line in head)
        for word in WORDS:
            place = block.find(word, begin) if self._left else -1
            while place >= 0 and self._left:
                self._left -= 1
                start, end = block.content.rfind(b"\n", 0, place) + 1, block.content.find(b"\n", place)
                yield block.line_number(start), block.content[start:end]
                place = block.find(word, end)


def template_of(line: bytes) -> str:
    """A line without what differs from run to run and from user to user."""
    text = split_timestamp(line[:LONGEST])[1].decode("utf-8", "replace").rstrip()
    return shape(normalize_line(MACHINE.sub(r"\1[machine]", NAME.sub(r"\1[name]", masked(text)))))


@cache
def healthy(server: str) -> frozenset[str]:
    """The templates of healthy runs of a server; empty where none was learned."""
    file = resources.files("reprolab.diagnose") / "healthy" / f"{server}.txt"
    return frozenset(file.read_text(encoding="utf-8").splitlines()) if file.is_file() else frozenset()


def learned(servers: Iterable[str]) -> list[str]:
    """The servers of which healthy runs were learned."""
    return [server for server in servers if healthy(server)]


def unusual_lines(samples: Iterable[LineSample], servers: Collection[str]) -> list[UnusualLine]:
    """The lines that no healthy run of these servers has: errors first, then the rarest ones."""
    usual = frozenset().union(*(healthy(server) for server in servers))
    rows = [
        (
            not (is_error(sample.texts[template].decode("utf-8", "replace")) or ERROR.search(template)),
            count,
            sample,
            first,
            template,
        )
        for sample in samples
        for template, (first, count) in sample.templates.items()
        if template not in usual and not FRAME.match(template) and not REQUEST.search(template)
    ]
    rows.sort(key=lambda row: (row[0], row[1], row[3]))
    return [
        UnusualLine(sample.log, first, masked(sample.texts[template]), count)
        for _, count, sample, first, template in rows[:SHOWN]
    ]
