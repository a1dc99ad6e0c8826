"""Plans a run from the options of the user."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from random import SystemRandom

from reprolab.core import command_text
from reprolab.core.config_file import hint
from reprolab.core.errors import UsageError
from reprolab.engine import elsewhere
from reprolab.scenario.model import CUSTOM, Experiment, Scenario


@dataclass(frozen=True)
class PlannedVariant:
    """A variant to run ``trials`` times; ``changes`` are the factors that differ from the documented values."""

    experiment: Experiment
    name: str
    changes: Mapping[str, str]
    trials: int

    @property
    def key(self) -> str:
        """The variant's name with that of its experiment. Variants of a user's own have their changes besides.

        Two variants with different changes have different keys: a value may hold spaces.
        """
        changes = self.changes.items() if self.name == CUSTOM else ()
        words = [f"{name}={shlex.quote(value)}" for name, value in changes]
        return " ".join([f"{self.experiment.name}/{self.name}", *words])

    @property
    def needed(self) -> bool:
        """Whether a claim needs the variant, or it is the documented one."""
        return self.name in self.experiment.needed


@dataclass(frozen=True)
class Plan:
    """The variants of a run, and how it executes them.

    ``seed`` gives the order of the trials. The run ends after ``budget`` seconds with the round that then runs, or when
    every judged claim has a p of at most 100 - ``confidence`` percent.
    """

    scenario: Scenario
    variants: tuple[PlannedVariant, ...]
    jobs: int = 1
    keep_going: bool = False
    seed: int = 0
    budget: float | None = None
    confidence: float | None = None

    @property
    def trials(self) -> int:
        """The number of all trials."""
        return sum(variant.trials for variant in self.variants)

    @property
    def may_end_early(self) -> bool:
        """Whether the run may end before all its trials without an error."""
        return self.budget is not None or self.confidence is not None

    @property
    def highest_p(self) -> float | None:
        """The highest p that has the confidence: 0.01 for 99; None without a confidence."""
        # As a fraction, since 1 - 0.95 is above 0.05, the p of 3 of 3 against 0 of 3.
        return None if self.confidence is None else float(1 - Fraction(str(self.confidence)) / 100)


MOST_JOBS = 8
# With a confidence and without a number of trials, the run ends after so many rounds.
MOST_ROUNDS = 20
SEEDS = 1_000_000


@dataclass(frozen=True)
class RunOptions:
    """The options of `reprolab run`. Empty or None: not given."""

    scenario: str
    experiment: str = ""
    variants: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    trials: int | None = None
    jobs: int | None = None
    keep_going: bool = False
    seed: int | None = None
    budget: float | None = None
    confidence: float | None = None


def make_plan(scenario: Scenario, options: RunOptions) -> Plan:
    """The plan for these options. Raises UsageError for an unknown experiment, variant or factor."""
    experiments = _experiments(scenario, options.experiment)
    if options.settings:
        # First of all: a mistyped word of make looks like a factor.
        scenario.check_factors(
            options.settings,
            command_text.factors(),
            command_text.beside(command_text.RUN_WORDS),
            load=any(not experiment.parallel for experiment in experiments),
        )
        if options.confidence is not None:
            raise UsageError(
                f"{command_text.option('confidence')} is about verdicts, and {command_text.factors()} makes a variant "
                "of its own, by which no claim is judged",
                expected="one of the two",
            )
        if options.variants:
            raise UsageError(
                f"{command_text.factors()} makes a variant of its own, "
                f"and {command_text.option('variant')} names others",
                expected="one of the two",
            )
        planned = [
            PlannedVariant(experiment, CUSTOM, dict(options.settings), options.trials or experiment.trials)
            for experiment in experiments
        ]
    else:
        planned = [
            PlannedVariant(experiment, name, experiment.variants[name], _trials(scenario, experiment, name, options))
            for experiment in experiments
            for name in _variants(experiment, options.variants, experiments)
        ]
    return Plan(
        scenario,
        tuple(planned),
        _jobs(scenario, options.jobs, experiments),
        options.keep_going,
        SystemRandom().randrange(SEEDS) if options.seed is None else options.seed,
        options.budget,
        options.confidence,
    )


def _trials(scenario: Scenario, experiment: Experiment, variant: str, options: RunOptions) -> int:
    """The number of trials of a variant; with a confidence, the most that it may have."""
    if options.confidence is None:
        return options.trials or scenario.trials_of(experiment, variant)
    return (options.trials or MOST_ROUNDS) if variant in experiment.needed else 1


def _jobs(scenario: Scenario, requested: int | None, experiments: Sequence[Experiment]) -> int:
    """How many trials run in parallel. By default two for each processor, since parallel trials mostly wait."""
    if not any(experiment.parallel for experiment in experiments):
        if (requested or 1) > 1:
            raise UsageError(
                f"{command_text.option('jobs', requested)}: {scenario.name} puts load on its stacks, and two at once "
                "would disturb each other",
                expected=command_text.option("jobs", 1),
            )
        return 1
    return requested or default_jobs()


def default_jobs() -> int:
    """How many trials without load run side by side, if the user does not say; in a virtual machine one."""
    if elsewhere.kernel():
        return 1
    return min(2 * (os.cpu_count() or 1), MOST_JOBS)


def _experiments(scenario: Scenario, name: str) -> list[Experiment]:
    return [scenario.experiment(name)] if name else list(scenario.experiments.values())


def _variants(experiment: Experiment, requested: Sequence[str], experiments: Sequence[Experiment]) -> list[str]:
    if not requested:
        return list(experiment.variants)
    known = {name for other in experiments for name in other.variants}
    for name in requested:
        if name not in known:
            raise UsageError(f"no variant {name!r}{hint(name, known)}", expected="one of " + ", ".join(sorted(known)))
    return [name for name in experiment.variants if name in requested]
