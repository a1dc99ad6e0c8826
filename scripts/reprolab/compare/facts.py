"""The differences outside the logs: factors, host, base images, stack, packages, measurements, signs, verdicts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from reprolab.compare.observations import ABSENT, Fact, Facts, leaves, values
from reprolab.compare.select import Side
from reprolab.core import command_text
from reprolab.core.errors import UsageError
from reprolab.core.files import read_json
from reprolab.core.stats import wilson
from reprolab.evidence.packages import of_variant
from reprolab.report import table
from reprolab.scenario.model import Scenario
from reprolab.verdict.counting import Count, count
from reprolab.verdict.document import read_verdict

VERDICTS, SIGNS, COLUMNS = "verdicts", "signs (shown in trials)", "results"
OTHER_HARDWARE = "the two ran on different hardware: a difference can come from its processor, disk and network too"
# Values that belong to a trial or to a directory of the host, not to the stack.
OF_THE_TRIAL = re.compile(r"^name$|\.labels\.reprolab\.(?:run|owner)$|\.build\.context$|\.source$|\.image$")


def facts(left: Side, right: Side, scenario: Scenario | None) -> tuple[Facts, ...]:
    """All groups of facts, in the order of the report. ``scenario`` is None if the sides are of two scenarios."""
    groups = [factors(left, right), environment(left, right), stack(left, right), packages(left, right)]
    if scenario is not None:
        groups += [signs(left, right, scenario), columns(left, right, scenario)]
        if left.run.path != right.run.path:
            groups.append(verdicts(left, right))
    return (*groups, values(left, right))


def factors(left: Side, right: Side) -> Facts:
    """The values of the factors."""
    sides = [{**side.info.factors, **side.trials[0].factors} for side in (left, right)]
    return _differing("factors", sides[0], sides[1])


def environment(left: Side, right: Side) -> Facts:
    """The host, the engine, and the base images by their official names."""
    sides = [_environment(side) for side in (left, right)]
    other_hardware = left.info.host.hardware != right.info.host.hardware
    if left.by_hand or right.by_hand:
        # The base images of a stack by hand are only in its Compose model.
        sides = [{name: text for name, text in side.items() if not name.startswith("base ")} for side in sides]
    group = _differing("environment", sides[0], sides[1])
    return replace(group, notes=(*group.notes, OTHER_HARDWARE)) if other_hardware else group


def _environment(side: Side) -> dict[str, str]:
    host = {key: str(value) for key, value in side.info.host.to_json().items()}
    ids = {f"base {name}": f"{base.detail or '?'} ({(base.id or '?')[7:19]})" for name, base in side.info.bases.items()}
    return host | ids


def stack(left: Side, right: Side) -> Facts:
    """The Compose models of the first trials, without names of the trial and of this machine."""
    models: list[dict[str, str]] = []
    for side in (left, right):
        try:
            model = read_json(side.directory(side.trials[0]).path / "compose.json")
        except UsageError:
            return Facts("stack", (), notes=(f"{side.label} has no compose.json to compare",))
        flat = {name: text for name, text in leaves("", model) if not OF_THE_TRIAL.search(name)}
        models.append({name.removeprefix("services."): text for name, text in flat.items()})
    return _differing("stack", models[0], models[1])


def packages(left: Side, right: Side) -> Facts:
    """The packages in each service's image."""
    sides = [dict(_packages(side)) for side in (left, right)]
    if not all(sides):
        return Facts("packages", (), notes=("no packages are on record for one of the sides",))
    return _differing("packages", sides[0], sides[1])


def _packages(side: Side) -> Iterator[tuple[str, str]]:
    for service, kinds in of_variant(side.info.packages, side.experiment, side.variant).items():
        for kind, names in kinds.items():
            for name, version in names.items():
                yield f"{service.removeprefix(side.scenario + '-')} {kind} {name}", version


def signs(left: Side, right: Side, scenario: Scenario) -> Facts:
    """In how many of the compared trials each claim's sign showed; within a run, also the verdicts."""
    by_text: dict[tuple[str, str, str], list[str]] = {}
    judged = _judged(left) if left.run.path == right.run.path else {}
    same = 0
    for claim in scenario.experiments[left.experiment].claims if left.experiment in scenario.experiments else ():
        counts = [count(claim, side.trials) for side in (left, right)]
        texts = [count.words + (" (could not be read)" if count.errors else "") for count in counts]
        shares = [count.shown / count.trials if count.trials else None for count in counts]
        if shares[0] == shares[1] and not _rates_apart(*counts):
            same += 1
        else:
            words = " ".join((claim.sign.__doc__ or claim.text).split())
            by_text.setdefault((words, texts[0], texts[1]), []).append(f"{claim.id}{judged.get(claim.id, '')}")
    rows = [
        Fact(f"{', '.join(ids)}: {words}", left_words, right_words)
        for (words, left_words, right_words), ids in by_text.items()
    ]
    return Facts(SIGNS, tuple(rows), same)


def _rates_apart(left: Count, right: Count) -> bool:
    """Whether the intervals of two rates do not overlap."""
    if left.tries is None or right.tries is None:
        return False
    (low, high), (other_low, other_high) = wilson(*left.tries), wilson(*right.tries)
    return high < other_low or other_high < low


def _judged(side: Side) -> dict[str, str]:
    """The verdict of each claim in a run, in brackets; empty for a run without verdicts."""
    verdict = None if side.damaged else read_verdict(side.run)
    return {claim.id: f" ({claim.verdict})" for claim in verdict.claims if verdict.asked(claim)} if verdict else {}


def verdicts(left: Side, right: Side) -> Facts:
    """The verdicts of two runs."""
    by_claim: list[dict[str, str]] = []
    for side in (left, right):
        if side.damaged:
            return Facts(VERDICTS, (), notes=(f"not compared, as the record of {side.run.name} is incomplete",))
        verdict = read_verdict(side.run)
        if verdict is None:
            name = f"{side.scenario}/{side.run.name}"
            judge = command_text.command(f"judge {name}", f"judge RUN={name}")
            return Facts(VERDICTS, (), notes=(f"{side.run.name} has no verdict.json: {judge} writes it",))
        asked = [claim for claim in verdict.claims if verdict.asked(claim)]
        by_claim.append({claim.id: f"{claim.verdict} ({claim.why})" for claim in asked})
    words = [{name: text.partition(" (")[0] for name, text in claims.items()} for claims in by_claim]
    shared = by_claim[0].keys() & by_claim[1].keys()
    rows = [Fact(n, by_claim[0][n], by_claim[1][n]) for n in by_claim[0] if n in shared and words[0][n] != words[1][n]]
    only = [
        Fact(n, by_claim[0].get(n, ABSENT), by_claim[1].get(n, ABSENT))
        for n in sorted(by_claim[0].keys() ^ by_claim[1].keys())
    ]
    return Facts(VERDICTS, (*rows, *only), len(shared) - len(rows))


def columns(left: Side, right: Side, scenario: Scenario) -> Facts:
    """The columns of the report's table, with the same texts."""
    experiment = scenario.experiments.get(left.experiment)
    shown = [column for column in experiment.columns if not column.note] if experiment else []
    cells = [[table.cell(column, list(side.trials)) for column in shown] for side in (left, right)]
    rows = [Fact(c.heading, a, b) for c, a, b in zip(shown, cells[0], cells[1], strict=True) if a != b]
    return Facts(COLUMNS, tuple(rows), len(shown) - len(rows))


def _differing(title: str, left: Mapping[str, Any], right: Mapping[str, Any]) -> Facts:
    names: Iterable[str] = dict.fromkeys([*left, *right])
    rows = [
        Fact(name, str(left.get(name, ABSENT)) or "(empty)", str(right.get(name, ABSENT)) or "(empty)")
        for name in names
        if left.get(name) != right.get(name)
    ]
    return Facts(title, tuple(rows), len(list(names)) - len(rows))
