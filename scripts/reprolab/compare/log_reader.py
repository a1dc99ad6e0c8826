"""A trial's logs as a stream of entries: a line, or a whole Python traceback, normalized and as it was.

Logs may hold a million lines, and a line may be of any length: what is held at once is limited, and what was left
out is counted.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from reprolab.evidence.run_dir import TrialDirectory
from reprolab.logs import access_log, normalize, servers
from reprolab.logs.timestamps import moment_ns, split_timestamp

PACKED = ".log.gz"
PLAIN = (".log", ".out", ".err")
MOST_LINES = 1_000_000
LONGEST = 4096
LONGEST_TRACEBACK = 120
FIRST_ROLES = ("app", "proxy")
BEGIN = "Traceback (most recent call last):"
ENDING = re.compile(
    r"((?:[A-Za-z_]\w*\.)+[A-Za-z_]\w*|\w*(?:Error|Exception|Exit|Interrupt|Iteration|Warning|Traceback))(?:: .*)?$"
)


class Entry(NamedTuple):
    """One line, or one traceback with its exception first; ``number`` is the (first) line's, from 1.

    ``raw`` holds the line as it was, with the engine's timestamp; ``text`` without it; ``normalized`` what is compared.
    """

    number: int
    raw: bytes
    text: str
    normalized: str


@dataclass
class Log:
    """One file of a trial, and what reading it found: lines read, whether there was more, whether it is torn."""

    path: Path
    most: int = MOST_LINES
    lines: int = 0
    cut: bool = False
    torn: bool = False

    def raw_lines(self) -> Iterator[bytes]:
        """The lines, each no longer than LONGEST bytes; a file that ends in the middle just ends."""
        self.lines, self.cut, self.torn = 0, False, False
        raw = _Unpacked(self.path) if self.path.name.endswith(".gz") else io.FileIO(self.path)
        with io.BufferedReader(raw, 1 << 18) as stream:
            for line in _short(stream):
                if self.lines >= self.most:
                    self.cut = True
                    return
                self.lines += 1
                yield line
            self.torn = isinstance(raw, _Unpacked) and raw.torn

    def entries(self) -> Iterator[Entry]:
        """The entries in the order in which they begin to be complete; other lines may stand within a traceback."""
        held: list[tuple[int, bytes, str]] = []
        for number, raw in enumerate(self.raw_lines(), 1):
            text = without_stamp(raw)
            if text == BEGIN:
                yield from _loose(held)
                held = [(number, raw, text)]
            elif not held:
                yield Entry(number, raw, text, normalize.normalize_line(text))
            elif text[:1] in (" ", "\t"):
                held.append((number, raw, text))
                if len(held) > LONGEST_TRACEBACK:
                    yield from _loose(held)
                    held = []
            elif ENDING.match(text):
                frames = "\n".join(line for _, _, line in held[1:])
                whole = f"{text}\n{frames}" if frames else text
                yield Entry(held[0][0], held[0][1], whole, "\n".join(map(normalize.normalize_line, whole.split("\n"))))
                held = []
            else:
                yield Entry(number, raw, text, normalize.normalize_line(text))
        yield from _loose(held)


def _short(stream: io.BufferedIOBase) -> Iterator[bytes]:
    """Lines without what is beyond LONGEST bytes."""
    beyond = False
    while part := stream.readline(LONGEST):
        if not beyond:
            yield part
        beyond = not part.endswith(b"\n")


class _Unpacked(io.RawIOBase):
    """A gzip file that gives all it has and then ends, torn or not; GzipFile loses what one read began."""

    def __init__(self, path: Path) -> None:
        self._packed = gzip.GzipFile(path, "rb")
        self.torn = False

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """What is there, up to the room in ``buffer``."""
        try:
            chunk = self._packed.read1(len(buffer))
        except (EOFError, zlib.error, gzip.BadGzipFile):
            self.torn = True
            return 0
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        """The file too."""
        self._packed.close()
        super().close()


def _loose(held: list[tuple[int, bytes, str]]) -> Iterator[Entry]:
    """The lines of a traceback that never ended, one by one."""
    for number, raw, text in held:
        yield Entry(number, raw, text, normalize.normalize_line(text))


def without_stamp(raw: bytes) -> str:
    """A line without the engine's timestamp and its end."""
    return split_timestamp(raw)[1].decode("utf-8", "replace").rstrip("\r\n")


def moment(raw: bytes) -> int | None:
    """When a line was written, nanoseconds since the epoch: by the engine's stamp, else by the line's own clock."""
    stamp, text = split_timestamp(raw)
    line = text.decode("utf-8", "replace").rstrip()
    try:
        return moment_ns(stamp) if stamp else access_log.request_ns(line) or servers.server_moment_ns(line)
    except ValueError:
        return None


def sources(trial: TrialDirectory) -> dict[str, Path]:
    """The logs of a trial by name: those of the services, and what the experiment kept; the app's first."""
    paths: dict[str, Path] = {}
    for path in sorted(trial.path.iterdir()) if trial.path.is_dir() else []:
        if path.name.endswith(PACKED):
            paths[path.name.removesuffix(PACKED)] = path
        elif path.suffix in PLAIN:
            paths[path.name] = path
    return dict(sorted(paths.items(), key=lambda item: (item[0].partition(".")[0] not in FIRST_ROLES, item[0])))


def zero(paths: dict[str, Path]) -> int | None:
    """The moment of a trial's first line, over all its logs; None where no line says when it was written."""
    moments = []
    for path in paths.values():
        for raw in Log(path, most=20).raw_lines():
            if (when := moment(raw)) is not None:
                moments.append(when)
                break
    return min(moments, default=None)
