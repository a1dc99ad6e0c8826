"""Holds the trials of a run against its plan: which are damaged, missing or there twice, and what that concerns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from reprolab.evidence.run_info import PlanEntry, RunInfo
from reprolab.evidence.trials_file import TrialLines
from reprolab.scenario.trial import TrialRecord

Variant = tuple[str, str]
MOST_NAMED = 3


@dataclass(frozen=True)
class CheckedTrials:
    """The trials of a run that can be read, each once, and what is wrong with the others.

    ``faults`` has a line for each fault; a run with one is incomplete. ``doubted`` is (experiment, variant) -> the
    first fault that concerns it: no verdict may rest on such a variant. ``notes`` are no faults.
    """

    records: tuple[TrialRecord, ...]
    faults: tuple[str, ...] = ()
    doubted: Mapping[Variant, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The first faults in one line; "" for a sound record."""
        more = len(self.faults) - MOST_NAMED
        return "; ".join(self.faults[:MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")

    @property
    def lines(self) -> list[str]:
        """What a report says."""
        return [*([f"this run's record is incomplete: {self.words}"] if self.faults else []), *self.notes]


def hold_against_plan(read: TrialLines, info: RunInfo | None, name: str) -> CheckedTrials:
    """Check the trials of a run; ``name`` is that of their file, ``info`` None where nothing is known of the run.

    Only of a complete run all planned trials must be there.
    """
    plan = info.plan if info else ()
    missing = _missing(read, plan) if info and info.complete else {}
    # A run of an older release need not have all its trials in its plan.
    surplus = _surplus(read, info, name) if info and info.checksums else {}
    lacks = {
        variant: f"{name} lacks trials of {'/'.join(variant)} ({ran} of {planned})"
        for variant, (ran, planned) in missing.items()
    }
    twice = {
        trial: f"{name}, lines {' and '.join(map(str, numbers))} both hold trial {trial[2]} of {trial[0]}/{trial[1]}"
        for trial, numbers in read.twice.items()
    }
    doubted = {variant: read.damaged[0] if read.damaged else fault for variant, fault in lacks.items()}
    doubted = surplus | {trial[:2]: fault for trial, fault in twice.items()} | doubted
    if len(read.damaged) > sum(planned - ran for ran, planned in missing.values()):
        # Nobody knows whose trial a damaged line was, unless a planned one is missing for it.
        known = [*((row.experiment, row.variant) for row in plan), *((r.experiment, r.variant) for r in read.records)]
        doubted = dict.fromkeys(known, read.damaged[0]) | doubted
    faults = (*read.damaged, *lacks.values(), *twice.values(), *surplus.values())
    if read.unchecked and info and info.checksums:
        lost = f"the lines of {name} have lost their checksums, so nobody knows what was changed in them"
        doubted = {(row.experiment, row.variant): lost for row in read.records}
        return CheckedTrials(read.records, (lost, *faults), doubted)
    notes = [read.torn] if read.torn else []
    if faults and read.unchecked:
        notes.append(f"the lines of {name} have no checksums (an older release wrote them): other damage may not show")
    return CheckedTrials(read.records, faults, doubted, tuple(notes))


def _surplus(read: TrialLines, info: RunInfo, name: str) -> dict[Variant, str]:
    """The variants with a trial that the plan has not. That of a complete run names what ran, repeated trials too."""
    planned = {(row.experiment, row.variant): row for row in info.plan}
    return {
        (
            row.experiment,
            row.variant,
        ): f"{name} has trial {row.trial} of {row.experiment}/{row.variant}, which run.json has not in its plan"
        for row in read.records
        if (row.experiment, row.variant) not in planned
        or (info.complete and not planned[row.experiment, row.variant].has(row.trial))
    }


def _missing(read: TrialLines, plan: tuple[PlanEntry, ...]) -> dict[Variant, tuple[int, int]]:
    """Of the variants that lack planned trials, the number of those that are there and of those planned."""
    numbers: defaultdict[Variant, set[int]] = defaultdict(set)
    for row in read.records:
        numbers[row.experiment, row.variant].add(row.trial)
    counts = {(row.experiment, row.variant): row.trials - len(row.skipped) for row in plan}
    return {key: (len(numbers[key]), planned) for key, planned in counts.items() if len(numbers[key]) < planned}
