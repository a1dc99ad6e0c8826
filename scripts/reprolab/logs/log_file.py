"""The reader of a log on disk, plain or compressed: all lines of logs come from here.

A log may be of any size, with lines of any length, torn or damaged. Memory stays small: of a line, the first MiB is
read.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from reprolab.core.errors import InvalidTrial
from reprolab.core.number_words import plural

LONGEST_LINE = 1 << 20  # bytes
BUFFER = 1 << 17  # bytes; this size takes half the time of gzip's own
MARK = b" ... [cut: the log has more of this line]\n"


class DamagedLog(InvalidTrial):
    """A log that is not whole: nothing may be counted in it. The message names the file."""


@dataclass
class LogFile:
    """One log. While its lines are read, ``cut_lines`` counts those that were too long.

    After the last line, ``damage`` says what is wrong with the file, such as "it ends too early"; "" if it is whole.
    """

    path: Path
    longest: int = LONGEST_LINE
    cut_lines: int = 0
    damage: str = ""

    def lines(self) -> Iterator[bytes]:
        """The lines with their ends, up to the damage if there is one. A line that is too long ends with MARK.

        Raises OSError for a file that cannot be opened.
        """
        self.cut_lines, self.damage = 0, ""
        raw = Unpacked(self.path) if self.path.suffix == ".gz" else io.FileIO(self.path)
        with io.BufferedReader(raw, BUFFER) as stream:
            while part := stream.readline(self.longest):
                if part.endswith(b"\n") or len(part) < self.longest:
                    yield part
                elif stream.peek(1)[:1] in (b"\n", b""):
                    yield part + stream.read(1)
                else:
                    self.cut_lines += 1
                    yield part + MARK
                    # The rest of the line is only read once the caller goes on.
                    while (rest := stream.readline(self.longest)) and not rest.endswith(b"\n"):
                        pass
            self.damage = raw.damage if isinstance(raw, Unpacked) else ""

    @property
    def remarks(self) -> list[str]:
        """What a reader of the log has to know: that lines were cut, and that the file is damaged."""
        cut = f"{plural(self.cut_lines, 'line')} longer than {self.longest >> 10} KiB cut"
        return [*([cut] if self.cut_lines else []), *([f"damaged: {self.damage}"] if self.damage else [])]


def whole_log(path: Path) -> Iterator[bytes]:
    """The lines of a log that must be whole. Raises DamagedLog, at the damage; OSError if it cannot be opened."""
    log = LogFile(path)
    yield from log.lines()
    if log.damage:
        # The place within its run: the text may come into a page.
        name = "/".join(path.parts[-4:])
        raise DamagedLog(f"{name} is damaged: {log.damage}; expected: the whole log; zcat shows what is still there")


class Unpacked(io.RawIOBase):
    """A gzip file that gives all data before the damage. GzipFile loses the data of the last read.

    ``source`` is a path or a binary stream. ``damage`` says what is wrong with it, "" as long as nothing is.
    """

    def __init__(self, source: Path | BinaryIO) -> None:
        self._packed = gzip.GzipFile(source, "rb") if isinstance(source, Path) else gzip.GzipFile(fileobj=source)
        empty = isinstance(source, Path) and not source.stat().st_size
        self.damage = "it is empty, and has not even the header of gzip" if empty else ""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            chunk = self._packed.read1(len(buffer))
        except (EOFError, zlib.error, OSError) as error:
            self.damage = _describe(error)
            return 0
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        self._packed.close()
        super().close()


def _describe(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "it is torn, as it ends too early"
    if isinstance(error, gzip.BadGzipFile) and "Not a gzipped" in str(error):
        return "a part of it, or all, is not gzip"
    if isinstance(error, gzip.BadGzipFile | zlib.error):
        return f"its bytes have changed ({error})"
    return f"it cannot be read ({error})"
