"""`reprolab compare`: two variants of a run, or two runs, side by side."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console

from reprolab.cli.common import boundary, console, project_root, show_progress
from reprolab.compare import by_hand, select, terminal
from reprolab.compare import comparison as comparing
from reprolab.compare.comparison import Comparison
from reprolab.compare.facts import VERDICTS
from reprolab.compare.select import Side
from reprolab.core import command_text
from reprolab.core.errors import Exit, UsageError
from reprolab.core.progress import OnProgress
from reprolab.scenario import loader
from reprolab.scenario.model import Scenario
from reprolab.verdict.document import Verdict

EPILOG = (
    "Exit status: 0 compared, whatever differs; 1 two runs decided a claim differently; 2 not compared, with the "
    "reason: the two are not of one kind, or there is nothing to compare."
)
WITHOUT = "signs and columns are left out: they belong to one experiment of one scenario of this checkout"

BY_HAND = "a stack by hand has no trials: signs, columns and verdicts are left out"


@dataclass(frozen=True)
class CompareOptions:
    """The options of the command: a run and variants, or two runs; the logs; a page; whether checks are skipped."""

    words: Sequence[str]
    variants: Sequence[str] = ()
    logs: Sequence[str] = ()
    html: Path | None = None
    force: bool = False


def _compare(root: Path, options: CompareOptions, console: Console, show_progress: OnProgress) -> Exit:
    """Compare, print, and write the page if one is wanted. Raises UsageError if the two cannot be compared."""
    if options.html:
        _check_page(options.html)
    selection = (options.words, options.variants, options.force)
    left, right = by_hand.find(root, *selection) or select.find(root, *selection, show_progress)
    warnings = select.check(left, right, options.force)
    scenario = _common_scenario(root, left, right)
    if scenario is None:
        warnings = (*warnings, BY_HAND if left.by_hand or right.by_hand else WITHOUT)
    comparison = comparing.compare(left, right, scenario, warnings, options.logs, show_progress)
    terminal.render(console, comparison)
    if options.html:
        # Only a page needs the drawing library.
        from reprolab.compare import html as compare_html

        try:
            options.html.write_text(compare_html.render(comparison), encoding="utf-8")
        except OSError as error:
            raise _page_error(options.html, error.strerror or str(error)) from error
        click.echo(f"written: {options.html}")
    return _status(comparison)


def _check_page(path: Path) -> None:
    """Raise UsageError if the page cannot be written. Checked first, because a comparison takes time."""
    folder = path.parent
    if not folder.is_dir():
        raise _page_error(path, f"there is no directory {folder}")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise _page_error(path, "no permission")
    if path.exists() and not _is_page(path):
        raise _page_error(path, "another file is there, which is no page")


def _is_page(path: Path) -> bool:
    """Whether a file is empty or an HTML page, which may be written over."""
    with path.open("rb") as stream:
        start = stream.read(100).lstrip().lower()
    return not start or start.startswith((b"<!doctype html", b"<html"))


def _page_error(path: Path, reason: str) -> UsageError:
    return UsageError(
        f"{path} could not be written: {reason}",
        expected="a file in an existing directory",
        advice=f"name another file: {command_text.option('html', 'FILE')}",
    )


def _common_scenario(root: Path, left: Side, right: Side) -> Scenario | None:
    """The scenario of both sides if they are of one experiment and this checkout has it."""
    alike = left.scenario == right.scenario and left.experiment == right.experiment
    alike = alike and not (left.by_hand or right.by_hand)
    return loader.load(root, left.scenario) if alike and left.scenario in loader.names(root) else None


def _status(comparison: Comparison) -> Exit:
    """Drift if both runs decided a claim and decided it differently; a claim that one left undecided does not count."""
    rows = [row for group in comparison.facts if group.title == VERDICTS for row in group.rows]
    words = [{text.partition(" ")[0] for text in (row.left, row.right)} for row in rows]
    decided = {Verdict.CONFIRMED, Verdict.REFUTED, Verdict.INTERMITTENT}
    return Exit.DRIFT if any(len(pair) == 2 and pair <= decided for pair in words) else Exit.AS_RECORDED


@click.command(epilog=EPILOG)
@click.argument("words", metavar="RUN VARIANT VARIANT | RUN VARIANT | RUN RUN | COPY COPY", nargs=-1, required=True)
@click.option("--variant", "variants", multiple=True, help="the variant of two runs (given twice: one for each run)")
@click.option("--log", "logs", multiple=True, help="read only this log, such as app or proxy.streams")
@click.option("--html", "page", type=click.Path(dir_okay=False, path_type=Path), help="also write a page")
@click.option("--force", is_flag=True, help="compare two of different kinds, and invalid trials, all the same")
@boundary
def compare(
    words: tuple[str, ...], variants: tuple[str, ...], logs: tuple[str, ...], page: Path | None, force: bool
) -> Exit:
    """Show what differs between two variants of a run, or two runs: facts, measurements, then the logs.

    RUN is a directory, SCENARIO/STAMP or SCENARIO; VARIANT is [EXPERIMENT/]VARIANT[:TRIAL]. With one VARIANT, it is
    compared with the documented one. COPY is by-hand/SCENARIO/NAME, the latest that `logs` kept of a stack by hand, or
    the directory of one; RUN COPY works too.
    """
    options = CompareOptions(words, variants, logs, page, force)
    return _compare(project_root(), options, console(), show_progress)
