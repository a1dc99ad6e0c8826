"""The two sides of a comparison: which run, variant and trials they are, and whether they may be compared at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from reprolab.core import command_text
from reprolab.core.config_file import hint
from reprolab.core.errors import UsageError
from reprolab.core.progress import OnProgress
from reprolab.evidence import lookup
from reprolab.evidence.run_dir import RunDirectory, TrialDirectory
from reprolab.evidence.run_info import SCHEMA, RunInfo
from reprolab.scenario import loader
from reprolab.scenario.model import CUSTOM, DOCUMENTED
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict import fitting

MOST_TRIALS = 3


@dataclass(frozen=True)
class Side:
    """One side: a variant's trials in a run.

    ``trials`` are compared; ``others`` are further trials of the variant, which only tell what differs by chance.
    A copy of a stack ``by_hand`` stands as one trial of a variant of its name; ``run`` is its directory then.
    """

    run: RunDirectory
    info: RunInfo
    experiment: str
    variant: str
    trials: tuple[TrialRecord, ...]
    others: tuple[TrialRecord, ...] = ()
    named: bool = False
    left_out: int = 0
    by_hand: bool = False

    @property
    def scenario(self) -> str:
        """The scenario's name."""
        return self.info.scenario

    @cached_property
    def damaged(self) -> str:
        """What of the run's record is damaged or missing; "" for a sound one. The files are read once."""
        return self.run.checked_trials().words

    @property
    def label(self) -> str:
        """The variant, with the trial where one was named."""
        return f"{self.variant}:{self.trials[0].trial}" if self.named else self.variant

    @property
    def every(self) -> tuple[TrialRecord, ...]:
        """The trials compared, and behind them the others."""
        return (*self.trials, *self.others)

    def name_of(self, trial: TrialRecord) -> str:
        """The variant and the trial; of a stack by hand its name."""
        return self.variant if self.by_hand else f"{self.variant}:{trial.trial}"

    def directory(self, trial: TrialRecord) -> TrialDirectory:
        """Where a trial's evidence lies."""
        if self.by_hand:
            return TrialDirectory(self.run.path)
        return self.run.trial(trial.experiment, trial.variant, trial.trial)


@dataclass(frozen=True)
class Wanted:
    """What the command line says of one side: `[EXPERIMENT/]VARIANT[:TRIAL]`."""

    experiment: str
    variant: str
    trial: int | None

    def __str__(self) -> str:
        return f"{self.experiment}/{self.variant}" if self.experiment else self.variant

    @property
    def text(self) -> str:
        """As one writes it on the command line."""
        return str(self) if self.trial is None else f"{self}:{self.trial}"


Both = tuple[Wanted, Wanted]


def parse(text: str) -> Wanted:
    """Read `[EXPERIMENT/]VARIANT[:TRIAL]`. Raises UsageError for a trial that is no number."""
    name, colon, number = text.partition(":")
    experiment, _, variant = name.rpartition("/")
    if not variant or (colon and not (number.isdigit() and int(number) > 0)):
        raise UsageError(f"{text!r} names no variant", expected="[EXPERIMENT/]VARIANT[:TRIAL], such as documented:2")
    return Wanted(experiment, variant, int(number) if colon else None)


def choose(run: RunDirectory, wanted: Wanted, force: bool = False) -> Side:
    """One side from a run. Raises UsageError, with what to do, where the run holds no valid trial of it."""
    info = run.info()
    rows = run.trials()
    experiment = _experiment(run, info, rows, wanted)
    of_variant = [row for row in rows if (row.experiment, row.variant) == (experiment, wanted.variant)]
    if not of_variant:
        raise _nothing(run, info, experiment, wanted)
    if wanted.trial is not None and not any(row.trial == wanted.trial for row in of_variant):
        numbers = ", ".join(str(row.trial) for row in sorted(of_variant, key=lambda row: row.trial))
        raise UsageError(f"{run.name} has no trial {wanted.trial} of {wanted}", expected=f"one of {numbers}")
    valid = [row for row in of_variant if row.valid] or (of_variant if force else [])
    named = [row for row in of_variant if row.trial == wanted.trial] if wanted.trial else valid
    if not named or (not force and not all(row.valid for row in named)):
        raise _invalid(info, wanted, of_variant[0] if not wanted.trial else named[0])
    return _side(run, info, experiment, wanted, named, valid)


def _side(
    run: RunDirectory,
    info: RunInfo,
    experiment: str,
    wanted: Wanted,
    named: Sequence[TrialRecord],
    valid: Sequence[TrialRecord],
) -> Side:
    named = sorted(named, key=lambda row: row.trial)
    others = sorted((row for row in valid if row not in named), key=lambda row: row.trial)
    if wanted.trial is not None:
        kept = tuple(others[: MOST_TRIALS - 1])
        return Side(run, info, experiment, wanted.variant, tuple(named), kept, named=True)
    beyond = max(0, len(named) - MOST_TRIALS)
    return Side(run, info, experiment, wanted.variant, tuple(named[:MOST_TRIALS]), left_out=beyond)


def _known(info: RunInfo, rows: Sequence[TrialRecord]) -> list[tuple[str, str]]:
    """The experiments and variants of a run, planned or measured."""
    planned = [(row.experiment, row.variant) for row in info.plan]
    return list(dict.fromkeys([*planned, *((row.experiment, row.variant) for row in rows)]))


def _settled(runs: tuple[RunDirectory, RunDirectory], wanted: Both, ready: Callable[[Both], str]) -> Both:
    """A variant of several experiments is the one of the experiment that the other side means.

    Raises UsageError, with the commands that ``ready`` makes, where both may be of several.
    """
    experiments = []
    for run, side in zip(runs, wanted, strict=True):
        info, rows = run.info(), run.trials()
        experiments.append([e for e, v in _known(info, rows) if v == side.variant and side.experiment in ("", e)])
        if not experiments[-1]:
            # Raises: a name that is none comes before a name that may be several.
            _experiment(run, info, rows, side)
    shared = [experiment for experiment in experiments[0] if experiment in experiments[1]]
    if len(shared) == 1 and max(map(len, experiments)) > 1:
        return replace(wanted[0], experiment=shared[0]), replace(wanted[1], experiment=shared[0])
    if len(shared) > 1:
        commands = [ready((replace(wanted[0], experiment=e), replace(wanted[1], experiment=e))) for e in shared]
        names = " and ".join(dict.fromkeys(repr(str(side)) for side in wanted))
        raise UsageError(
            f"{runs[0].name} has {names} in several experiments: {', '.join(shared)}",
            expected="the experiment with it",
            advice="\n            ".join(commands),
        )
    return wanted


def _experiment(run: RunDirectory, info: RunInfo, rows: Sequence[TrialRecord], wanted: Wanted) -> str:
    """The experiment that a variant's name means in this run."""
    known = _known(info, rows)
    several = len({experiment for experiment, _ in known}) > 1
    experiments = [e for e, v in known if v == wanted.variant and wanted.experiment in ("", e)]
    if len(experiments) == 1:
        return experiments[0]
    names = [f"{e}/{v}" if several else v for e, v in known]
    if experiments:
        raise UsageError(
            f"{run.name} has {wanted.variant!r} in several experiments",
            expected="one of " + ", ".join(f"{experiment}/{wanted.variant}" for experiment in experiments),
        )
    raise UsageError(
        f"{run.name} has no variant {str(wanted)!r}{hint(str(wanted), names)}", expected="one of " + ", ".join(names)
    )


def _again(info: RunInfo, wanted: Wanted) -> str:
    return f"run it: {command_text.run(info.scenario, dict.fromkeys([DOCUMENTED, wanted.variant]))}"


def _nothing(run: RunDirectory, info: RunInfo, experiment: str, wanted: Wanted) -> UsageError:
    """A variant that was planned, and of which no trial is on disk."""
    reason = f" ({info.reason})" if info.reason else ""
    ended = f"the run is {info.status or 'unknown'}{reason}, and ended before it"
    why = "no trial of it ended" if info.complete else ended
    return UsageError(
        f"{run.name} has no trial of {experiment}/{wanted.variant}: {why}",
        expected="a variant with at least one valid trial",
        advice=_again(info, wanted),
    )


def _invalid(info: RunInfo, wanted: Wanted, trial: TrialRecord) -> UsageError:
    return UsageError(
        f"{wanted} has no valid trial to compare; trial {trial.trial}: {_reason(trial)}",
        expected="a trial that says something: what did not come up has shown nothing",
        advice=f"{command_text.option('force')} compares the logs all the same; or {_again(info, wanted)}",
    )


def check(left: Side, right: Side, force: bool = False) -> tuple[str, ...]:
    """Refuse to compare unlike things, or with ``force`` say in words that they are. Raises UsageError."""
    if (left.run.path, left.experiment, left.variant, left.trials) == (
        right.run.path,
        right.experiment,
        right.variant,
        right.trials,
    ):
        raise _both_sides(left.run, left.info, f"{left.experiment}/{left.label}")
    reasons = [reason for reason in (_schema(left, right), _subject(left, right)) if reason]
    if reasons and not force:
        raise _unlike(reasons)
    runs = {side.run.path: side for side in (left, right)}.values()
    unfinished = [
        f"the run {side.run.name} is {side.info.status or 'of unknown state'}: what ended before is compared"
        for side in runs
        if not side.info.complete
    ]
    unfinished += [f"the record of {side.run.name} is incomplete: {side.damaged}" for side in runs if side.damaged]
    reasons += [_said_nothing(side) for side in (left, right) if not all(trial.valid for trial in side.trials)]
    return (*(f"compared by force, though {reason}" for reason in reasons), *unfinished)


def _both_sides(run: RunDirectory, info: RunInfo, label: str) -> UsageError:
    """A run compared with itself, or a variant with itself."""
    name = f"{info.scenario}/{run.name}"
    return UsageError(
        f"{label} of {run.name} is on both sides",
        expected="two things that can differ",
        advice=f"name another variant: {command_text.compare(label, 'VARIANT', of_run=name)}; "
        f"or an earlier run: {command_text.compare(f'{info.scenario}/STAMP', name)}",
    )


def _said_nothing(side: Side) -> str:
    """That a side's trials are invalid, and why."""
    trial = next(trial for trial in side.trials if not trial.valid)
    what = f"trial {trial.trial} of {side.variant} is invalid" if side.named else f"{side.label} has no valid trial"
    return f"{what}; trial {trial.trial}: {_reason(trial)}"


def _reason(trial: TrialRecord) -> str:
    return next((line for line in trial.invalid.splitlines() if line.strip()), "no reason is on record")


def _unlike(reasons: Sequence[str]) -> UsageError:
    return UsageError(
        f"unlike things: {'; '.join(reasons)}",
        expected="two variants of one experiment, or one variant in two runs of it",
        advice=f"{command_text.option('force')} compares them all the same, and says so",
    )


def _schema(left: Side, right: Side) -> str:
    schemas = [side.info.schema for side in (left, right)]
    if schemas[0] != schemas[1]:
        return f"run.json is of schema {schemas[0]} on the left and {schemas[1]} on the right"
    return "" if schemas[0] == SCHEMA else f"run.json is of schema {schemas[0]}, and this lab writes {SCHEMA}"


def _subject(left: Side, right: Side) -> str:
    if left.scenario != right.scenario:
        return f"the scenarios differ ({left.scenario}, {right.scenario})"
    if left.experiment != right.experiment and not (left.by_hand or right.by_hand):
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


def find(
    root: Path,
    words: Sequence[str],
    variants: Sequence[str],
    force: bool = False,
    on_progress: OnProgress = lambda message: None,
) -> tuple[Side, Side]:
    """The two sides that the command line names. Of a scenario's runs it is the newest that has the variants.

    `RUN VARIANT VARIANT`, `RUN VARIANT` (against the documented one), or `RUN RUN` with a variant for both sides, or
    one for each; where none is given, the documented one.
    """
    if len(words) not in (2, 3) or len(variants) > 2 or (len(words) == 3 and variants):
        raise UsageError(
            "compare takes a run and two variants, or two runs",
            expected=command_text.command(
                "compare RUN VARIANT VARIANT, RUN VARIANT, or RUN RUN [--variant V [--variant W]]",
                'compare RUN=RUN A=VARIANT [B=VARIANT], or A=RUN B=RUN [VARIANT="V W"]',
            ),
        )
    second_run = _other_run(root, words[1]) if len(words) == 2 else None
    pair = (*variants, *variants)[:2] or (DOCUMENTED, DOCUMENTED)
    here = words[1:] if len(words) == 3 else (pair[0],) if second_run else (pair[0], words[1])
    first = _open(root, words[0], here, force, on_progress)
    if len(words) == 3:
        named = _settled(
            (first, first),
            (parse(words[1]), parse(words[2])),
            lambda pair: command_text.compare(pair[0].text, pair[1].text, of_run=words[0]),
        )
        left, right = (choose(first, variant, force) for variant in named)
    elif second_run is not None:
        second = _open(root, words[1], pair[1:], force, on_progress)
        names = [run.info().scenario for run in (first, second)]
        if names[0] != names[1] and not force:
            raise _unlike([f"the scenarios differ ({names[0]}, {names[1]})"])
        if first.path == second.path and pair[0] == pair[1]:
            raise _both_sides(first, first.info(), pair[0])
        named = _settled(
            (first, second),
            (parse(pair[0]), parse(pair[1])),
            lambda pair: command_text.compare(words[0], words[1], variants=unique(variant.text for variant in pair)),
        )
        left, right = choose(first, named[0], force), choose(second, named[1], force)
    else:
        variant = parse(words[1])
        _check_word(root, first, words[1], variant)
        named = _settled(
            (first, first),
            (parse(variants[0] if variants else DOCUMENTED), variant),
            lambda pair: command_text.compare(pair[0].text, pair[1].text, of_run=words[0]),
        )
        right = choose(first, named[1], force)
        left = choose(first, replace(named[0], experiment=named[0].experiment or right.experiment), force)
    return without_each_other(left, right)


def _open(root: Path, word: str, variants: Sequence[str], force: bool, on_progress: OnProgress) -> RunDirectory:
    """The run of a word, of a scenario the newest with a valid trial of these variants."""
    wanted = [parse(text) for text in variants]
    pairs = [(side.experiment, side.variant) for side in wanted]
    run = lookup.find_run(root, word, lambda run: fitting.to_show(run, pairs, valid=not force), on_progress)
    if lookup.is_scenario(root, word):
        _check_variants(root, run, word, wanted)
    return run


def _check_variants(root: Path, newest: RunDirectory, name: str, wanted: Sequence[Wanted]) -> None:
    """Raise UsageError where the newest run of a scenario lacks one of its variants: no run has all that is wanted.

    A name that is no variant of the scenario is named before; alone, it is what `_experiment` and `_check_word` tell.
    """
    known = _known(newest.info(), newest.trials())
    lacking = [w for w in wanted if not any(v == w.variant and w.experiment in ("", e) for e, v in known)]
    experiments = loader.load(root, name).experiments.values()
    names = unique(variant for experiment in experiments for variant in experiment.variants)
    if not any(side.variant in names for side in lacking):
        return
    for side in wanted:
        if side.variant not in (*names, CUSTOM):
            raise UsageError(
                f"{name} has no variant {str(side)!r}{hint(side.variant, names)}", expected="one of " + ", ".join(names)
            )
    raise UsageError(
        f"no run of {name} has {' and '.join(map(str, wanted))}",
        expected="a run with valid trials of each",
        advice=command_text.run(name, unique(side.variant for side in wanted)),
    )


def unique(texts: Iterable[str]) -> list[str]:
    """Each text once, in the order in which they come first."""
    return list(dict.fromkeys(texts))


def _check_word(root: Path, run: RunDirectory, word: str, wanted: Wanted) -> None:
    """Raise UsageError for a word that is no variant of the run, and is close to the name of a run."""
    known = _known(run.info(), run.trials())
    variants = unique(name for e, v in known for name in (v, f"{e}/{v}"))
    if str(wanted) in variants:
        return
    folders = sorted(path.parent for path in lookup.results_root(root).glob("*/latest/run.json"))
    runs = unique(folder.parent.name for folder in folders)
    if (guess := hint(word, [*variants, *runs])) and guess == hint(word, runs):
        raise UsageError(
            f"{word!r} is neither a run nor a variant of {run.name}{guess}",
            expected="a run (SCENARIO, SCENARIO/STAMP), or one of " + ", ".join(unique(v for _, v in known)),
        )


def _other_run(root: Path, word: str) -> RunDirectory | None:
    try:
        return lookup.open_run(root, word)
    except UsageError:
        if "/" in word and (lookup.results_root(root) / word.partition("/")[0]).is_dir():
            raise
        return None
