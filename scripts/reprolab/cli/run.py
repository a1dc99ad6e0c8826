"""`reprolab run`, and what reads a run again: `judge` and `html`."""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from reprolab.cli.common import boundary, console, project_root, settings_of, show_progress
from reprolab.core.errors import Exit
from reprolab.evidence import lookup, run_dir
from reprolab.report import write
from reprolab.run import manual, plan, session
from reprolab.run.progress import Progress
from reprolab.scenario import loader
from reprolab.verdict import record
from reprolab.verdict.judge import exit_status


@click.command()
@click.argument("target", metavar="SCENARIO[/EXPERIMENT]")
@click.option("--variant", "variants", multiple=True, help="run only this variant (may be given several times)")
@click.option("--set", "pairs", multiple=True, metavar="FACTOR=VALUE", help="run a variant of your own")
@click.option("--trials", type=click.IntRange(1), help="trials of every variant")
@click.option(
    "--jobs", type=click.IntRange(1), help="trials side by side, where no load is measured (default: 2 per core)"
)
@click.option("--keep-going", is_flag=True, help="run the other variants where the documented stack cannot be built")
@click.option("--keep", is_flag=True, help="afterwards bring the documented (or custom) stack up, to look at it")
@boundary
def run(
    target: str,
    variants: tuple[str, ...],
    pairs: tuple[str, ...],
    trials: int | None,
    jobs: int | None,
    keep_going: bool,
    keep: bool,
) -> NoReturn:
    """Run a scenario's experiments, judge its claims, show the result."""
    name, _, experiment = target.partition("/")
    options = plan.RunOptions(name, experiment, variants, settings_of(pairs), trials, jobs, keep_going)
    root = project_root()
    planned = plan.make_plan(loader.load(root, name), options)
    terminal = console()
    made = session.Session(root, planned, terminal, Progress(planned, terminal, show_progress))
    status = made.execute()
    if keep:
        manual.up(root, name, settings_of(pairs), show_progress)
    click.echo(f"reprolab: exit status {int(status)} ({made.words(status)})")
    sys.exit(status)


@click.command()
@click.argument("where", metavar="RUN")
@boundary
def judge(where: str) -> Exit:
    """Judge a run again from its files, without Docker. RUN: a directory, SCENARIO/STAMP or SCENARIO."""
    root = project_root()
    found_run = lookup.open_run(root, where)
    found = loader.load(root, found_run.info().scenario)
    verdict = record.judge_run(found, found_run)
    write.report(console(), found, found_run)
    if (found_run.path / run_dir.PAGE).exists():
        # It must not go on saying what was judged before.
        write.add_page(found, found_run, show_progress)
    return exit_status(verdict)


@click.command()
@click.argument("where", metavar="RUN")
@boundary
def html(where: str) -> None:
    """Write a run's report.html anew, from its files, without Docker. RUN: a directory, SCENARIO/STAMP or SCENARIO."""
    root = project_root()
    found_run = lookup.open_run(root, where)
    found = loader.load(root, found_run.info().scenario)
    click.echo(f"written: {write.write_page(found, found_run)}")
