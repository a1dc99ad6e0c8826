"""Reads a trial's logs as a stream of entries. An entry is a line or a whole Python traceback.

A log may have a million lines of any length, so the amount of data in memory is limited. What is left out is counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from reprolab.evidence.run_dir import TrialDirectory
from reprolab.logs import access_log, normalize, servers
from reprolab.logs.log_file import LogFile
from reprolab.logs.timestamps import moment_ns, own_ns, split_timestamp

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
    """One line, or one traceback with its exception first. ``number`` is the number of the (first) line, from 1.

    ``raw`` is the line with the engine's timestamp, ``text`` the line without it, and ``normalized`` the text that is
    compared.
    """

    number: int
    raw: bytes
    text: str
    normalized: str


@dataclass
class Log:
    """One log file of a trial. After reading: the number of ``lines``; ``cut`` if there are more; ``remarks``."""

    path: Path
    most: int = MOST_LINES
    lines: int = 0
    cut: bool = False
    remarks: tuple[str, ...] = ()

    def raw_lines(self) -> Iterator[bytes]:
        """The lines, each cut to LONGEST bytes. A damaged file gives the lines before the damage."""
        self.lines, self.cut, self.remarks = 0, False, ()
        file = LogFile(self.path)
        for line in file.lines():
            if self.lines >= self.most:
                self.cut = True
                break
            self.lines += 1
            yield line[:LONGEST]
        self.remarks = tuple(file.remarks)

    def entries(self) -> Iterator[Entry]:
        """The entries in the order of their last lines. Lines of other threads may be within a traceback."""
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


def _loose(held: list[tuple[int, bytes, str]]) -> Iterator[Entry]:
    """The lines of an incomplete traceback as single entries."""
    for number, raw, text in held:
        yield Entry(number, raw, text, normalize.normalize_line(text))


def without_stamp(raw: bytes) -> str:
    """A line without the engine's timestamp and the line end."""
    return split_timestamp(raw)[1].decode("utf-8", "replace").rstrip("\r\n")


def moment(raw: bytes) -> int | None:
    """The time of a line in ns since the epoch, None without one.

    The best is the moment that a program measured, then the engine's timestamp, then the time in a server's line.
    """
    if (measured := own_ns(raw)) is not None:
        return measured
    stamp, text = split_timestamp(raw)
    line = text.decode("utf-8", "replace").rstrip()
    try:
        return moment_ns(stamp) if stamp else access_log.request_ns(line) or servers.server_moment_ns(line)
    except ValueError:
        return None


def sources(trial: TrialDirectory) -> dict[str, Path]:
    """The logs of a trial by name: those of the services, and those that the experiment kept. The app's are first."""
    paths: dict[str, Path] = {}
    for path in sorted(trial.path.iterdir()) if trial.path.is_dir() else []:
        if path.name.endswith(PACKED):
            paths[path.name.removesuffix(PACKED)] = path
        elif path.suffix in PLAIN:
            paths[path.name] = path
    return dict(sorted(paths.items(), key=lambda item: (item[0].partition(".")[0] not in FIRST_ROLES, item[0])))


def zero(paths: dict[str, Path]) -> int | None:
    """The time of the first line in all logs of a trial, in ns since the epoch; None if no line has a time."""
    moments = []
    for path in paths.values():
        for raw in Log(path, most=20).raw_lines():
            if (when := moment(raw)) is not None:
                moments.append(when)
                break
    return min(moments, default=None)
