"""`reprolab compare`: two variants of a run, or two runs, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console

from reprolab.cli.common import boundary, console, project_root, show_progress
from reprolab.cli.json_output import exit_document, print_json
from reprolab.cli.output import Output
from reprolab.cli.output_file import check_output, output_error
from reprolab.compare import by_hand, select, terminal
from reprolab.compare import comparison as comparing
from reprolab.compare.comparison import Comparison
from reprolab.compare.document import document
from reprolab.compare.facts import VERDICTS
from reprolab.compare.select import Side
from reprolab.core.errors import Exit
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
    """The options of the command: a run and variants, or two runs; the logs; a page; whether checks are skipped.

    With ``as_json`` the comparison is a JSON document on standard output.
    """

    words: Sequence[str]
    variants: Sequence[str] = ()
    logs: Sequence[str] = ()
    html: Path | None = None
    force: bool = False
    as_json: bool = False


def _compare(root: Path, options: CompareOptions, console: Console, show_progress: OnProgress) -> Exit:
    """Compare, print, and write the page if one is wanted. Raises UsageError if the two cannot be compared."""
    if options.html:
        check_output(options.html, "html", "a page", _is_page)
    selection = (options.words, options.variants, options.force)
    left, right = by_hand.find(root, *selection) or select.find(root, *selection, show_progress)
    warnings = select.check(left, right, options.force)
    scenario = _common_scenario(root, left, right)
    if scenario is None:
        warnings = (*warnings, BY_HAND if left.by_hand or right.by_hand else WITHOUT)
    comparison = comparing.compare(left, right, scenario, warnings, options.logs, show_progress)
    terminal.render(console, comparison)
    status = _status(comparison)
    if options.html:
        # Only a page needs the drawing library.
        from reprolab.compare import html as compare_html

        try:
            options.html.write_text(compare_html.render(comparison), encoding="utf-8")
        except OSError as error:
            raise output_error(options.html, "html", error.strerror or str(error)) from error
        click.echo(f"written: {options.html}", err=options.as_json)
    if options.as_json:
        print_json(document(comparison) | {"exit": exit_document(status, _words(status))})
    return status


def _words(status: Exit) -> str:
    return "verdicts differ" if status else "compared"


def _is_page(start: bytes) -> bool:
    """Whether a file begins as an HTML page."""
    return start.startswith((b"<!doctype html", b"<html"))


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
@click.option("--json", "as_json", is_flag=True, help="print the differences as JSON; all other lines: standard error")
@boundary
def compare(
    words: tuple[str, ...],
    variants: tuple[str, ...],
    logs: tuple[str, ...],
    page: Path | None,
    force: bool,
    as_json: bool,
) -> Exit:
    """Show what differs between two variants of a run, or two runs: facts, measurements, then the logs.

    RUN is a directory, SCENARIO/STAMP or SCENARIO; VARIANT is [EXPERIMENT/]VARIANT[:TRIAL]. With one VARIANT, it is
    compared with the documented one. COPY is by-hand/SCENARIO/NAME, the latest that `logs` kept of a stack by hand, or
    the directory of one; RUN COPY works too.
    """
    options = CompareOptions(words, variants, logs, page, force, as_json)
    return _compare(project_root(), options, Output(stderr=True) if as_json else console(), show_progress)
