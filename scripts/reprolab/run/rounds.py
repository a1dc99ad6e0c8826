"""The order of a run's trials: rounds with one trial of every needed variant, then the variants that illustrate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

from reprolab.run.plan import Plan, PlannedVariant


@dataclass(frozen=True)
class Step:
    """A trial to run; ``number`` is its number among the trials of its variant."""

    variant: PlannedVariant
    number: int


@dataclass(frozen=True)
class Round:
    """Trials in a random order. ``illustrates``: no claim needs these variants.

    ``number`` is that of the round, or of the last one if several are joined.
    """

    number: int
    steps: tuple[Step, ...]
    illustrates: bool = False


def order(plan: Plan) -> list[Round]:
    """The rounds of a plan; the same plan and seed give the same order.

    Round n has trial n of every needed variant that has so many trials. The variants that only illustrate follow in
    rounds of their own. If no claim needs any variant of the plan, all variants are treated as needed. Rounds that can
    run side by side at once are joined.
    """
    needed = [variant for variant in plan.variants if variant.needed] or list(plan.variants)
    others = [variant for variant in plan.variants if variant not in needed]
    rounds = [*_rounds(needed, plan.seed, illustrates=False), *_rounds(others, plan.seed, illustrates=True)]
    return _joined(rounds, plan.jobs)


def planned_rounds(parts: Sequence[Round]) -> int:
    """The number of the rounds of needed variants."""
    return max(part.number for part in parts if not part.illustrates)


def _rounds(variants: Sequence[PlannedVariant], seed: int, *, illustrates: bool) -> Iterator[Round]:
    for number in range(1, max((variant.trials for variant in variants), default=0) + 1):
        steps = [Step(variant, number) for variant in variants if variant.trials >= number]
        # Each round has a generator of its own: its order does not depend on the number of rounds before it.
        Random(f"{seed} {number} {illustrates}").shuffle(steps)
        yield Round(number, tuple(steps), illustrates)


def _joined(rounds: Sequence[Round], jobs: int) -> list[Round]:
    """Twenty trials of one variant would otherwise leave all but one of the places empty."""
    joined: list[Round] = []
    for part in rounds:
        before = joined[-1] if joined else None
        if before and before.illustrates == part.illustrates and _fit([*before.steps, *part.steps], jobs):
            joined[-1] = replace(part, steps=(*before.steps, *part.steps))
        else:
            joined.append(part)
    return joined


def _fit(steps: Sequence[Step], jobs: int) -> bool:
    return len(steps) <= jobs and all(step.variant.experiment.parallel for step in steps)
