"""Follows the steps of signatures through a log, block by block.

The search is for fixed texts (`bytes.find`), and only a line that has one is compared with a pattern. Of a step that
was seen nothing more is searched, so the cost hardly depends on how often a line comes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from reprolab.scenario.signature import LogLine, Step

LONGEST_KEPT = 2000  # bytes of a line


SAME, OTHER, PID = "same", "other", "pid"
MOST_PIDS = 100_000
Accepts = Callable[[re.Match[bytes]], bool]


def _any(match: re.Match[bytes]) -> bool:
    return True


def _group(match: re.Match[bytes], name: str) -> bytes | None:
    return match[name] if name in match.re.groupindex else None


def _same(match: re.Match[bytes]) -> dict[str, bytes]:
    return {name: text for name, text in match.groupdict().items() if name.startswith(SAME) and text is not None}


class Place(NamedTuple):
    """Where a line stands in a block, whose server's it is, and the texts of its groups `same...` and `pid`, if any."""

    begin: int
    end: int
    server: str
    same: dict[str, bytes]
    pid: bytes | None


@dataclass(frozen=True)
class Match:
    """A line that shows a step: ``line`` is its number in the log, ``text`` the line without its end."""

    what: str
    log: str
    line: int
    text: bytes
    server: str
    origin: bytes = b""


@dataclass
class Block:
    """Whole lines of a log. ``before`` is the number of lines before the first one.

    ``origin`` is the service whose lines they are, if the log names one. ``numbers`` are those of the lines, if these
    do not follow each other in the log.
    """

    log: str
    content: bytes
    before: int
    origin: bytes = b""
    numbers: Sequence[int] | None = None

    def __post_init__(self) -> None:
        self._first: dict[bytes, int] = {}
        self._pids: dict[tuple[LogLine, ...], list[bytes]] = {}

    def pids(self, search: LineSearch) -> list[bytes]:
        """The process ids in these lines. Several signatures ask for the same ones."""
        if search.kinds not in self._pids:
            self._pids[search.kinds] = pids = []
            place = 0
            while line := search.find(self, place):
                pids += [line.pid] if line.pid else []
                place = line.end + 1
        return self._pids[search.kinds]

    def find(self, text: bytes, begin: int) -> int:
        """The first place of a text from ``begin`` on, -1 if there is none."""
        first = self._first.get(text)
        if first is None:
            first = self._first[text] = self.content.find(text)
        if first < 0 or first >= begin:
            return first
        return self.content.find(text, begin)

    def line_number(self, place: int) -> int:
        lines = self.content.count(b"\n", 0, place)
        return self.before + lines + 1 if self.numbers is None else self.numbers[lines]


class LineSearch:
    """The search for one of several kinds of lines."""

    def __init__(self, lines: Sequence[LogLine]) -> None:
        self.kinds = tuple(lines)
        self._lines = [(line.has.encode(), re.compile(line.pattern.encode()), line.server) for line in lines]

    def find(self, block: Block, begin: int, accepts: Accepts = _any) -> Place | None:
        """The first such line from a place on."""
        numbers = range(len(self._lines))
        places = [place for number in numbers if (place := self._find_one(block, begin, number, accepts))]
        return min(places, key=lambda place: place.begin, default=None)

    def at(self, block: Block, begin: int, end: int, accepts: Accepts = _any) -> Place | None:
        """The line at a place, if it is one of these."""
        line = block.content[begin:end]
        for text, pattern, server in self._lines:
            if text in line and (match := pattern.search(line)) and accepts(match):
                return Place(begin, end, server, _same(match), _group(match, PID))
        return None

    def _find_one(self, block: Block, begin: int, number: int, accepts: Accepts) -> Place | None:
        text, pattern, server = self._lines[number]
        place = block.find(text, begin)
        while place >= 0:
            start, end = block.content.rfind(b"\n", 0, place) + 1, block.content.find(b"\n", place)
            match = pattern.search(block.content[start:end]) if start >= begin else None
            if match and accepts(match):
                return Place(start, end, server, _same(match), _group(match, PID))
            place = block.find(text, end)
        return None


class StepSearch:
    """The search for one step."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.lines = LineSearch(step.lines)
        self.resets = LineSearch(step.resets) if step.resets else None
        self.introduced_by = LineSearch(step.introduced_by) if step.introduced_by else None


@dataclass(frozen=True)
class Plan:
    """The steps of one signature, ready to be searched. One plan serves all logs."""

    steps: tuple[StepSearch, ...]

    @classmethod
    def of(cls, steps: Sequence[Step]) -> Plan:
        return cls(tuple(StepSearch(step) for step in steps))

    @cached_property
    def anchors(self) -> tuple[int, ...]:
        """For each step, the step at which the search goes on if this one does not come in time."""
        return tuple(
            max((n for n in range(number + 1) if not self.steps[n].step.within), default=0)
            for number in range(len(self.steps))
        )


class Progress:
    """How far the steps of a plan have come in one log. ``best`` has the matches of the longest part that was seen."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._window = 0
        self._same: list[dict[str, bytes]] = []
        self._introduced: set[bytes] = set()
        self.matches: list[Match] = []
        self.best: list[Match] = []

    @property
    def complete(self) -> bool:
        return len(self.matches) == len(self._plan.steps)

    def feed(self, block: Block) -> None:
        """Go through the next block of the log."""
        for search in self._plan.steps:
            if search.introduced_by:
                # A server with very many workers has the last ones unknown.
                self._introduced.update(block.pids(search.introduced_by)[: MOST_PIDS - len(self._introduced)])
        place = 0
        while not self.complete and place < len(block.content):
            search = self._plan.steps[len(self.matches)]
            within = search.step.within and self.matches
            place = self._near(block, place, search) if within else self._far(block, place, search)

    def _far(self, block: Block, place: int, search: StepSearch) -> int:
        """Search a step that may come at any distance. Returns where the search goes on."""
        line = search.lines.find(block, place, self._accepts(search.step))
        reset = search.resets.find(block, place) if search.resets and self.matches else None
        if reset and (line is None or reset.begin < line.begin):
            self._back_to(0)
            return reset.end + 1
        if line is None:
            return len(block.content)
        self._add(block, line, search)
        return line.end + 1

    def _near(self, block: Block, place: int, search: StepSearch) -> int:
        """Look at the next line only. After ``within`` lines the search goes back to an earlier step."""
        end = block.content.find(b"\n", place)
        if line := search.lines.at(block, place, end, self._accepts(search.step)):
            self._add(block, line, search)
            return end + 1
        anchor = self._plan.anchors[len(self.matches)]
        first = self._plan.steps[anchor]
        self._window += 1
        if line := first.lines.at(block, place, end):
            self._back_to(anchor)
            self._add(block, line, first)
        elif self._window >= search.step.within or (search.resets and search.resets.at(block, place, end)):
            self._back_to(anchor)
        return end + 1

    def _accepts(self, step: Step) -> Accepts:
        """Whether a line of the step is about the same thing as the steps before, and about the right process."""
        about = {name: text for same in reversed(self._same) for name, text in same.items()}

        def accepts(match: re.Match[bytes]) -> bool:
            for name, text in match.groupdict().items():
                if name.startswith(SAME) and text is not None and about.get(name, text) != text:
                    return False
                if name.startswith(OTHER) and text == about.get(SAME + name.removeprefix(OTHER)):
                    return False
            return not step.introduced_by or (_group(match, PID) in self._introduced) is step.introduced

        return accepts

    def _back_to(self, step: int) -> None:
        del self.matches[step:], self._same[step:]
        self._window = 0

    def _add(self, block: Block, line: Place, search: StepSearch) -> None:
        text, number = block.content[line.begin : line.end][:LONGEST_KEPT], block.line_number(line.begin)
        self.matches.append(Match(search.step.what, block.log, number, text, line.server, block.origin))
        self._same.append(line.same)
        self._window = 0
        if len(self.matches) > len(self.best):
            self.best = list(self.matches)
