"""What a run is going to do, from what the user asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reprolab.core import command_text
from reprolab.core.config_file import hint
from reprolab.core.errors import UsageError
from reprolab.scenario.model import CUSTOM, Experiment, Scenario


@dataclass(frozen=True)
class PlannedVariant:
    """One variant to run, ``trials`` times, with its factors (only those that differ)."""

    experiment: Experiment
    name: str
    changes: Mapping[str, str]
    trials: int


@dataclass(frozen=True)
class Plan:
    """What a run is going to do."""

    scenario: Scenario
    variants: tuple[PlannedVariant, ...]
    jobs: int = 1
    keep_going: bool = False

    @property
    def trials(self) -> int:
        """How many trials there are in all."""
        return sum(variant.trials for variant in self.variants)


MOST_JOBS = 8


@dataclass(frozen=True)
class RunOptions:
    """What the user asked for."""

    scenario: str
    experiment: str = ""
    variants: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    trials: int | None = None
    jobs: int | None = None
    keep_going: bool = False


def make_plan(found: Scenario, options: RunOptions) -> Plan:
    """The plan for what was asked. Raises UsageError for an unknown experiment, variant or factor."""
    experiments = _experiments(found, options.experiment)
    if options.settings:
        if options.variants:
            raise UsageError(
                f"{command_text.factors()} makes a variant of its own, "
                f"and {command_text.option('variant')} names others",
                expected="one of the two",
            )
        found.check_factors(options.settings, command_text.factors())
        planned = [PlannedVariant(e, CUSTOM, dict(options.settings), options.trials or e.trials) for e in experiments]
    else:
        planned = [
            PlannedVariant(e, name, e.variants[name], options.trials or found.trials_of(e, name))
            for e in experiments
            for name in _variants(e, options.variants, experiments)
        ]
    return Plan(found, tuple(planned), _jobs(found, options.jobs, experiments), options.keep_going)


def _jobs(found: Scenario, wanted: int | None, experiments: Sequence[Experiment]) -> int:
    """How many trials run side by side. Those of such experiments mostly wait: two for each processor."""
    if not any(experiment.parallel for experiment in experiments):
        if (wanted or 1) > 1:
            raise UsageError(
                f"{command_text.option('jobs', wanted)}: {found.name} puts load on its stacks, and two at once would "
                "disturb each other",
                expected=command_text.option("jobs", 1),
            )
        return 1
    return wanted or min(2 * (os.cpu_count() or 1), MOST_JOBS)


def _experiments(found: Scenario, name: str) -> list[Experiment]:
    if not name:
        return list(found.experiments.values())
    if name not in found.experiments:
        raise UsageError(f"{found.name} has no experiment {name!r}", expected="one of " + ", ".join(found.experiments))
    return [found.experiments[name]]


def _variants(experiment: Experiment, wanted: Sequence[str], chosen: Sequence[Experiment]) -> list[str]:
    if not wanted:
        return list(experiment.variants)
    known = {name for one in chosen for name in one.variants}
    for name in wanted:
        if name not in known:
            raise UsageError(f"no variant {name!r}{hint(name, known)}", expected="one of " + ", ".join(sorted(known)))
    return [name for name in experiment.variants if name in wanted]
