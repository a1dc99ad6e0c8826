"""Whose line it is: collectors of logs write the name of a service before each line, and put several into one file.

Each origin has a history of its own. The steps of a case, a release and a setting belong to one origin.
"""

from __future__ import annotations

import re
from dataclasses import replace

from reprolab.diagnose.matcher import Block

# What Compose, `kubectl logs --prefix`, Heroku and a journal write before a line. The pid of a journal is no part of
# the name: a master and its workers are one service.
STAMP = rb"(?:\w{3} {1,2}\d{1,2} [\d:.]{8,20}|\d{4}-\d\d-\d\dT[\d:.,]{8,20}(?:Z|[+-][\d:]{4,6})?)"
PREFIX = re.compile(
    rb"(?P<service>[\w.-]{1,100}) {1,40}\| |\[(?P<pod>pod/[^\]\s]{1,200})\] |"
    rb"(?:<\d{1,3}>)?"
    + STAMP
    + rb" (?:(?P<unit>[\w.-]{1,100} [\w./@-]{1,100})\[\d{1,10}\]|(?P<dyno>\w{1,100}\[[\w.-]{1,100}\])): "
)
SAMPLE = 200  # lines at the beginning of a log that show whether its lines have such names
MOST_ORIGINS = 100  # the lines of all further ones are one origin


class Origins:
    """Parts the blocks of one log by the origin of their lines."""

    def __init__(self) -> None:
        self._has_names: bool | None = None
        self._known: set[bytes] = set()
        self._last = b""
        self._prefix = b""

    def split(self, block: Block) -> list[Block]:
        """The block, or where its lines have several origins a block of each. Line numbers stay those of the log."""
        if self._has_names is None:
            self._has_names = _have_names(block.content)
        if not self._has_names:
            return [block]
        if self._is_of_last(block.content):
            return [replace(block, origin=self._last)]
        parts: dict[bytes, tuple[list[bytes], list[int]]] = {}
        for number, line in enumerate(block.content.split(b"\n")[:-1], block.before + 1):
            lines, numbers = parts.setdefault(self._of(line), ([], []))
            lines.append(line)
            numbers.append(number)
        if len(parts) == 1:
            return [replace(block, origin=next(iter(parts)))]
        return [
            Block(block.log, b"\n".join(lines) + b"\n", 0, origin, numbers)
            for origin, (lines, numbers) in parts.items()
        ]

    def _is_of_last(self, content: bytes) -> bool:
        """Whether each line begins as the last one did: without a clock in it, that is quick to see."""
        if not self._prefix or not content.startswith(self._prefix):
            return False
        return content.count(b"\n" + self._prefix) == content.count(b"\n") - 1

    def _of(self, line: bytes) -> bytes:
        """The origin of a line; a line without a name goes on with the one before it."""
        if self._prefix and line.startswith(self._prefix):
            return self._last
        if (match := PREFIX.match(line)) and (name := match[match.lastgroup or 0]) != self._last:
            if name not in self._known and len(self._known) >= MOST_ORIGINS:
                name = b""
            self._known.add(name)
            self._last, self._prefix = name, match[0]
        return self._last


def _have_names(content: bytes) -> bool:
    lines = content.split(b"\n", SAMPLE)[:SAMPLE]
    return sum(PREFIX.match(line) is not None for line in lines) * 2 >= sum(bool(line) for line in lines) > 0
