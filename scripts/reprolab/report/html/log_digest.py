"""Digests of long logs: of each kind of line, the first two and the last, and the number of the others.

A log is read once, line by line, and the number of lines in memory has a limit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from reprolab.core.foreign_text import plain
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.logs import servers
from reprolab.logs.log_file import LogFile
from reprolab.logs.timestamps import moment_ns, own_ns, split_timestamp

# The number of lines that are kept from the start of each shape; the last one is kept too.
FIRST = 2
MOST_SHAPES = 400
MOST_LINES = 60
LONGEST = 240
MOST_COUNTED = 6
PLAIN = (".log", ".err", ".out")
DIGITS = b"0123456789"
ACCESS = b" HTTP/1."
OTHER = b"(lines of further shapes)"
HOT = re.compile(r"\b(?:ERROR|CRITICAL|FATAL|Traceback|TIMEOUT|SIG[A-Z]{3,}|died|killed)\b|[a-z](?:Error|Exception)\b")


@dataclass(frozen=True)
class DigestLine:
    """A line that is shown: its number from 1, and when the engine read it, in ms since the zero (None if unknown)."""

    number: int
    at_ms: float | None
    text: str

    @property
    def hot(self) -> bool:
        """Whether the line reports an error, and the page highlights it."""
        return bool(HOT.search(self.text)) or servers.is_error(self.text)


@dataclass(frozen=True)
class LogDigest:
    """What a page shows of one log.

    ``lines`` are in the log's order; a gap in their numbers is a part that is left out. ``counted`` holds the most
    frequent shapes that were left out, as (lines, an example). ``remarks`` say that lines were cut, or that the file is
    damaged and the page shows what is before the damage.
    """

    file: str
    role: str
    total: int
    lines: tuple[DigestLine, ...]
    counted: tuple[tuple[int, str], ...] = ()
    remarks: tuple[str, ...] = ()

    def gap_before(self, index: int) -> int:
        """How many lines are left out before ``lines[index]``; with ``len(lines)``, after the last one."""
        before = self.lines[index - 1].number if index else 0
        number = self.lines[index].number if index < len(self.lines) else self.total + 1
        return number - before - 1


@dataclass
class _Shape:
    """Similar lines: the first ones, the last one, and their number."""

    first: list[tuple[int, bytes]]
    last: tuple[int, bytes]
    count: int = 0


def log_files(trial: Path) -> list[Path]:
    """The logs in a trial's directory that are not empty, the server's first."""
    paths = [p for p in trial.glob("*") if p.is_file() and (p.name.endswith(".log.gz") or p.suffix in PLAIN)]
    filled = [path for path in paths if not _empty(path)]
    return sorted(filled, key=lambda path: (not path.name.startswith("app"), path.name))


def digest_logs(evidence: TrialDirectory, zero_ns: int, most_lines: int = MOST_LINES) -> list[LogDigest]:
    """A digest of each log of a trial. ``zero_ns`` is the timeline's zero, or 0 if there is none."""
    return [digest_log(path, zero_ns, most_lines) for path in log_files(evidence.path)]


def digest_log(path: Path, zero_ns: int, most_lines: int = MOST_LINES) -> LogDigest:
    """A digest of one log, plain or compressed; of a damaged file, of the part that can be read."""
    begin: list[bytes] = []
    log = LogFile(path)
    # Cut to a length that a page can show.
    cut = (line[: 4 * LONGEST] for line in log.lines())
    total, shapes = _shapes(_copy_first(cut, begin, most_lines))
    kept = {number: line for shape in shapes.values() for number, line in [*shape.first, shape.last]}
    if total <= most_lines:
        kept = dict(enumerate(begin, 1))
    numbers = sorted(kept)
    if len(numbers) > most_lines:
        # Most lines are from the start of the log, which says most.
        head = most_lines * 2 // 3
        numbers = numbers[:head] + numbers[head - most_lines :]
    shown = set(numbers)
    return LogDigest(
        path.name,
        path.name.removesuffix(".gz").removesuffix(".log"),
        total,
        tuple(_line(number, kept[number], zero_ns) for number in numbers),
        tuple(_counted(shapes, shown)) if total > len(numbers) else (),
        tuple(log.remarks),
    )


def _counted(shapes: dict[bytes, _Shape], shown: set[int]) -> Iterator[tuple[int, str]]:
    """The most frequent shapes with lines that were left out."""
    for shape in sorted(shapes.values(), key=lambda shape: -shape.count)[:MOST_COUNTED]:
        left = shape.count - len({number for number, _ in [*shape.first, shape.last]} & shown)
        if left > 0:
            yield left, _text(split_timestamp(shape.last[1])[1])


def _shapes(lines: Iterable[bytes]) -> tuple[int, dict[bytes, _Shape]]:
    """The number of lines, and what is kept of each shape."""
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
    """What similar lines have in common: the line without digits; in an access log, the request and the status."""
    if ACCESS in line:
        parts = line.split(b'"', 3)
        if len(parts) > 2:
            return parts[1].translate(None, DIGITS) + parts[2][:4]
    return line.translate(None, DIGITS)


def _copy_first(lines: Iterable[bytes], begin: list[bytes], most: int) -> Iterator[bytes]:
    """The lines; the first ``most`` are also added to ``begin``, as a short log is shown whole."""
    iterator = iter(lines)
    for line in islice(iterator, most):
        begin.append(line)
        yield line
    yield from iterator


def _empty(path: Path) -> bool:
    log = LogFile(path)
    return next(log.lines(), None) is None and not log.damage


def _line(number: int, line: bytes, zero_ns: int) -> DigestLine:
    stamp, text = split_timestamp(line)
    moment = own_ns(text) or (moment_ns(stamp) if stamp else 0)
    at = round((moment - zero_ns) / 1e6, 1) if moment and zero_ns else None
    return DigestLine(number, at, _text(text))


def _text(line: bytes) -> str:
    text = plain(line.decode("utf-8", "replace").rstrip())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"
