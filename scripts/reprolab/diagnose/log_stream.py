"""Reads a log as blocks of whole lines, in little memory: plain or gzip, of any size, with any bytes in it."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from reprolab.core.number_words import plural
from reprolab.diagnose.given_file import MEBIBYTE, open_regular
from reprolab.logs.log_file import Unpacked

STANDARD_INPUT = "-"
BLOCK = MEBIBYTE  # bytes
LONGEST_LINE = 1 << 16  # bytes; of a longer line the beginning is read
GZIP = b"\x1f\x8b"
COLOUR = re.compile(rb"\x1b\[[\d;]{0,20}m")
OTHER_FORMS = {
    b"BZh91AY&SY": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"\x04\x22M\x18": "lz4",
}
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
# Logs of equal lines are packed to about a 200th. A file that gives more, and much of it, is no log.
LARGEST_RATIO, RATIO_FROM = 400, 64 * MEBIBYTE
LARGEST = 1 << 38  # bytes, unpacked


@dataclass
class LogStream:
    """One log. ``name`` is what messages call it. After the last block, ``lines`` and ``remarks`` are complete."""

    name: str
    path: Path | None
    lines: int = 0
    cut: int = 0
    faults: list[str] = field(default_factory=list)

    def blocks(self) -> Iterator[bytes]:
        """The log in blocks that end with the end of a line. Raises UsageError for a file that cannot be opened."""
        with suppress(_Stopped):
            for block in self._whole_lines():
                self.lines += block.count(b"\n")
                yield block

    def _readable(self, parts: Iterator[bytes]) -> Iterator[bytes]:
        """The parts up to an error of the system, which is kept as a fault."""
        try:
            yield from parts
        except OSError as error:
            self.faults.append(f"it cannot be read any further: {error.strerror or error}")

    @property
    def remarks(self) -> list[str]:
        """What a reader of the result must know of this log."""
        cut = f"{plural(self.cut, 'line')} longer than {LONGEST_LINE >> 10} KiB cut"
        return [*self.faults, *([cut] if self.cut else [])]

    def _whole_lines(self) -> Iterator[bytes]:
        rest, cutting = b"", False
        for part in self._parts():
            if cutting:
                end = part.find(b"\n")
                if end < 0:
                    continue
                part, cutting = part[end + 1 :], False
            end = part.rfind(b"\n") + 1
            if end:
                yield self._shortened(rest + part[:end]) if len(rest) > LONGEST_LINE else rest + part[:end]
                rest = part[end:]
            else:
                rest += part
            if len(rest) > BLOCK:
                yield self._shortened(rest)
                rest, cutting = b"", True
        if rest:
            yield self._shortened(rest + b"\n")

    def _shortened(self, block: bytes) -> bytes:
        """A block whose first line may be too long."""
        end = block.find(b"\n")
        first = block if end < 0 else block[:end]
        if len(first) <= LONGEST_LINE:
            return block
        self.cut += 1
        return first[:LONGEST_LINE] + (b"\n" if end < 0 else block[end:])

    def _parts(self) -> Iterator[bytes]:
        stream = cast(BinaryIO, sys.stdin.buffer) if self.path is None else open_regular(self.path)
        try:
            yield from self._readable(self._read(io.BufferedReader(_Counted(stream), BLOCK)))
        finally:
            if self.path is not None:
                stream.close()

    def _read(self, stream: io.BufferedReader) -> Iterator[bytes]:
        start = stream.peek(16)
        begin = start[:2]
        if form := next((form for sign, form in OTHER_FORMS.items() if start.startswith(sign)), ""):
            self.faults.append(f"it is packed by {form}, which is not read: unpack it, and give it as -")
            return
        if begin in UTF_16:
            self.faults.append("it is UTF-16, which is not read: give it as UTF-8")
            return
        unpacked = Unpacked(stream) if begin == GZIP else None
        source = io.BufferedReader(unpacked, BLOCK) if unpacked else stream
        counted, total = cast(_Counted, stream.raw), 0
        while part := source.read1(BLOCK):
            if not total and b"\0" in part:
                self.faults.append("it has bytes that are no text")
            total += len(part)
            yield part
            if total > LARGEST or (unpacked and total > RATIO_FROM and total > LARGEST_RATIO * counted.total):
                self.faults.append(
                    f"it unpacks to more than {LARGEST_RATIO} times its size: read up to {total >> 20} MiB of it; "
                    "unpack it yourself if it is a log"
                )
                raise _Stopped
        if unpacked and unpacked.damage:
            self.faults.append(f"damaged: {unpacked.damage}")


def without_colours(block: bytes) -> bytes:
    """A block as it is searched: without the sequences that colour parts of a line, and with Unix ends of lines."""
    if b"\x1b[" in block:
        block = COLOUR.sub(b"", block)
    return block.replace(b"\r\n", b"\n") if b"\r" in block else block


class _Stopped(Exception):
    """The rest of a log is not read."""


class _Counted(io.RawIOBase):
    """A stream that counts its bytes."""

    def __init__(self, below: BinaryIO) -> None:
        self._below = below
        self.total = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        read = getattr(self._below, "read1", self._below.read)
        part = read(len(buffer)) or b""  # None: nothing is there yet, and nothing is waited for
        buffer[: len(part)] = part
        self.total += len(part)
        return len(part)


def open_logs(texts: Sequence[str]) -> list[LogStream]:
    """The logs of the arguments: paths, or `-` for standard input. Each has its file's name, if that suffices."""
    names = [Path(text).name for text in texts]
    return [
        LogStream("standard input", None)
        if text == STANDARD_INPUT
        else LogStream(name if names.count(name) == 1 else text, Path(text))
        for text, name in zip(texts, names, strict=True)
    ]
