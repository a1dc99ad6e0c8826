"""The few lines of a log that matter, and the rest of it in short: read as a stream, never whole in memory."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from reprolab.bugreport.spec import Logs
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.logs.timestamps import split_timestamp

MOST_LINES = 30
HEAD, TAIL = 40, 20
LONGEST = 240


@dataclass
class Excerpt:
    """What is shown of a log: ``telling`` lines, and the rest as its ``head`` and ``tail``.

    ``more`` telling lines were too many; ``dropped`` lines were left out by name, ``total`` is all there were.
    """

    source: str
    telling: list[str] = field(default_factory=list)
    head: list[str] = field(default_factory=list)
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL))
    more: int = 0
    dropped: int = 0
    total: int = 0

    def rest(self) -> list[str]:
        """The head and the tail with what lies between them counted."""
        left_out = self.total - self.dropped - len(self.head) - len(self.tail)
        gap = [f"… {left_out} lines left out …"] if left_out else []
        return [*self.head, *gap, *self.tail]


def excerpt(trial: TrialDirectory, wanted: Logs) -> Excerpt | None:
    """Read one log of a trial; None where the trial has no such log."""
    if not (lines := _lines(trial, wanted.source)):
        return None
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
    return result


def _add(result: Excerpt, line: str, tells: bool) -> None:
    if tells and len(result.telling) < MOST_LINES:
        result.telling.append(line)
    else:
        result.more += tells
    (result.head if len(result.head) < HEAD else result.tail).append(line)


def _lines(trial: TrialDirectory, source: str) -> Iterator[str] | None:
    """The lines of a service's log, without the engine's stamps, or of a file of the trial."""
    if trial.log_path(source).exists():
        return _plain(trial.streams(source), stamped=True)
    path = Path(trial.path / source)
    if path.is_file() and path.resolve().is_relative_to(trial.path.resolve()):
        return _plain(path.open("rb"), stamped=False)
    return None


def _plain(lines: Iterable[bytes], stamped: bool) -> Iterator[str]:
    for raw in lines:
        line = (split_timestamp(raw)[1] if stamped else raw).decode("utf-8", "replace").rstrip()
        yield line if len(line) <= LONGEST else f"{line[:LONGEST]}…"
