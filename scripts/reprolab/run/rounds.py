"""The order of a run's trials: rounds with one trial of every needed variant, then the variants that illustrate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from reprolab.run.plan import Plan, PlannedVariant


@dataclass(frozen=True)
class Step:
    """A trial to run; ``number`` is its number among the trials of its variant."""

    variant: PlannedVariant
    number: int


@dataclass(frozen=True)
class Round:
    """Trials of different variants in a random order. ``illustrates``: no claim needs these variants."""

    number: int
    steps: tuple[Step, ...]
    illustrates: bool = False


def order(plan: Plan) -> list[Round]:
    """The rounds of a plan; the same plan and seed give the same order.

    Round n has trial n of every needed variant that has so many trials. The variants that only illustrate follow in
    rounds of their own. If no claim needs any variant of the plan, all variants are treated as needed.
    """
    needed = [variant for variant in plan.variants if variant.needed] or list(plan.variants)
    others = [variant for variant in plan.variants if variant not in needed]
    return [*_rounds(needed, plan.seed, illustrates=False), *_rounds(others, plan.seed, illustrates=True)]


def _rounds(variants: Sequence[PlannedVariant], seed: int, *, illustrates: bool) -> Iterator[Round]:
    for number in range(1, max((variant.trials for variant in variants), default=0) + 1):
        steps = [Step(variant, number) for variant in variants if variant.trials >= number]
        # Each round has a generator of its own: its order does not depend on the number of rounds before it.
        Random(f"{seed} {number} {illustrates}").shuffle(steps)
        yield Round(number, tuple(steps), illustrates)
