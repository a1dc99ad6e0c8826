"""The trials of a run as the page shows them in time: those of an experiment on one axis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from reprolab.evidence.run_dir import RunDirectory, TrialDirectory
from reprolab.report import table
from reprolab.report.html import timeline_chart, timeline_data
from reprolab.report.timeline import Timeline, timeline
from reprolab.scenario.event import KINDS, Event
from reprolab.scenario.model import Experiment, Scenario
from reprolab.scenario.trial import TrialRecord

# What all timelines of a page may have together; it stays below 5 MB with them.
ALL_MARKS = 12_000
FEWEST_MARKS = 40


@dataclass(frozen=True)
class Shown:
    """One trial of the page: its timeline, or why there is none (empty where its evidence has no moments)."""

    record: TrialRecord
    evidence: TrialDirectory
    timeline: Timeline | None
    fault: str = ""


@dataclass
class Charts:
    """The charts of a page: specifications and data, by the name of the element that they are drawn in."""

    specs: list[Any] = field(default_factory=list)
    items: dict[str, Any] = field(default_factory=dict)

    def add(self, spec: Any, **item: Any) -> str:
        """Keep a chart; returns its name. A specification that is kept already is not kept twice."""
        if spec not in self.specs:
            self.specs.append(spec)
        name = f"chart-{len(self.items)}"
        self.items[name] = {"spec": self.specs.index(spec), **item}
        return name

    def to_json(self) -> dict[str, Any]:
        """All of it, for the page's script."""
        return {"specs": self.specs, "charts": self.items, "kinds": list(KINDS)}


def shown(scenario: Scenario, run: RunDirectory, trials: Iterable[TrialRecord]) -> list[Shown]:
    """The trials with their timelines; a mistake in an experiment's events costs that timeline only."""
    return [
        _shown(scenario.experiments[record.experiment], run, record)
        for record in trials
        if record.experiment in scenario.experiments
    ]


def _shown(experiment: Experiment, run: RunDirectory, record: TrialRecord) -> Shown:
    evidence = run.trial(record.experiment, record.variant, record.trial)
    if not (record.valid and evidence.path.is_dir()):
        return Shown(record, evidence, None)
    try:
        return Shown(record, evidence, timeline(experiment, evidence, record.observation))
    except KeyError as error:
        return Shown(record, evidence, None, f"its observation has no {error}; it may be of an older release")
    except Exception as error:
        return Shown(record, evidence, None, f"{type(error).__name__}: {error}")


def timelines(scenario: Scenario, trials: Sequence[Shown], drawn: Charts) -> list[dict[str, Any]]:
    """A section for each experiment whose trials have timelines, all of them on one axis."""
    most = max(FEWEST_MARKS, min(timeline_data.MOST_MARKS, ALL_MARKS // max(1, len(trials))))
    sections = []
    for experiment in scenario.experiments.values():
        of_experiment = [trial for trial in trials if trial.record.experiment == experiment.name]
        lines = [trial.timeline for trial in of_experiment if trial.timeline]
        faults = _faults(of_experiment)
        if lines or faults:
            sections.append(_section(experiment, of_experiment, lines, faults, most, drawn))
    return sections


def _faults(trials: Sequence[Shown]) -> list[str]:
    """Why there are timelines missing, each reason once with the variants it holds for."""
    by_fault: dict[str, list[str]] = {}
    for trial in trials:
        if trial.fault:
            by_fault.setdefault(trial.fault, []).append(trial.record.variant)
    return [f"{', '.join(dict.fromkeys(names))}: {fault}" for fault, names in by_fault.items()]


def _section(
    experiment: Experiment,
    trials: Sequence[Shown],
    lines: Sequence[Timeline],
    faults: list[str],
    most: int,
    drawn: Charts,
) -> dict[str, Any]:
    section = {"name": experiment.name, "summary": experiment.summary, "faults": faults, "variants": [], "lanes": []}
    if not lines:
        return section
    span, names, statuses = timeline_data.axis(lines), timeline_data.lanes(lines), timeline_data.statuses(lines)

    specs = {
        step: timeline_chart.timeline_spec(span, names, statuses, step) for step in {line.step_ms for line in lines}
    }

    def chart(trial: Shown, line: Timeline) -> dict[str, Any]:
        data = timeline_data.timeline_data(line, statuses, names, span, most)
        return {
            "id": drawn.add(specs[line.step_ms], kind="timeline", lanes=names, statuses=statuses, **data),
            "height": timeline_chart.height(names, statuses),
            "trial": trial.record.trial,
            "told": _told(line),
            "early": data["early"],
        }

    by_variant: dict[str, list[dict[str, Any]]] = {}
    for trial in trials:
        if trial.timeline:
            by_variant.setdefault(trial.record.variant, []).append(chart(trial, trial.timeline))
    changes = {trial.record.variant: table.changes_text(trial.record.factors) for trial in trials}
    order = [name for name in experiment.variants if name in by_variant]
    order += [name for name in by_variant if name not in order]
    return section | {
        "lanes": names,
        "kinds": [kind for kind in KINDS if kind in names],
        "statuses": [(status, timeline_chart.colour(status)) for status in statuses],
        "clock": any(line.zero_ns for line in lines),
        "step": max(line.step_ms for line in lines),
        "variants": [{"name": n, "changes": changes[n], "charts": by_variant[n]} for n in order],
        "without": sorted({trial.record.variant for trial in trials} - set(by_variant)),
    }


def _told(line: Timeline) -> str:
    """A timeline in words: how many answers of each status, what happened how often, and when first."""
    parts = [f"{sum(counts):,} × {status}".replace(",", " ") for status, counts in sorted(line.responses.items())]
    counts = Counter(event.kind for event in line.events if event.kind != "note")
    first = {event.kind: event.at_ms for event in reversed(line.events)}
    parts += [
        f"{kind} at {first[kind] / 1000:.2f} s" if n == 1 else f"{kind} {n} times, from {first[kind] / 1000:.2f} s on"
        for kind in KINDS
        if (n := counts[kind])
    ]
    lanes: dict[str, list[Event]] = {}
    for event in line.events:
        if event.kind == "note":
            lanes.setdefault(event.source, []).append(event)
    parts += [_lane_told(name, events) for name, events in lanes.items()]
    return " · ".join(parts)


def _lane_told(name: str, events: Sequence[Event]) -> str:
    """A lane of an experiment's own, in words."""
    if len(events) > 1:
        return f"{name} {len(events)} times"
    (only,) = events
    begun, ended = only.at_ms / 1000, only.end_ms / 1000
    return f"{name} {begun:.2f}–{ended:.2f} s" if ended > begun else f"{name} at {begun:.2f} s"
