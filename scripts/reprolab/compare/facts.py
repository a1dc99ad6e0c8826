"""What differs apart from the logs: factors, host, bases, stack, packages, what was measured, signs, verdicts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from reprolab import masks
from reprolab.compare.sides import Side
from reprolab.errors import UsageError
from reprolab.evidence import read_json
from reprolab.judge import count
from reprolab.report import table
from reprolab.scenario import Scenario

ABSENT = "—"
VERDICTS = "verdicts"
MOST_VALUES = 40
LONGEST_LIST = 6
LONGEST_TEXT = 160
# So many values of a branch that one side lacks are one row.
BRANCH = re.compile(r"[.\[ ]")
BRANCH_FROM = 3
# With one trial on a side, figures nearer to each other than this are not told apart.
NEAR = 0.2
# What names a trial or a place on the host, not the stack.
OF_THE_TRIAL = re.compile(r"^name$|\.labels\.reprolab\.(?:run|owner)$|\.build\.context$|\.source$|\.image$")
BY_CHANCE = re.compile(r"(?:^|[._])(?:pids?|tid|ppid|worker|t_ns|started_ns|finished_ns|thread|token)$")


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


def facts(left: Side, right: Side, scenario: Scenario | None) -> tuple[Facts, ...]:
    """All groups, in the order in which a reader asks. ``scenario`` is None where both sides are not of the same."""
    found = [factors(left, right), environment(left, right), stack(left, right), packages(left, right)]
    if scenario is not None:
        found += [signs(left, right, scenario), columns(left, right, scenario)]
        if left.run.path != right.run.path:
            found.append(verdicts(left, right))
    return (*found, values(left, right))


def factors(left: Side, right: Side) -> Facts:
    """The factors in force."""
    sides = [{**side.content.get("factors", {}), **side.trials[0].factors} for side in (left, right)]
    return _differing("factors", sides[0], sides[1])


def environment(left: Side, right: Side) -> Facts:
    """The host and its engine, and the base images by the official name."""
    sides = [_environment(side) for side in (left, right)]
    return _differing("environment", sides[0], sides[1])


def _environment(side: Side) -> dict[str, str]:
    host = {key: str(value) for key, value in side.content.get("host", {}).items()}
    bases = side.content.get("bases", {})
    ids = {
        f"base {name}": f"{base.get('detail', '?')} ({str(base.get('id', '?'))[7:19]})" for name, base in bases.items()
    }
    return host | ids


def stack(left: Side, right: Side) -> Facts:
    """The Compose model that ran, but for names of the trial and of this machine."""
    models: list[dict[str, str]] = []
    for side in (left, right):
        try:
            model = read_json(side.directory(side.trials[0]).path / "compose.json")
        except UsageError:
            return Facts("stack", (), notes=(f"{side.label} has no compose.json to compare",))
        flat = {name: text for name, text in _leaves("", model) if not OF_THE_TRIAL.search(name)}
        models.append({name.removeprefix("services."): text for name, text in flat.items()})
    return _differing("stack", models[0], models[1])


def packages(left: Side, right: Side) -> Facts:
    """The packages in each service's image."""
    sides = [dict(_packages(side)) for side in (left, right)]
    if not all(sides):
        return Facts("packages", (), notes=("run.json lists no packages for one of the sides",))
    return _differing("packages", sides[0], sides[1])


def _packages(side: Side) -> Iterator[tuple[str, str]]:
    for image, kinds in side.content.get("packages", {}).items():
        variant, _, service = image.rpartition("/")
        if variant == side.variant:
            for kind, names in kinds.items():
                for name, version in names.items():
                    yield f"{service.removeprefix(side.scenario + '-')} {kind} {name}", str(version)


def signs(left: Side, right: Side, scenario: Scenario) -> Facts:
    """In how many of the trials compared each claim's sign showed."""
    alike: dict[tuple[str, str, str], list[str]] = {}
    same = 0
    for claim in scenario.experiments[left.experiment].claims if left.experiment in scenario.experiments else ():
        counts = [count(claim, side.trials) for side in (left, right)]
        texts = [
            f"{one.shown}/{one.trials}{one.words}" + (" (could not be read)" if one.errors else "") for one in counts
        ]
        shares = [one.shown / one.trials if one.trials else None for one in counts]
        if shares[0] == shares[1]:
            same += 1
        else:
            words = " ".join((claim.sign.__doc__ or claim.text).split())
            alike.setdefault((words, texts[0], texts[1]), []).append(claim.id)
    rows = [Fact(f"{' '.join(ids)}: {words}", one, other) for (words, one, other), ids in alike.items()]
    return Facts("signs (shown in trials)", tuple(rows), same)


def verdicts(left: Side, right: Side) -> Facts:
    """The verdicts of two runs."""
    found: list[dict[str, str]] = []
    for side in (left, right):
        path = side.run.path / "verdict.json"
        if not path.exists():
            return Facts(VERDICTS, (), notes=(f"{side.run.name} has no verdict.json: reprolab judge writes it",))
        found.append({row["id"]: f"{row['verdict']} ({row['why']})" for row in read_json(path)["claims"]})
    words = [{name: text.partition(" (")[0] for name, text in each.items()} for each in found]
    shared = found[0].keys() & found[1].keys()
    rows = [Fact(n, found[0][n], found[1][n]) for n in found[0] if n in shared and words[0][n] != words[1][n]]
    only = [
        Fact(n, found[0].get(n, ABSENT), found[1].get(n, ABSENT)) for n in sorted(found[0].keys() ^ found[1].keys())
    ]
    return Facts(VERDICTS, (*rows, *only), len(shared) - len(rows))


def columns(left: Side, right: Side, scenario: Scenario) -> Facts:
    """The columns of the report's table, as it shows them."""
    experiment = scenario.experiments.get(left.experiment)
    own = [column for column in experiment.columns if not column.note] if experiment else []
    cells = [[table.cell(column, list(side.trials)) for column in own] for side in (left, right)]
    rows = [Fact(c.heading, a, b) for c, a, b in zip(own, cells[0], cells[1], strict=True) if a != b]
    return Facts("results", tuple(rows), len(own) - len(rows))


def values(left: Side, right: Side) -> Facts:
    """The observations, value by value; figures whose ranges overlap are not told apart."""
    sides = [[dict(_leaves("", trial.observation)) for trial in side.trials] for side in (left, right)]
    names = dict.fromkeys(name for trials in sides for trial in trials for name in trial)
    found: list[tuple[float, Fact]] = []
    same = 0
    for name in names:
        if BY_CHANCE.search(name):
            continue
        texts = [[trial.get(name, ABSENT) for trial in trials] for trials in sides]
        if (size := _apart(*texts)) > 0:
            found.append((size, Fact(name, _together(texts[0]), _together(texts[1]))))
        else:
            same += 1
    rows = _branches([fact for _, fact in sorted(found, key=lambda pair: -pair[0])])
    beyond = len(rows) - MOST_VALUES
    notes = (f"{beyond} more values differ, by less",) if beyond > 0 else ()
    return Facts("observations", tuple(rows[:MOST_VALUES]), same, notes)


def _branches(found: Sequence[Fact]) -> list[Fact]:
    """Values of one branch that one side does not have at all, as one: `order.a`, `order.b` ... are `order`."""
    branches: dict[tuple[str, bool], list[Fact]] = {}
    for fact in found:
        if ABSENT in (fact.left, fact.right):
            branches.setdefault((BRANCH.split(fact.name)[0], fact.left == ABSENT), []).append(fact)
    joined = {key: own for key, own in branches.items() if len(own) >= BRANCH_FROM}
    rows: list[Fact] = []
    for fact in found:
        key = (BRANCH.split(fact.name)[0], fact.left == ABSENT)
        if fact not in joined.get(key, ()):
            rows.append(fact)
        elif fact == joined[key][0]:
            own = joined[key]
            texts = "; ".join(
                f"{one.name[len(key[0]) :].lstrip('.')} {one.right if key[1] else one.left}" for one in own
            )
            kept = texts if len(texts) <= LONGEST_TEXT else f"{texts[:LONGEST_TEXT]}…"
            name = f"{key[0]} ({len(own)} values)"
            rows.append(Fact(name, ABSENT, kept) if key[1] else Fact(name, kept, ABSENT))
    return rows


def _apart(left: Sequence[str], right: Sequence[str]) -> float:
    """How far apart two sets of values are, 0 for not: texts that never meet count as much as a tenfold figure."""
    numbers = [[_number(text) for text in side] for side in (left, right)]
    if any(value is None for side in numbers for value in side):
        return 1.0 if not {masks.mask(a) for a in left} & {masks.mask(b) for b in right} else 0.0
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


def _leaves(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """The single values of JSON data by their path; of long lists their length only."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(f"{name}.{key}" if name else str(key), inner)
    elif isinstance(value, list) and len(value) > LONGEST_LIST:
        yield f"{name} (entries)", str(len(value))
    elif isinstance(value, list) and any(isinstance(inner, Mapping | list) for inner in value):
        for index, inner in enumerate(value):
            yield from _leaves(f"{name}[{index}]", inner)
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


def _differing(title: str, left: Mapping[str, Any], right: Mapping[str, Any]) -> Facts:
    names: Iterable[str] = dict.fromkeys([*left, *right])
    rows = [
        Fact(name, str(left.get(name, ABSENT)), str(right.get(name, ABSENT)))
        for name in names
        if left.get(name) != right.get(name)
    ]
    return Facts(title, tuple(rows), len(list(names)) - len(rows))
