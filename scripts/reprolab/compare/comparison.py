"""The whole comparison of two sides as plain data, for the terminal and the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reprolab.compare.differences import Finding, Standing, alike, causes_first, differing, findings
from reprolab.compare.facts import facts
from reprolab.compare.line_counts import LEFT, RIGHT, Tally
from reprolab.compare.log_reader import Log, sources, zero
from reprolab.compare.observations import Facts
from reprolab.compare.select import Side
from reprolab.compare.side_by_side import Aligned, Stretch, align, neighbours
from reprolab.core.progress import OnProgress
from reprolab.report.timeline import load_start
from reprolab.scenario.model import Scenario

# The number of findings that are shown with the lines around them, and the least weight of these.
MOST_SURROUNDED = 8
SURROUNDED_WEIGHT = 2
MOST_FINDINGS = 200


@dataclass(frozen=True)
class LogPair:
    """One log of both sides: its lines per trial, the findings, and the first trials side by side.

    ``alike`` is the number of kinds of line without a difference. ``notes`` say what was left out.
    """

    name: str
    lines: tuple[tuple[int, ...], tuple[int, ...]]
    findings: tuple[Finding, ...]
    alike: int
    aligned: Aligned | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Two sides with the differences in facts and in logs. ``around`` maps a finding to the lines around its first.

    ``findings`` are those of all logs, by descending score; among the first ones, a cause stands before what follows.
    Times of lines begin when the load began, if ``from_load``, else with the first line of the trial.
    """

    left: Side
    right: Side
    warnings: tuple[str, ...]
    facts: tuple[Facts, ...]
    sources: tuple[LogPair, ...]
    findings: list[Finding]
    around: Mapping[Finding, tuple[Stretch, ...]]
    scenario: Scenario | None = None
    from_load: bool = False

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.left, self.right

    def name(self, side: int) -> str:
        """The name of a side: its variant, with the run or the scenario if these differ."""
        this, other = self.sides[side], self.sides[1 - side]
        if this.by_hand and other.by_hand and this.label != other.label:
            return this.label if this.scenario == other.scenario else f"{this.scenario} {this.label}"
        if this.run.path == other.run.path:
            return this.label if this.experiment == other.experiment else f"{this.experiment}/{this.label}"
        return f"{this.run.name} {this.label}" if this.scenario == other.scenario else f"{this.scenario} {this.label}"

    @property
    def known_chance(self) -> bool:
        """Whether a side has a second trial, which shows differences by chance."""
        return any(len(side.every) > 1 for side in self.sides)


def compare(
    left: Side,
    right: Side,
    scenario: Scenario | None,
    warnings: Sequence[str],
    only: Sequence[str],
    on_progress: OnProgress,
) -> Comparison:
    """Compare two sides. ``only`` names the logs to read; if it is empty, all are read."""
    paths = tuple([sources(side.directory(trial)) for trial in side.every] for side in (left, right))
    starts = tuple([load_start(trial.observation) for trial in side.every] for side in (left, right))
    from_load = all(start for side in starts for start in side)
    zeros: Zeros = starts if from_load else tuple([zero(logs_of_trial) for logs_of_trial in side] for side in paths)
    names = dict.fromkeys(name for side in paths for logs_of_trial in side for name in logs_of_trial)
    pairs = tuple(
        _compare_log(name, (left, right), paths, zeros, on_progress) for name in names if not only or name in only
    )
    missing = [name for name in only if name not in names]
    notes = [*warnings, *(f"no log {name!r} here; there are {', '.join(names) or 'none'}" for name in missing)]
    if not names:
        notes.append("no logs are left of these trials")
    all_findings = causes_first(finding for pair in pairs for finding in pair.findings)
    around = _surroundings(all_findings, paths, zeros)
    all_facts = facts(left, right, scenario)
    return Comparison(left, right, tuple(notes), all_facts, pairs, all_findings, around, scenario, from_load)


Paths = tuple[list[dict[str, Path]], ...]
Zeros = tuple[Sequence[int | None], ...]


def _compare_log(name: str, sides: tuple[Side, Side], paths: Paths, zeros: Zeros, on_progress: OnProgress) -> LogPair:
    """Read one log of all trials that have it, and compare it: counts of all trials, the first trials side by side."""
    having = tuple([trial for trial, logs_of_trial in enumerate(side) if name in logs_of_trial] for side in paths)
    on_progress(f"reading {name}: {sum(map(len, having))} logs")
    tally = Tally((len(having[LEFT]), len(having[RIGHT])))
    notes: list[str] = []
    for side in (LEFT, RIGHT):
        notes += _missing(name, sides[side], having[side])
        for column, trial in enumerate(having[side]):
            log = Log(paths[side][trial][name])
            tally.add(side, column, log, zeros[side][trial], trial)
            notes += _limits(sides[side].name_of(sides[side].every[trial]), log)
        if tally.left_out[side]:
            notes.append(f"{sides[side].variant}: {tally.left_out[side]} lines of ever new kinds are left out")
    compared = tuple(sum(trial < len(sides[side].trials) for trial in having[side]) for side in (LEFT, RIGHT))
    lines = (tuple(tally.lines[LEFT][: compared[LEFT]]), tuple(tally.lines[RIGHT][: compared[RIGHT]]))
    if not all(compared):
        return LogPair(name, lines, (), 0, None, (*notes, "nothing to compare it with"))
    return _log_pair(name, paths, zeros, tally, (compared[LEFT], compared[RIGHT]), lines, notes)


def _log_pair(
    name: str,
    paths: Paths,
    zeros: Zeros,
    tally: Tally,
    compared: tuple[int, int],
    lines: tuple[tuple[int, ...], tuple[int, ...]],
    notes: list[str],
) -> LogPair:
    kinds = tally.kinds.values()
    differences = findings(
        name, kinds, compared, (sum(lines[LEFT]) // compared[LEFT], sum(lines[RIGHT]) // compared[RIGHT])
    )
    shown_kinds = differing(kinds, differences, compared)
    aligned = None
    if any(tally.left_out):
        notes.append("not put side by side: its lines are of too many kinds")
    elif shown_kinds:
        aligned = _aligned(name, paths, zeros, tally, shown_kinds)
    beyond = max(0, len(differences) - MOST_FINDINGS)
    if beyond:
        notes.append(f"{beyond} more differences, of less weight, are left out")
    return LogPair(name, lines, tuple(differences[:MOST_FINDINGS]), alike(kinds, compared), aligned, tuple(notes))


def _missing(name: str, side: Side, having: Sequence[int]) -> list[str]:
    """A note with the trials of a side that do not have this log."""
    numbers = [str(row.trial) for trial, row in enumerate(side.every) if trial not in having]
    if side.by_hand and numbers:
        return [f"{side.variant}: no log {name}"]
    return [f"{side.variant}: no log {name} of trial {', '.join(numbers)}"] if numbers else []


def _limits(trial_name: str, log: Log) -> list[str]:
    """Notes about lines of a log that were not read."""
    notes = []
    if log.cut:
        notes.append(f"{trial_name}: only the first {log.most} lines were read")
    return notes + [f"{trial_name}: {remark}; {log.lines} lines were read" for remark in log.remarks]


def _aligned(name: str, paths: Paths, zeros: Zeros, tally: Tally, shown_kinds: frozenset[str]) -> Aligned | None:
    """The logs of the first trials side by side; None if one of them is missing."""
    left, right = (paths[side][0].get(name) for side in (LEFT, RIGHT))
    if left is None or right is None:
        return None
    logs = (Log(left), Log(right))
    counts = tuple(
        Counter({kind.normalized: kind.counts[side][0] for kind in tally.kinds.values()}) for side in (LEFT, RIGHT)
    )
    return align(logs, (zeros[LEFT][0], zeros[RIGHT][0]), (counts[LEFT], counts[RIGHT]), shown_kinds)


def _surroundings(all_findings: Sequence[Finding], paths: Paths, zeros: Zeros) -> dict[Finding, tuple[Stretch, ...]]:
    """The lines around the first line of the findings with the highest scores. Each log is read once."""
    chosen = [
        finding
        for finding in all_findings
        if finding.weight >= SURROUNDED_WEIGHT and finding.standing in (Standing.ONLY, Standing.CHANCE)
    ]
    wanted: dict[tuple[int, int, str], dict[int, Finding]] = {}
    for finding in chosen[:MOST_SURROUNDED]:
        if seen := finding.first[finding.side]:
            wanted.setdefault((finding.side, seen.trial, finding.source), {})[seen.line] = finding
    around: dict[Finding, tuple[Stretch, ...]] = {}
    for (side, trial, name), by_line in wanted.items():
        for line, near in neighbours(Log(paths[side][trial][name]), by_line, zeros[side][trial]).items():
            around[by_line[line]] = near
    return around
