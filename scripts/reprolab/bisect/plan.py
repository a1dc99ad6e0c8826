"""What a bisect would measure: the values, those to begin with, and bounds for the number of trials."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, log2
from pathlib import Path

from reprolab.bisect.point import Point
from reprolab.bisect.question import Question
from reprolab.bisect.search import LOOKS
from reprolab.core import command_text
from reprolab.core.number_words import plural
from reprolab.measure.trial_time import time_line
from reprolab.report.table import changes_text
from reprolab.scenario.kernel_setting import kernel_of


def plan_lines(root: Path, question: Question) -> Iterator[str]:
    """The plan as lines of text."""
    axis, rules, points = question.axis, question.rules, question.points()
    kind = "release" if axis.package else "value"
    yield f"{axis.factor}: {plural(len(points), kind)}, {points[0].name} to {points[-1].name}"
    yield from axis.notes
    if question.fixed:
        yield f"in all trials: {changes_text(question.fixed)}"
    yield f"claim: {question.claim.id}: {question.claim.text}"
    yield f"sign: {question.sign}"
    yield f"first: {', '.join(points[index].value for index in question.first())}"
    yield from _companions(points)
    grid = max(len(question.first()), ceil(len(points) / rules.gap))
    enough = min(rules.enough(points), rules.most_trials)
    change = ceil(log2(rules.gap + 1)) * LOOKS + enough + rules.bad_trials
    yield f"without a change: about {plural(grid, kind)} with {LOOKS} trials each; if all show the sign, one each"
    yield f"each change: about {change} trials more; a good end has {enough} trials, a bad one {rules.bad_trials}"
    yield time_line(
        root,
        question.scenario,
        question.experiment.name,
        on_kernels=any(kernel_of(cell.settings) for cell in question.cells()),
    )
    yield f"nothing was run: leave out {command_text.option('plan')} to measure it"


def _companions(points: list[Point]) -> Iterator[str]:
    """The factors that values need, with the values that need them."""
    groups: dict[str, list[str]] = {}
    for point in points:
        if point.companions:
            words = " ".join(f"{name}={value}" for name, value in point.companions.items())
            groups.setdefault(words, []).append(point.value)
    for words, values in groups.items():
        span = values[0] if len(values) == 1 else f"{values[0]} to {values[-1]} ({len(values)})"
        yield f"with {words}: {span}"
