"""The observations of two sides, compared value by value; and the classes for facts that differ."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from reprolab.compare.select import Side
from reprolab.logs.normalize import normalize_line

ABSENT = "—"
MOST_VALUES = 40
LONGEST_LIST = 6
LONGEST_TEXT = 160
# If one side lacks at least BRANCH_FROM values of a branch, they are one row.
BRANCH = re.compile(r"[.\[ ]")
BRANCH_FROM = 3
# With one trial on each side, numbers whose relative difference is less than this count as the same.
NEAR = 0.2
BY_CHANCE = re.compile(r"(?:^|[._])(?:pids?|tid|ppid|worker|t_ns|started_ns|finished_ns|thread|token)$")
MOMENTS = ("<clock>", "<id>", ABSENT)


@dataclass(frozen=True)
class Fact:
    """A fact that differs: its name, and its value on each side."""

    name: str
    left: str
    right: str


@dataclass(frozen=True)
class Facts:
    """A group of facts: those that differ, the number of the others, and notes on what could not be compared."""

    title: str
    rows: tuple[Fact, ...]
    same: int = 0
    notes: tuple[str, ...] = ()


def values(left: Side, right: Side) -> Facts:
    """The values of the observations that differ. Numbers whose ranges overlap count as the same."""
    sides = [[dict(leaves("", trial.observation)) for trial in side.trials] for side in (left, right)]
    names = dict.fromkeys(name for trials in sides for trial in trials for name in trial)
    by_size: list[tuple[float, Fact]] = []
    same = 0
    for name in names:
        texts = [[trial.get(name, ABSENT) for trial in trials] for trials in sides]
        if BY_CHANCE.search(name) or all(normalize_line(text) in MOMENTS for side in texts for text in side):
            continue
        if (size := _apart(*texts)) > 0:
            by_size.append((size, Fact(name, _together(texts[0]), _together(texts[1]))))
        else:
            same += 1
    rows = _branches([fact for _, fact in sorted(by_size, key=lambda pair: -pair[0])])
    beyond = len(rows) - MOST_VALUES
    notes = (f"{beyond} more values differ, by less",) if beyond > 0 else ()
    return Facts("observations", tuple(rows[:MOST_VALUES]), same, notes)


def _branches(facts: Sequence[Fact]) -> list[Fact]:
    """Join the values of a branch that one side lacks into one fact: `order.a`, `order.b` ... become `order`."""
    branches: dict[tuple[str, bool], list[Fact]] = {}
    for fact in facts:
        if ABSENT in (fact.left, fact.right):
            branches.setdefault((BRANCH.split(fact.name)[0], fact.left == ABSENT), []).append(fact)
    joined = {key: members for key, members in branches.items() if len(members) >= BRANCH_FROM}
    rows: list[Fact] = []
    for fact in facts:
        key = (BRANCH.split(fact.name)[0], fact.left == ABSENT)
        if fact not in joined.get(key, ()):
            rows.append(fact)
        elif fact == joined[key][0]:
            members = joined[key]
            texts = "; ".join(
                f"{member.name[len(key[0]) :].lstrip('.')} {member.right if key[1] else member.left}"
                for member in members
            )
            kept = texts if len(texts) <= LONGEST_TEXT else f"{texts[:LONGEST_TEXT]}…"
            name = f"{key[0]} ({len(members)} values)"
            rows.append(Fact(name, ABSENT, kept) if key[1] else Fact(name, kept, ABSENT))
    return rows


def _apart(left: Sequence[str], right: Sequence[str]) -> float:
    """The size of the difference, 0 for none. Texts without a common value count as much as a tenfold number."""
    numbers = [[_number(text) for text in side] for side in (left, right)]
    if any(value is None for side in numbers for value in side):
        return 0.0 if set(map(normalize_line, left)) & set(map(normalize_line, right)) else 1.0
    low, high = sorted(([v for v in side if v is not None] for side in numbers), key=lambda side: median(side))
    if max(low) >= min(high):
        return 0.0
    below, above = abs(median(low)), abs(median(high))
    if len(left) == len(right) == 1 and above - below < NEAR * max(above, below):
        return 0.0
    return min(4.0, max(above, below) / max(min(above, below), 1e-9) / 10 + 0.01)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _together(texts: Sequence[str]) -> str:
    """The values of a side's trials in one cell: each distinct text, or the range of numbers."""
    distinct = list(dict.fromkeys(texts))
    numbers = [_number(text) for text in distinct]
    if len(distinct) == 1 or any(number is None for number in numbers):
        return " | ".join(distinct)
    ordered = sorted(distinct, key=lambda text: float(text))
    return f"{ordered[0]} … {ordered[-1]}"


def leaves(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """The single values of JSON data by their paths; of a long list, only its length."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from leaves(f"{name}.{key}" if name else str(key), inner)
    elif isinstance(value, list) and len(value) > LONGEST_LIST:
        yield f"{name} (entries)", str(len(value))
    elif isinstance(value, list) and any(isinstance(inner, Mapping | list) for inner in value):
        for index, inner in enumerate(value):
            yield from leaves(f"{name}[{index}]", inner)
    elif isinstance(value, list):
        yield name, " ".join(_word(inner) for inner in value) or ABSENT
    else:
        yield name, ABSENT if value == {} else _word(value)


def _word(value: Any) -> str:
    words = {None: ABSENT, True: "yes", False: "no"}
    text = (
        words[value]
        if value is None or isinstance(value, bool)
        else f"{value:.6g}"
        if isinstance(value, float)
        else str(value)
    )
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"
