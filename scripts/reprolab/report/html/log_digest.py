"""Short excerpts of long logs: lines of the same shape are told once or twice and counted, all others shown.

A log of a million lines is read once, line by line; what is kept of it has an upper bound.
"""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from zlib import error as ZlibError

from reprolab.evidence.run_dir import TrialDirectory
from reprolab.logs import servers
from reprolab.logs.timestamps import moment_ns, split_timestamp

# Of each shape so many lines are kept from the beginning, and its last one.
FIRST = 2
MOST_SHAPES = 400
MOST_LINES = 60
LONGEST = 240
MOST_COUNTED = 6
PLAIN = (".log", ".err", ".out")
BUFFER = 1 << 16
DIGITS = b"0123456789"
ACCESS = b" HTTP/1."
OTHER = b"(lines of further shapes)"
HOT = re.compile(r"\b(?:ERROR|CRITICAL|FATAL|Traceback|TIMEOUT|SIG[A-Z]{3,}|died|killed)\b|[a-z](?:Error|Exception)\b")


@dataclass(frozen=True)
class DigestLine:
    """A line that is shown: its number from 1, when the engine read it (ms since the zero; None: it does not say)."""

    number: int
    at_ms: float | None
    text: str

    @property
    def hot(self) -> bool:
        """Whether it tells of an error, to be found at a glance."""
        return bool(HOT.search(self.text)) or servers.is_error(self.text)


@dataclass(frozen=True)
class LogDigest:
    """What a page shows of one log.

    ``lines`` in the log's order; those between their numbers are left out. ``counted`` holds the commonest shapes that
    were left out, as (lines, an example).
    """

    file: str
    role: str
    total: int
    lines: tuple[DigestLine, ...]
    counted: tuple[tuple[int, str], ...] = ()

    def gap_before(self, index: int) -> int:
        """How many lines are left out before the line at ``index``; at the end, after the last."""
        before = self.lines[index - 1].number if index else 0
        number = self.lines[index].number if index < len(self.lines) else self.total + 1
        return number - before - 1


@dataclass
class _Shape:
    """Lines alike: the first of them, the last, how many."""

    first: list[tuple[int, bytes]]
    last: tuple[int, bytes]
    count: int = 0


def log_files(trial: Path) -> list[Path]:
    """The logs in a trial's directory that hold anything, the server's own first."""
    paths = [p for p in trial.glob("*") if p.is_file() and (p.name.endswith(".log.gz") or p.suffix in PLAIN)]
    filled = [path for path in paths if not _empty(path)]
    return sorted(filled, key=lambda path: (not path.name.startswith("app"), path.name))


def excerpts(evidence: TrialDirectory, zero_ns: int, most_lines: int = MOST_LINES) -> list[LogDigest]:
    """An excerpt of each log of a trial. ``zero_ns``: the timeline's zero; 0 where there is none."""
    return [excerpt(path, zero_ns, most_lines) for path in log_files(evidence.path)]


def excerpt(path: Path, zero_ns: int, most_lines: int = MOST_LINES) -> LogDigest:
    """An excerpt of one log, plain or compressed; of a torn file, what can be read."""
    begin: list[bytes] = []
    total, shapes = _shapes(_noting(_lines(path), begin, most_lines))
    kept = {number: line for shape in shapes.values() for number, line in [*shape.first, shape.last]}
    if total <= most_lines:
        kept = dict(enumerate(begin, 1))
    numbers = sorted(kept)
    if len(numbers) > most_lines:
        # How it began says most; how it ended is needed too.
        head = most_lines * 2 // 3
        numbers = numbers[:head] + numbers[head - most_lines :]
    shown = set(numbers)
    return LogDigest(
        path.name,
        path.name.removesuffix(".gz").removesuffix(".log"),
        total,
        tuple(_line(number, kept[number], zero_ns) for number in numbers),
        tuple(_counted(shapes, shown)) if total > len(numbers) else (),
    )


def _counted(shapes: dict[bytes, _Shape], shown: set[int]) -> Iterator[tuple[int, str]]:
    """The commonest shapes of which lines were left out."""
    for shape in sorted(shapes.values(), key=lambda shape: -shape.count)[:MOST_COUNTED]:
        left = shape.count - len({number for number, _ in [*shape.first, shape.last]} & shown)
        if left > 0:
            yield left, _text(split_timestamp(shape.last[1])[1])


def _shapes(lines: Iterable[bytes]) -> tuple[int, dict[bytes, _Shape]]:
    """How many lines there are, and what is kept of each shape."""
    shapes: dict[bytes, _Shape] = {}
    number = 0
    for number, line in enumerate(lines, 1):
        key = _shape(line)
        shape = shapes.get(key)
        if shape is None:
            if len(shapes) >= MOST_SHAPES:
                key = OTHER
            shape = shapes.setdefault(key, _Shape([], (0, b"")))
        shape.count += 1
        if shape.count <= FIRST:
            shape.first.append((number, line))
        shape.last = (number, line)
    return number, shapes


def _shape(line: bytes) -> bytes:
    """What lines alike have in common: all but the digits; of an answer, the request and its status."""
    if ACCESS in line:
        parts = line.split(b'"', 3)
        if len(parts) > 2:
            return parts[1].translate(None, DIGITS) + parts[2][:4]
    return line.translate(None, DIGITS)


def _noting(lines: Iterable[bytes], begin: list[bytes], most: int) -> Iterator[bytes]:
    """The lines, passed on, with the first of them put into ``begin``: a short log is shown whole."""
    every = iter(lines)
    for line in islice(every, most):
        begin.append(line)
        yield line
    yield from every


def _lines(path: Path) -> Iterator[bytes]:
    """A log's lines, none longer than a page can use; of a torn file, those that can be read."""
    with suppress(OSError, EOFError, ZlibError), path.open("rb") as plain:
        # Lines are taken from a buffer of its own: gzip's costs twice as much for each (and a tear one buffer).
        stream = io.BufferedReader(gzip.GzipFile(fileobj=plain), BUFFER) if path.suffix == ".gz" else plain
        for line in stream:
            yield line[: 4 * LONGEST]


def _empty(path: Path) -> bool:
    return next(_lines(path), None) is None


def _line(number: int, line: bytes, zero_ns: int) -> DigestLine:
    stamp, text = split_timestamp(line)
    at = round((moment_ns(stamp) - zero_ns) / 1e6, 1) if stamp and zero_ns else None
    return DigestLine(number, at, _text(text))


def _text(line: bytes) -> str:
    text = line.decode("utf-8", "replace").rstrip()
    # Control characters do not belong on a page: a terminal's colours, for instance.
    plain = "".join(sign if sign.isprintable() or sign == "\t" else "�" for sign in text)
    return plain if len(plain) <= LONGEST else f"{plain[:LONGEST]} …"
