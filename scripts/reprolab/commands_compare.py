"""`reprolab compare`: two variants of a run, or two runs, side by side."""

from __future__ import annotations

from pathlib import Path

import click

from reprolab import evidence, scenario
from reprolab.cli import boundary, console, main, project_root, say
from reprolab.compare import page, sides, terminal
from reprolab.compare.comparison import Comparison, compare
from reprolab.compare.facts import VERDICTS
from reprolab.errors import Exit
from reprolab.judge import Verdict

EPILOG = (
    "Exit status: 0 compared, whatever differs; 1 two runs that decided a claim differently; 2 refused, with the "
    "reason: unlike things, or nothing to compare."
)


@main.command("compare", epilog=EPILOG)
@click.argument("words", metavar="RUN VARIANT VARIANT | RUN VARIANT | RUN RUN", nargs=-1, required=True)
@click.option("--variant", "variants", multiple=True, help="of two runs: the variant (given twice: one for each)")
@click.option("--log", "logs", multiple=True, help="read only this log, such as app or proxy.streams")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="also write a page")
@click.option("--force", is_flag=True, help="compare unlike things, and invalid trials, all the same")
@boundary
def compare_(
    words: tuple[str, ...], variants: tuple[str, ...], logs: tuple[str, ...], html: Path | None, force: bool
) -> Exit:
    """What differs between two variants of a run, or two runs: facts, measurements, then the logs.

    RUN is a directory, SCENARIO/STAMP or SCENARIO; VARIANT is [EXPERIMENT/]VARIANT[:TRIAL]. With one VARIANT, it is
    compared with the documented one.
    """
    root = project_root()
    left, right = sides.find(root, words, variants, force)
    warnings = sides.check(left, right, force)
    alike = left.scenario == right.scenario and left.experiment == right.experiment
    known = alike and left.scenario in scenario.names(root)
    if not known:
        warnings = (*warnings, "signs and columns are left out: they belong to one experiment of one scenario")
    found = scenario.load(root, left.scenario) if known else None
    comparison = compare(left, right, found, warnings, logs, say)
    terminal.render(console(), comparison)
    if html:
        with evidence.writing(html):
            html.write_text(page.render(comparison), encoding="utf-8")
        click.echo(f"written: {html}")
    return _status(comparison)


def _status(comparison: Comparison) -> Exit:
    """Drift where both runs decided a claim, and differently; what one left undecided is none."""
    rows = [row for group in comparison.facts if group.title == VERDICTS for row in group.rows]
    words = [{text.partition(" ")[0] for text in (row.left, row.right)} for row in rows]
    return Exit.DRIFT if {Verdict.CONFIRMED, Verdict.REFUTED} in words else Exit.AS_RECORDED
