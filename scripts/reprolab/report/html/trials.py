"""The timelines of a run for the page: those of an experiment have one axis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reprolab.core.number_words import grouped, seconds
from reprolab.evidence.run_dir import RunDirectory, TrialDirectory
from reprolab.evidence.series import SAMPLES_FILE, SERIES_FILE, Sample, read_series
from reprolab.report import table
from reprolab.report.html import series_chart, timeline_chart, timeline_data
from reprolab.report.timeline import Timeline, timeline
from reprolab.scenario.event import KINDS, Event
from reprolab.scenario.model import Experiment, Scenario
from reprolab.scenario.trial import TrialRecord

# The marks of all timelines of a page together: it stays below 5 MB.
ALL_MARKS = 12_000
FEWEST_MARKS = 40
# The kinds of event that the words above the first two timelines name.
BRIEF = ("killed", "gone", "traceback")


@dataclass(frozen=True)
class ShownTrial:
    """One trial of the page: its timeline, or in ``fault`` the error (empty if the evidence has no events).

    ``series`` are the samples of its services.
    """

    record: TrialRecord
    evidence: TrialDirectory
    timeline: Timeline | None
    fault: str = ""
    series: Sequence[Sample] = ()


@dataclass
class Charts:
    """The charts of a page: specifications, and data by the id of the HTML element."""

    specs: list[Any] = field(default_factory=list)
    items: dict[str, Any] = field(default_factory=dict)

    def add(self, spec: Any, **item: Any) -> str:
        """Add a chart; returns its id. Equal specifications are stored once."""
        if spec not in self.specs:
            self.specs.append(spec)
        name = f"chart-{len(self.items)}"
        self.items[name] = {"spec": self.specs.index(spec), **item}
        return name

    def to_json(self) -> dict[str, Any]:
        """The data for the page's script."""
        return {"specs": self.specs, "charts": self.items, "kinds": list(KINDS)}


def read_trials(scenario: Scenario, run: RunDirectory, trials: Iterable[TrialRecord]) -> list[ShownTrial]:
    """Read the timelines of trials. If an experiment's events raise an error, only that timeline is missing."""
    return [
        replace(_read_trial(scenario.experiments[record.experiment], run, record), series=_read_series(run, record))
        for record in trials
        if record.experiment in scenario.experiments
    ]


def _read_trial(experiment: Experiment, run: RunDirectory, record: TrialRecord) -> ShownTrial:
    return read_trial(experiment, run.trial(record.experiment, record.variant, record.trial), record)


def read_trial(experiment: Experiment, evidence: TrialDirectory, record: TrialRecord) -> ShownTrial:
    """The timeline of one trial, without the series of its services."""
    if not (record.valid and evidence.path.is_dir()):
        return ShownTrial(record, evidence, None)
    try:
        return ShownTrial(record, evidence, timeline(experiment, evidence, record.observation))
    except KeyError as error:
        return ShownTrial(record, evidence, None, f"its observation has no {error}; it may be of an older release")
    except Exception as error:
        return ShownTrial(record, evidence, None, f"{type(error).__name__}: {error}")


def _read_series(run: RunDirectory, record: TrialRecord) -> tuple[Sample, ...]:
    directory = run.trial(record.experiment, record.variant, record.trial).path
    return (*read_series(directory / SERIES_FILE), *read_series(directory / SAMPLES_FILE))


def timelines(scenario: Scenario, trials: Sequence[ShownTrial], charts: Charts) -> list[dict[str, Any]]:
    """One section for each experiment whose trials have timelines or series."""
    most = max(FEWEST_MARKS, min(timeline_data.MOST_MARKS, ALL_MARKS // max(1, len(trials))))
    most_points = series_chart.points_for(sum(len(series_chart.services(trial.series)) for trial in trials))
    sections = []
    for experiment in scenario.experiments.values():
        of_experiment = [trial for trial in trials if trial.record.experiment == experiment.name]
        lines = [trial.timeline for trial in of_experiment if trial.timeline]
        faults = _faults(of_experiment)
        series = _series(of_experiment, timeline_data.axis(lines) if lines else None, most_points, charts)
        if lines or faults or series:
            section = _section(experiment, of_experiment, lines, faults, most, charts)
            sections.append(section | {"series": series})
    return sections


def _faults(trials: Sequence[ShownTrial]) -> list[str]:
    """Each reason why timelines are missing, with the names of its variants."""
    by_fault: dict[str, list[str]] = {}
    for trial in trials:
        if trial.fault:
            by_fault.setdefault(trial.fault, []).append(trial.record.variant)
    return [f"{', '.join(dict.fromkeys(names))}: {fault}" for fault, names in by_fault.items()]


@dataclass(frozen=True)
class Axis:
    """What several timelines share: from and to in ms, the lanes of events, the statuses, the ends of their scales."""

    span: tuple[float, float]
    lanes: Sequence[str]
    statuses: Sequence[str]
    most: Sequence[int] = ()
    # A specification takes a tenth of a second: all trials with equally long steps share it.
    _specs: dict[int, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, lines: Sequence[Timeline], *, common: bool = False) -> Axis:
        """The axis of these timelines; ``common``: with one vertical scale, if their steps are equally long."""
        statuses = timeline_data.statuses(lines)
        same = len({line.step_ms for line in lines}) == 1
        most = [
            max(timeline_data.highest(line, lane) for line in lines) for lane in timeline_chart.response_lanes(statuses)
        ]
        return cls(timeline_data.axis(lines), timeline_data.lanes(lines), statuses, most if common and same else ())

    def draw(self, trial: ShownTrial, line: Timeline, most_marks: int, charts: Charts) -> dict[str, Any]:
        """Add the chart of a trial; returns what the template needs of it."""
        data = timeline_data.timeline_data(line, self.statuses, self.lanes, self.span, most_marks)
        lane_of = {s: n for n, lane in enumerate(timeline_chart.response_lanes(self.statuses)) for s in lane}
        places = [lane_of[status] for status in self.statuses]
        spec = self._spec(line.step_ms)
        return {
            "id": charts.add(spec, kind="timeline", lanes=self.lanes, statuses=self.statuses, places=places, **data),
            "height": timeline_chart.height(self.lanes, self.statuses),
            "trial": trial.record.trial,
            "summary": _summarize(line),
            "brief": _summarize(line, BRIEF),
            "early": data["early"],
        }

    def _spec(self, step_ms: int) -> Any:
        if step_ms not in self._specs:
            self._specs[step_ms] = timeline_chart.timeline_spec(
                self.span, self.lanes, self.statuses, step_ms, self.most
            )
        return self._specs[step_ms]

    def legend(self) -> dict[str, Any]:
        """The kinds and the statuses with their colours."""
        return {
            "kinds": [kind for kind in KINDS if kind in self.lanes],
            "statuses": [(status, timeline_chart.colour(status)) for status in self.statuses],
        }


def opening(trials: Sequence[ShownTrial], charts: Charts) -> dict[str, Any] | None:
    """These trials side by side on one axis and one scale, for the top of a page; None if none has a timeline."""
    shown = [(trial, trial.timeline) for trial in trials if trial.timeline]
    if not shown:
        return None
    axis = Axis.of([line for _, line in shown], common=True)
    tracks = [
        {
            "name": trial.record.variant,
            "changes": table.changes_text(trial.record.factors),
            **axis.draw(trial, line, timeline_data.MOST_MARKS, charts),
        }
        for trial, line in shown
    ]
    return {"tracks": tracks, "step": shown[0][1].step_ms, **axis.legend()}


def _section(
    experiment: Experiment,
    trials: Sequence[ShownTrial],
    lines: Sequence[Timeline],
    faults: list[str],
    most: int,
    charts: Charts,
) -> dict[str, Any]:
    section = {"name": experiment.name, "summary": experiment.summary, "faults": faults, "variants": [], "lanes": []}
    if not lines:
        return section
    axis = Axis.of(lines)
    by_variant: dict[str, list[dict[str, Any]]] = {}
    for trial in trials:
        if trial.timeline:
            by_variant.setdefault(trial.record.variant, []).append(axis.draw(trial, trial.timeline, most, charts))
    changes = {trial.record.variant: table.changes_text(trial.record.factors) for trial in trials}
    order = [name for name in experiment.variants if name in by_variant]
    order += [name for name in by_variant if name not in order]
    return section | {
        "lanes": axis.lanes,
        **axis.legend(),
        "clock": any(line.zero_ns for line in lines),
        "step": max(line.step_ms for line in lines),
        "variants": [{"name": n, "changes": changes[n], "charts": by_variant[n]} for n in order],
        "without": sorted({trial.record.variant for trial in trials} - set(by_variant)),
    }


def _series(
    trials: Sequence[ShownTrial], span: tuple[float, float] | None, most: int, charts: Charts
) -> list[dict[str, Any]]:
    """The charts of the trials' series. Where a trial has a moment zero, they have the axis of its timeline."""
    shown = [trial for trial in trials if trial.series]
    names = list(dict.fromkeys(name for trial in shown for name in series_chart.services(trial.series)))
    parts = []
    for trial in shown:
        zero = trial.timeline.zero_ns if trial.timeline else 0
        first, last = (pick(sample.at_ns for sample in trial.series) for pick in (min, max))
        axis = span if span and zero else (0.0, max((last - first) / 1e6, 1.0))
        data = series_chart.series_data(trial.series, zero or first, axis, most)
        parts.append(
            {
                "id": charts.add(series_chart.series_spec(axis, names), kind="series", services=data),
                "height": series_chart.HEIGHT,
                "variant": trial.record.variant,
                "trial": trial.record.trial,
                "summary": series_chart.words(trial.series),
                "busy": trial.record.busy,
                "services": [(name, series_chart.colour(name, names)) for name in data],
            }
        )
    return parts


def _summarize(line: Timeline, kinds: Sequence[str] = KINDS) -> str:
    """A timeline in words: the number of responses of each status, and of each kind of event, and when it was first."""
    parts = [f"{grouped(sum(counts), ' ')} × {status}" for status, counts in sorted(line.responses.items())]
    counts = Counter(event.kind for event in line.events if event.kind != "note")
    first = {event.kind: event.at_ms for event in reversed(line.events)}
    parts += [
        f"{kind} at {seconds(first[kind])}" if n == 1 else f"{kind} {n} times, from {seconds(first[kind])} on"
        for kind in kinds
        if (n := counts[kind])
    ]
    if kinds != KINDS and line.responses:
        return " · ".join(parts)
    lanes: dict[str, list[Event]] = {}
    for event in line.events:
        if event.kind == "note":
            lanes.setdefault(event.source, []).append(event)
    parts += [_summarize_notes(name, events) for name, events in lanes.items()]
    return " · ".join(parts)


def _summarize_notes(source: str, events: Sequence[Event]) -> str:
    """The notes of one source in words."""
    if len(events) > 1:
        return f"{source} {len(events)} times"
    (event,) = events
    if event.end_ms > event.at_ms:
        return f"{source} {seconds(event.at_ms).removesuffix(' s')}–{seconds(event.end_ms)}"
    return f"{source} at {seconds(event.at_ms)}"
