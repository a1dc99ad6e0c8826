"""The important lines of a log, and the start and the end of the rest. A log is read as a stream."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from reprolab.bugreport.spec import Logs
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.logs.log_file import LogFile
from reprolab.logs.timestamps import split_timestamp

MOST_LINES = 30
HEAD, TAIL = 40, 20
LONGEST = 240


@dataclass
class Excerpt:
    """What is shown of a log: the ``matching`` lines, and the ``head`` and the ``tail`` of the rest.

    ``more`` is the number of matching lines beyond MOST_LINES, ``dropped`` the number of lines that match
    ``Logs.drop``, and ``total`` the number of all lines. ``remarks`` say that lines were cut or the file is damaged.
    """

    source: str
    matching: list[str] = field(default_factory=list)
    head: list[str] = field(default_factory=list)
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL))
    more: int = 0
    dropped: int = 0
    total: int = 0
    remarks: tuple[str, ...] = ()

    def rest(self) -> list[str]:
        """The head and the tail, and between them the number of lines that are left out."""
        left_out = self.total - self.dropped - len(self.head) - len(self.tail)
        gap = [f"… {left_out} lines left out …"] if left_out else []
        return [*self.head, *gap, *self.tail]


def excerpt(trial: TrialDirectory, wanted: Logs) -> Excerpt | None:
    """Read one log of a trial; None if the trial has no such log."""
    if not (log := _log(trial, wanted.source)):
        return None
    lines = _plain(log.lines(), stamped=trial.log_path(wanted.source).exists())
    keep = re.compile("|".join(f"(?:{pattern})" for pattern in wanted.keep)) if wanted.keep else None
    drop = re.compile(wanted.drop) if wanted.drop else None
    result, following = Excerpt(wanted.title or wanted.source), 0
    for line in lines:
        result.total += 1
        if drop and drop.search(line):
            result.dropped += 1
            continue
        hit = bool(keep and keep.search(line))
        following = wanted.after if hit else following - 1
        _add(result, line, hit or following >= 0)
    result.remarks = tuple(log.remarks)
    return result


def _add(result: Excerpt, line: str, matches: bool) -> None:
    if matches and len(result.matching) < MOST_LINES:
        result.matching.append(line)
    else:
        result.more += matches
    (result.head if len(result.head) < HEAD else result.tail).append(line)


def _log(trial: TrialDirectory, source: str) -> LogFile | None:
    """A service's log, or a file of the trial; None if there is none."""
    if trial.log_path(source).exists():
        log = trial.streams_file(source)
        return log if log.path.exists() else None
    path = Path(trial.path / source)
    return LogFile(path) if path.is_file() and path.resolve().is_relative_to(trial.path.resolve()) else None


def _plain(lines: Iterable[bytes], stamped: bool) -> Iterator[str]:
    for raw in lines:
        line = (split_timestamp(raw)[1] if stamped else raw).decode("utf-8", "replace").rstrip()
        yield line if len(line) <= LONGEST else f"{line[:LONGEST]}…"
