"""The two sides of a comparison: which run, variant and trials they are, and whether they may be compared at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reprolab import evidence
from reprolab.errors import UsageError
from reprolab.evidence import RunDirectory, TrialDirectory
from reprolab.judge import SCHEMA, TrialRecord
from reprolab.scenario import DOCUMENTED, hint

MOST_TRIALS = 3


@dataclass(frozen=True)
class Side:
    """One side: a variant's trials in a run.

    ``trials`` are compared; ``others`` are further trials of the variant, which only tell what differs by chance.
    """

    run: RunDirectory
    content: Mapping[str, Any]
    experiment: str
    variant: str
    trials: tuple[TrialRecord, ...]
    others: tuple[TrialRecord, ...] = ()
    named: bool = False
    left_out: int = 0

    @property
    def scenario(self) -> str:
        """The scenario's name."""
        return str(self.content["scenario"])

    @property
    def label(self) -> str:
        """The variant, with the trial where one was named."""
        return f"{self.variant}:{self.trials[0].trial}" if self.named else self.variant

    @property
    def every(self) -> tuple[TrialRecord, ...]:
        """The trials compared, and behind them the others."""
        return (*self.trials, *self.others)

    def directory(self, trial: TrialRecord) -> TrialDirectory:
        """Where a trial's evidence lies."""
        return self.run.trial(trial.experiment, trial.variant, trial.trial)


@dataclass(frozen=True)
class Wanted:
    """What the command line says of one side: `[EXPERIMENT/]VARIANT[:TRIAL]`."""

    experiment: str
    variant: str
    trial: int | None

    def __str__(self) -> str:
        return f"{self.experiment}/{self.variant}" if self.experiment else self.variant


def parse(text: str) -> Wanted:
    """Read `[EXPERIMENT/]VARIANT[:TRIAL]`. Raises UsageError for a trial that is no number."""
    name, colon, number = text.partition(":")
    experiment, _, variant = name.rpartition("/")
    if not variant or (colon and not (number.isdigit() and int(number) > 0)):
        raise UsageError(f"{text!r} names no variant", expected="[EXPERIMENT/]VARIANT[:TRIAL], such as documented:2")
    return Wanted(experiment, variant, int(number) if colon else None)


def read_run(run: RunDirectory) -> Mapping[str, Any]:
    """A run's run.json. Raises UsageError where it is not a run of a lab like this one."""
    content: Mapping[str, Any] = evidence.read_json(run.path / "run.json")
    if not isinstance(content, Mapping) or "scenario" not in content:
        raise UsageError(f"{run.path / 'run.json'} does not name its scenario", expected="a run of this lab")
    return content


def choose(run: RunDirectory, wanted: Wanted, force: bool = False) -> Side:
    """One side from a run. Raises UsageError, with what to do, where the run holds no valid trial of it."""
    content = read_run(run)
    rows = run.trials()
    experiment = _experiment(run, content, rows, wanted)
    own = [row for row in rows if (row.experiment, row.variant) == (experiment, wanted.variant)]
    if not own:
        raise _nothing(run, content, experiment, wanted)
    if wanted.trial is not None and not any(row.trial == wanted.trial for row in own):
        numbers = ", ".join(str(row.trial) for row in sorted(own, key=lambda row: row.trial))
        raise UsageError(f"{run.name} has no trial {wanted.trial} of {wanted}", expected=f"one of {numbers}")
    valid = [row for row in own if row.valid] or (own if force else [])
    named = [row for row in own if row.trial == wanted.trial] if wanted.trial else valid
    if not named or (not force and not all(row.valid for row in named)):
        raise _invalid(content, wanted, own[0] if not wanted.trial else named[0])
    return _side(run, content, experiment, wanted, named, valid)


def _side(
    run: RunDirectory,
    content: Mapping[str, Any],
    experiment: str,
    wanted: Wanted,
    named: Sequence[TrialRecord],
    valid: Sequence[TrialRecord],
) -> Side:
    named = sorted(named, key=lambda row: row.trial)
    others = sorted((row for row in valid if row not in named), key=lambda row: row.trial)
    if wanted.trial is not None:
        kept = tuple(others[: MOST_TRIALS - 1])
        return Side(run, content, experiment, wanted.variant, tuple(named), kept, named=True)
    beyond = max(0, len(named) - MOST_TRIALS)
    return Side(run, content, experiment, wanted.variant, tuple(named[:MOST_TRIALS]), left_out=beyond)


def _experiment(run: RunDirectory, content: Mapping[str, Any], rows: Sequence[TrialRecord], wanted: Wanted) -> str:
    """The experiment that a variant's name means in this run."""
    planned = [(str(row["experiment"]), str(row["variant"])) for row in content.get("plan", [])]
    known = list(dict.fromkeys([*planned, *((row.experiment, row.variant) for row in rows)]))
    several = len({experiment for experiment, _ in known}) > 1
    found = [e for e, v in known if v == wanted.variant and wanted.experiment in ("", e)]
    if len(found) == 1:
        return found[0]
    names = [f"{e}/{v}" if several else v for e, v in known]
    if found:
        raise UsageError(
            f"{run.name} has {wanted.variant!r} in several experiments",
            expected="one of " + ", ".join(f"{experiment}/{wanted.variant}" for experiment in found),
        )
    raise UsageError(
        f"{run.name} has no variant {str(wanted)!r}{hint(str(wanted), names)}", expected="one of " + ", ".join(names)
    )


def _again(content: Mapping[str, Any], wanted: Wanted) -> str:
    variants = " ".join(dict.fromkeys([DOCUMENTED, wanted.variant]))
    return f'run it: make scenario-{content["scenario"]} VARIANT="{variants}"'


def _nothing(run: RunDirectory, content: Mapping[str, Any], experiment: str, wanted: Wanted) -> UsageError:
    """A variant that was planned, and of which no trial is on disk."""
    status = content.get("status", "unknown")
    reason = f" ({content['reason']})" if content.get("reason") else ""
    why = f"the run is {status}{reason}, and ended before it" if status != "complete" else "no trial of it ended"
    return UsageError(
        f"{run.name} has no trial of {experiment}/{wanted.variant}: {why}",
        expected="a variant with at least one valid trial",
        advice=_again(content, wanted),
    )


def _invalid(content: Mapping[str, Any], wanted: Wanted, trial: TrialRecord) -> UsageError:
    reason = next((line for line in trial.invalid.splitlines() if line.strip()), "no reason is on record")
    return UsageError(
        f"{wanted} has no valid trial to compare; trial {trial.trial}: {reason}",
        expected="a trial that says something: what did not come up has shown nothing",
        advice=f"--force compares the logs all the same; or {_again(content, wanted)}",
    )


def check(left: Side, right: Side, force: bool = False) -> tuple[str, ...]:
    """Refuse to compare unlike things, or with ``force`` say in words that they are. Raises UsageError."""
    if (left.run.path, left.experiment, left.variant, left.trials) == (
        right.run.path,
        right.experiment,
        right.variant,
        right.trials,
    ):
        raise UsageError(f"{left.label} of {left.run.name} is on both sides", expected="two things that can differ")
    reasons = [reason for reason in (_schema(left, right), _subject(left, right)) if reason]
    if reasons and not force:
        raise _unlike(reasons)
    runs = {side.run.path: side for side in (left, right)}.values()
    unfinished = [
        f"the run {side.run.name} is {side.content.get('status', 'of unknown state')}: what ended before is compared"
        for side in runs
        if side.content.get("status") != "complete"
    ]
    return (*(f"compared by force, though {reason}" for reason in reasons), *unfinished)


def _unlike(reasons: Sequence[str]) -> UsageError:
    return UsageError(
        f"unlike things: {'; '.join(reasons)}",
        expected="two variants of one experiment, or one variant in two runs of it",
        advice="--force compares them all the same, and says so",
    )


def _schema(left: Side, right: Side) -> str:
    found = [side.content.get("schema") for side in (left, right)]
    if found[0] != found[1]:
        return f"run.json is of schema {found[0]} on the left and {found[1]} on the right"
    return "" if found[0] == SCHEMA else f"run.json is of schema {found[0]}, and this lab writes {SCHEMA}"


def _subject(left: Side, right: Side) -> str:
    if left.scenario != right.scenario:
        return f"the scenarios differ ({left.scenario}, {right.scenario})"
    if left.experiment != right.experiment:
        return f"the experiments differ ({left.experiment}, {right.experiment})"
    return ""


def without_each_other(left: Side, right: Side) -> tuple[Side, Side]:
    """Two trials of one variant: neither is a witness of what differs by chance on the other's side."""
    if left.run.path != right.run.path:
        return left, right
    mine = {(row.experiment, row.variant, row.trial) for row in (*left.trials, *right.trials)}
    keep = [
        tuple(row for row in side.others if (row.experiment, row.variant, row.trial) not in mine)
        for side in (left, right)
    ]
    return replace(left, others=keep[0]), replace(right, others=keep[1])


def find(root: Path, words: Sequence[str], variants: Sequence[str], force: bool = False) -> tuple[Side, Side]:
    """The two sides that the command line names.

    `RUN VARIANT VARIANT`, `RUN VARIANT` (against the documented one), or `RUN RUN` with a variant for both sides, or
    one for each; where none is given, the documented one.
    """
    if len(words) not in (2, 3) or len(variants) > 2 or (len(words) == 3 and variants):
        raise UsageError(
            "compare takes a run and two variants, or two runs",
            expected="RUN VARIANT VARIANT, RUN VARIANT, or RUN RUN [--variant V [--variant W]]",
        )
    first = evidence.open_run(root, words[0])
    if len(words) == 3:
        left, right = (choose(first, parse(word), force) for word in words[1:])
    elif (second := _other_run(root, words[1])) is not None:
        names = [str(read_run(run)["scenario"]) for run in (first, second)]
        if names[0] != names[1] and not force:
            raise _unlike([f"the scenarios differ ({names[0]}, {names[1]})"])
        pair = (*variants, *variants)[:2] or (DOCUMENTED, DOCUMENTED)
        left, right = choose(first, parse(pair[0]), force), choose(second, parse(pair[-1]), force)
    else:
        right = choose(first, parse(words[1]), force)
        left = choose(first, parse(f"{right.experiment}/{variants[0] if variants else DOCUMENTED}"), force)
    return without_each_other(left, right)


def _other_run(root: Path, word: str) -> RunDirectory | None:
    try:
        return evidence.open_run(root, word)
    except UsageError:
        if "/" in word and (evidence.results_root(root) / word.partition("/")[0]).is_dir():
            raise
        return None
