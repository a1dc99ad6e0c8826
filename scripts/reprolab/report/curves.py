"""The curves of a run or of a record as points and as a table of texts, for all kinds of report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from reprolab.core.number_words import grouped
from reprolab.core.stats import rate_text
from reprolab.report.table import NOTHING, UNREADABLE, list_first
from reprolab.scenario.model import Curve, Experiment, Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.curve_points import CurvePoint, MeasuredCurve, PointValue
from reprolab.verdict.measured import measure
from reprolab.verdict.record import RecordedRun

VARIANT = "variant"
RATE_BASIS = "Points are rates over all valid trials; bars are their 95 % intervals (Wilson)."
NUMBER_BASIS = "Points are medians over the valid trials."


@dataclass(frozen=True)
class PlottedCurve:
    """A curve with what was measured: variant -> points.

    ``number`` counts the curves of a scenario from 1. The name of a curve's picture has it.
    """

    number: int
    experiment: str
    curve: Curve
    measured: Mapping[str, MeasuredCurve]

    @cached_property
    def points(self) -> tuple[tuple[str, CurvePoint], ...]:
        """Each point with its variant, in the order of x."""
        pairs = [(name, point) for name, measured in self.measured.items() for point in measured.points]
        return tuple(sorted(pairs, key=lambda pair: pair[1].x))

    @property
    def lines(self) -> tuple[str, ...]:
        """The variants with a line. If the curve goes over the variants, it has a single line without a name."""
        named = tuple(name for name, measured in self.measured.items() if measured.points)
        return named if not self.curve.over_variants else ("",) if named else ()

    @property
    def is_rate(self) -> bool:
        return any(point.is_rate for _, point in self.points)

    @property
    def mixed(self) -> bool:
        """Whether some points are rates and others are numbers, so that they have no common axis."""
        return len({point.is_rate for _, point in self.points}) > 1

    @property
    def drawable(self) -> bool:
        """Whether a chart has a point: all are of one kind, and a rate of no tries has no place."""
        return not self.mixed and any(not isinstance(point.value, tuple) or point.value[1] for _, point in self.points)

    @property
    def basis(self) -> str:
        """What the points of a chart are."""
        return RATE_BASIS if self.is_rate else NUMBER_BASIS

    @property
    def mistakes(self) -> list[str]:
        """One line for each error of the curve's function, with the variants in which it arose."""
        where: dict[str, list[str]] = {}
        for name, measured in self.measured.items():
            if measured.error:
                where.setdefault(measured.error, []).append(name)
        about = f"{UNREADABLE} the curve {self.curve.title!r} of {self.experiment} cannot be"
        lines = [f"{about} read in {list_first(names)}: {error}" for error, names in where.items()]
        if self.mixed:
            lines.append(f"{about} drawn: some variants have rates (k, n), and others have numbers")
        return lines

    def title_of(self, variant: str) -> str:
        """The name of a variant; a question mark follows if the curve's function raised an error in it."""
        return f"{variant} {UNREADABLE}" if self.measured[variant].error else variant


Cells = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]


def plot(scenario: Scenario, trials: Iterable[TrialRecord]) -> list[PlottedCurve]:
    """The curves of a run that have points or errors."""
    by_variant: dict[tuple[str, str], list[TrialRecord]] = {}
    for trial in trials:
        by_variant.setdefault((trial.experiment, trial.variant), []).append(trial)
    measured = {
        scenario.variant_key(experiment, variant): measure((), rows, scenario.experiments[experiment].curves).curves
        for (experiment, variant), rows in by_variant.items()
        if experiment in scenario.experiments
    }
    return _plot(scenario, measured)


def plot_record(scenario: Scenario, record: RecordedRun) -> list[PlottedCurve]:
    """The curves that are on record. A record of before a curve was defined does not have it."""
    return _plot(scenario, {key: measured.curves for key, measured in record.measured.items()})


def _plot(scenario: Scenario, measured: Mapping[str, Mapping[str, MeasuredCurve]]) -> list[PlottedCurve]:
    plotted = []
    for number, (experiment, curve) in enumerate(all_curves(scenario), 1):
        prefix = scenario.variant_key(experiment.name, "")
        by_variant = {
            key.removeprefix(prefix): curves[curve.title]
            for key, curves in measured.items()
            if key.startswith(prefix) and curve.title in curves
        }
        names = [name for name in curve.variants or experiment.variants if name in by_variant]
        # A variant of own factors is in no list.
        names += [name for name in by_variant if name not in experiment.variants]
        if names:
            plotted.append(PlottedCurve(number, experiment.name, curve, {name: by_variant[name] for name in names}))
    return plotted


def all_curves(scenario: Scenario) -> Iterator[tuple[Experiment, Curve]]:
    """Each curve of a scenario with its experiment."""
    return ((experiment, curve) for experiment in scenario.experiments.values() for curve in experiment.curves)


def cells(plotted: PlottedCurve, *, intervals: bool = True, across: bool = False) -> Cells:
    """The headings and rows of a curve's table: a row for each x, and a column for each variant.

    With ``across`` it has a column for each x. ``intervals`` adds the 95 % Wilson interval to rates. A curve over the
    variants has a row for each of its points.
    """
    curve = plotted.curve
    if curve.over_variants:
        rows: list[tuple[str, ...]] = [
            (number_text(point.x), plotted.title_of(name), _value_text(point.value, intervals))
            for name, point in plotted.points
        ]
        rows += [(NOTHING, plotted.title_of(name), NOTHING) for name, row in plotted.measured.items() if not row.points]
        return (curve.x, VARIANT, curve.y), tuple(rows)
    values = {(name, point.x): _value_text(point.value, intervals) for name, point in plotted.points}
    places = list(dict.fromkeys(point.x for _, point in plotted.points))
    titles = {name: plotted.title_of(name) for name in plotted.measured}
    if across:
        rows = [(title, *(values.get((name, x), NOTHING) for x in places)) for name, title in titles.items()]
        return (VARIANT, *map(number_text, places)), tuple(rows)
    rows = [(number_text(x), *(values.get((name, x), NOTHING) for name in titles)) for x in places]
    return (curve.x, *titles.values()), tuple(rows)


def number_text(value: float) -> str:
    """A number with at most six digits, and spaces between its thousands."""
    if value == int(value):
        return grouped(int(value))
    return f"{value:,.0f}".replace(",", "\N{NO-BREAK SPACE}") if abs(value) >= 1000 else f"{value:.6g}"


def _value_text(value: PointValue, intervals: bool) -> str:
    if isinstance(value, tuple):
        return rate_text(*value) if intervals else f"{value[0]}/{value[1]}"
    return number_text(value)


def by_experiment(curves: Sequence[PlottedCurve], experiment: str) -> list[PlottedCurve]:
    """The curves of one experiment."""
    return [plotted for plotted in curves if plotted.experiment == experiment]
