"""Copies of stacks by hand as sides of a comparison. They have logs, factors and a load, but no trials or verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reprolab.compare import select
from reprolab.compare.select import Side
from reprolab.core import command_text
from reprolab.core.config_file import hint
from reprolab.core.errors import UsageError
from reprolab.evidence import by_hand, lookup
from reprolab.evidence.by_hand import FOLDER, StackCopy
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import COMPLETE, RunInfo
from reprolab.scenario import loader
from reprolab.scenario.model import DOCUMENTED
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict import fitting


def find(root: Path, words: Sequence[str], variants: Sequence[str], force: bool = False) -> tuple[Side, Side] | None:
    """The two sides if a word of the command line names a copy of a stack by hand; None if no word does.

    The words are `COPY COPY`, `by-hand/SCENARIO NAME NAME`, `NAME NAME` if these are unambiguous, or `RUN COPY` with a
    variant for the run. Raises UsageError for an unknown name, and for the same copy on both sides.
    """
    if len(words) == 3 and FOLDER in Path(words[0]).parts:
        words = [f"{words[0].rstrip('/')}/{name}" for name in words[1:]]
    if len(words) != 2:
        return None
    copies = [by_hand.named_copy(root, word) for word in words]
    runs = [copy is None and _run(root, word) is not None for copy, word in zip(copies, words, strict=True)]
    if copies == [None, None] and any(runs):
        return None
    copies = [
        copy or (None if run else by_hand.copy_by_name(root, word))
        for copy, run, word in zip(copies, runs, words, strict=True)
    ]
    if copies == [None, None]:
        return None
    if variants and not any(runs):
        raise UsageError("a stack by hand has no variants", expected="two copies alone, or a run beside one")
    left, right = (
        _side(copy) if copy else _run_side(root, word, variants, force)
        for copy, word in zip(copies, words, strict=True)
    )
    if left.run.path == right.run.path:
        raise _both_sides(left, words[0])
    return left, right


def _run(root: Path, word: str) -> RunDirectory | None:
    try:
        return lookup.open_run(root, word)
    except UsageError:
        return None


def _run_side(root: Path, word: str, variants: Sequence[str], force: bool) -> Side:
    wanted = select.parse(variants[0] if variants else DOCUMENTED)
    run = _run(root, word)
    if run is not None:
        pairs = [(wanted.experiment, wanted.variant)]
        run = lookup.find_run(root, word, lambda run: fitting.to_show(run, pairs, valid=not force))
    if run is None and word.partition("/")[0] in loader.names(root):
        # The word names a scenario without such a run: this raises the UsageError.
        run = lookup.open_run(root, word)
    if run is None:
        known = [name for copy in by_hand.copied_names(root) for name in (copy, copy.partition("/")[2])]
        copy_names = ", ".join(f"{FOLDER}/{copied_name}" for copied_name in by_hand.copied_names(root))
        raise UsageError(
            f"{word!r} is neither a copy of a stack by hand nor a run{hint(word, known)}",
            expected=f"one of {copy_names}, or a run (SCENARIO, SCENARIO/STAMP)",
        )
    return select.choose(run, wanted, force)


def _side(copy: StackCopy) -> Side:
    """A copy as a variant with the name of the stack and a single trial."""
    info = copy.info
    run = RunInfo(info.scenario, status=COMPLETE, factors=info.factors, host=info.host)
    load = copy.load()
    observation = {"load": {name: value for name, value in load.items() if name != "text"}} if load else {}
    record = TrialRecord(FOLDER, info.name, 1, dict(info.changes), observation)
    return Side(RunDirectory(copy.path), run, FOLDER, info.name, (record,), by_hand=True)


def _both_sides(side: Side, word: str) -> UsageError:
    name = f"{side.scenario}/{side.variant}"
    again = command_text.command(f"logs {side.scenario} --as {side.variant}", f"logs-{side.scenario} AS={side.variant}")
    stamps = [path for path in side.run.path.parent.glob(by_hand.STAMPS) if path != side.run.path]
    return UsageError(
        f"{word} is on both sides: {side.run.name} of {name}",
        expected=f"another stack, or another copy of this one: {FOLDER}/{name}/STAMP"
        + (f"; there are {', '.join(sorted(path.name for path in stamps))}" if stamps else ""),
        advice="" if stamps else f"{again} keeps another copy",
    )
