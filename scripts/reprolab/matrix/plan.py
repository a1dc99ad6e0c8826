"""Plans a matrix: the experiment and the claims, and a cell for every combination of the axes' values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import SystemRandom

from reprolab.core import command_text
from reprolab.core.errors import UsageError
from reprolab.matrix import grid
from reprolab.matrix.grid import Coordinates
from reprolab.measure.asked import known_claim
from reprolab.measure.axis import Axis, Value
from reprolab.measure.cell import Cell
from reprolab.run.plan import SEEDS
from reprolab.scenario.digest import case_digest
from reprolab.scenario.model import Claim, Experiment, Scenario

# Adds the factors that a set of factors needs; those that are there stay as they are.
Companions = Callable[[Mapping[str, str]], Mapping[str, str]]


@dataclass(frozen=True)
class GridPoint:
    """A combination of values with its cell; ``companions`` are the factors that the scenario adds for it."""

    coordinates: Coordinates
    cell: Cell
    companions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class MatrixOptions:
    """What the user asked for. Empty or None: not given."""

    scenario: str
    experiment: str = ""
    claims: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    trials: int | None = None
    budget: float | None = None
    seed: int | None = None


@dataclass(frozen=True)
class MatrixPlan:
    """The cells of a matrix and how they are measured.

    Doubt is narrowed for ``claims``; the others of the experiment are counted too. A cell in doubt gets up to
    ``trials`` trials. After ``budget`` seconds no further cell begins. ``seed`` gives the order of the cells.
    ``case`` is the digest of the scenario's files when it was loaded.
    """

    scenario: Scenario
    experiment: Experiment
    claims: tuple[Claim, ...]
    axes: tuple[Axis, ...]
    points: tuple[GridPoint, ...]
    fixed: Mapping[str, str] = field(default_factory=dict)
    trials: int = 1
    budget: float | None = None
    seed: int = 0
    case: str = ""


def make_plan(
    scenario: Scenario,
    options: MatrixOptions,
    axes: Sequence[Axis],
    companions: Companions = lambda settings: settings,
) -> MatrixPlan:
    """The plan of a matrix over ``axes``.

    Raises UsageError for an unknown experiment, claim, factor or value, and for a factor that is given twice.
    """
    _check_factors(scenario, options.settings, axes)
    experiment = _experiment(scenario, options)
    distinct = tuple(replace(axis, values=_distinct(axis)) for axis in axes)
    return MatrixPlan(
        scenario,
        experiment,
        _claims(scenario, experiment, options),
        distinct,
        tuple(_points(scenario, experiment, distinct, options.settings, companions)),
        dict(options.settings),
        options.trials or experiment.trials,
        options.budget,
        SystemRandom().randrange(SEEDS) if options.seed is None else options.seed,
        case_digest(scenario.directory),
    )


def _distinct(axis: Axis) -> tuple[Value, ...]:
    """The values of an axis, each once: a range and a list may name the same one."""
    first = {value.text: value for value in reversed(axis.values)}
    return tuple(first[text] for text in dict.fromkeys(grid.texts(axis)))


def _check_factors(scenario: Scenario, settings: Mapping[str, str], axes: Sequence[Axis]) -> None:
    words = command_text.beside(command_text.MATRIX_WORDS)
    scenario.check_factors(settings, command_text.factors(), words, kernel=True)
    names = [axis.factor for axis in axes]
    if twice := [name for name in settings if name in names] + [name for name in names if names.count(name) > 1]:
        raise UsageError(
            f"{twice[0]} is given twice",
            expected=f"each factor once: in {command_text.option('over')}, or as a setting of all cells",
        )
    for axis in axes:
        if not axis.values:
            raise UsageError(f"{command_text.option('over')}: {axis.factor} has no value", expected="FACTOR=VALUES")
        for value in axis.values:
            scenario.check_factors({axis.factor: value.text}, command_text.option("over"), kernel=True)


def _experiment(scenario: Scenario, options: MatrixOptions) -> Experiment:
    """The experiment that was named, that of the claims, the main claim's, or the only one."""
    every = scenario.experiments
    if options.experiment:
        return scenario.experiment(options.experiment)
    if options.claims:
        return _experiment_of(scenario, options.claims)
    main = scenario.main_experiment or (next(iter(every.values())) if len(every) == 1 else None)
    if main is None:
        raise UsageError(
            f"{scenario.name} has several experiments and no main claim",
            expected=f"SCENARIO/EXPERIMENT with one of {', '.join(every)}, or {command_text.option('claim', 'ID')}",
        )
    return main


def _experiment_of(scenario: Scenario, claims: Iterable[str]) -> Experiment:
    """The experiment of some claims. Raises UsageError if they are of several ones."""
    homes = {claim.id: experiment for experiment in scenario.experiments.values() for claim in experiment.claims}
    names = dict.fromkeys(known_claim(claim, homes, scenario.name) and homes[claim].name for claim in claims)
    if len(names) > 1:
        raise UsageError(
            f"the claims {', '.join(claims)} are of several experiments: {', '.join(names)}",
            expected="claims of one experiment",
        )
    return scenario.experiments[next(iter(names))]


def _claims(scenario: Scenario, experiment: Experiment, options: MatrixOptions) -> tuple[Claim, ...]:
    """The claims that were asked for, the main claim, or the only one."""
    claims = {claim.id: claim for claim in experiment.claims}
    if options.claims:
        return tuple(claims[known_claim(name, claims, experiment.name)] for name in dict.fromkeys(options.claims))
    if scenario.main_claim in experiment.claims and scenario.main_claim:
        return (scenario.main_claim,)
    if len(claims) != 1:
        raise UsageError(
            f"{experiment.name} has {len(claims)} claims, and none of them is the scenario's main claim",
            expected=f"{command_text.option('claim', 'ID')} with one of {', '.join(claims)}",
        )
    return tuple(claims.values())


def _points(
    scenario: Scenario,
    experiment: Experiment,
    axes: Sequence[Axis],
    fixed: Mapping[str, str],
    companions: Companions,
) -> Iterable[GridPoint]:
    for coordinates in grid.points(axes):
        settings = {**fixed, **{axis.factor: text for axis, text in zip(axes, coordinates, strict=True)}}
        complete = {**companions(settings), **settings}
        added = {
            name: value
            for name, value in complete.items()
            if name not in settings and value != scenario.factors.get(name)
        }
        yield GridPoint(coordinates, Cell.of(scenario, experiment.name, complete), added)
