"""`reprolab compare`: two variants of a run, or two runs, side by side."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console

from reprolab import scenario, typed
from reprolab.compare import page, sides, terminal
from reprolab.compare.comparison import Comparison, compare
from reprolab.compare.facts import VERDICTS
from reprolab.compare.sides import Side
from reprolab.errors import Exit, UsageError
from reprolab.judge import Verdict
from reprolab.scenario import Scenario

EPILOG = (
    "Exit status: 0 compared, whatever differs; 1 two runs that decided a claim differently; 2 refused, with the "
    "reason: unlike things, or nothing to compare."
)
WITHOUT = "signs and columns are left out: they belong to one experiment of one scenario of this checkout"


@dataclass(frozen=True)
class Wishes:
    """What the command line says: a run and variants, or two runs; which logs; a page; whether by force."""

    words: Sequence[str]
    variants: Sequence[str] = ()
    logs: Sequence[str] = ()
    html: Path | None = None
    force: bool = False


def run(root: Path, wishes: Wishes, console: Console, say: Callable[[str], None]) -> Exit:
    """Compare, print, write the page where one is wanted. Raises UsageError for what cannot be compared."""
    if wishes.html:
        _check_page(wishes.html)
    left, right = sides.find(root, wishes.words, wishes.variants, wishes.force)
    warnings = sides.check(left, right, wishes.force)
    found = _scenario(root, left, right)
    if found is None:
        warnings = (*warnings, WITHOUT)
    comparison = compare(left, right, found, warnings, wishes.logs, say)
    terminal.render(console, comparison)
    if wishes.html:
        try:
            wishes.html.write_text(page.render(comparison), encoding="utf-8")
        except OSError as error:
            raise _no_page(wishes.html, error.strerror or str(error)) from error
        click.echo(f"written: {wishes.html}")
    return _status(comparison)


def _check_page(path: Path) -> None:
    """Raise UsageError where the page could not be written: comparing takes its time, and would be for nothing."""
    folder = path.parent
    if not folder.is_dir():
        raise _no_page(path, f"there is no directory {folder}")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise _no_page(path, "no permission")


def _no_page(path: Path, why: str) -> UsageError:
    return UsageError(
        f"{path} could not be written: {why}",
        expected="a file in a directory that is there",
        advice=f"name another file: {typed.option('html', 'FILE')}",
    )


def _scenario(root: Path, left: Side, right: Side) -> Scenario | None:
    """The scenario of both sides, where they are of one experiment and this checkout has it."""
    alike = left.scenario == right.scenario and left.experiment == right.experiment
    return scenario.load(root, left.scenario) if alike and left.scenario in scenario.names(root) else None


def _status(comparison: Comparison) -> Exit:
    """Drift where both runs decided a claim, and differently; what one left undecided is none."""
    rows = [row for group in comparison.facts if group.title == VERDICTS for row in group.rows]
    words = [{text.partition(" ")[0] for text in (row.left, row.right)} for row in rows]
    return Exit.DRIFT if {Verdict.CONFIRMED, Verdict.REFUTED} in words else Exit.AS_RECORDED
