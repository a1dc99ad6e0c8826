"""Facts that differ, and the observations of two sides value by value."""

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
# So many values of a branch that one side lacks are one row.
BRANCH = re.compile(r"[.\[ ]")
BRANCH_FROM = 3
# With one trial on a side, figures nearer to each other than this are not told apart.
NEAR = 0.2
BY_CHANCE = re.compile(r"(?:^|[._])(?:pids?|tid|ppid|worker|t_ns|started_ns|finished_ns|thread|token)$")
MOMENTS = ("<clock>", "<id>", ABSENT)


@dataclass(frozen=True)
class Fact:
    """One thing that differs: its name, and what it is on either side."""

    name: str
    left: str
    right: str


@dataclass(frozen=True)
class Facts:
    """One group of facts: those that differ, how many are the same, and in words what could not be compared."""

    title: str
    rows: tuple[Fact, ...]
    same: int = 0
    notes: tuple[str, ...] = ()


def values(left: Side, right: Side) -> Facts:
    """The observations, value by value; figures whose ranges overlap are not told apart."""
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
    """Values of one branch that one side does not have at all, as one: `order.a`, `order.b` ... are `order`."""
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
    """How far apart two sets of values are, 0 for not: texts that never meet count as much as a tenfold figure."""
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
    """The values of a side's trials in one cell: each distinct text, or a range of figures."""
    distinct = list(dict.fromkeys(texts))
    numbers = [_number(text) for text in distinct]
    if len(distinct) == 1 or any(number is None for number in numbers):
        return " | ".join(distinct)
    ordered = sorted(distinct, key=lambda text: float(text))
    return f"{ordered[0]} … {ordered[-1]}"


def leaves(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """The single values of JSON data by their path; of long lists their length only."""
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
