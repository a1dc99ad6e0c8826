"""`reprolab run`, and the commands that read a run again: `judge` and `html`."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import NoReturn

import click

from reprolab.bisect import write as bisect_write
from reprolab.bisect.document import FILE as BISECT_FILE
from reprolab.bisect.document import read_document
from reprolab.cli import junit_file
from reprolab.cli.common import boundary, console, duration, project_root, settings_of, show_progress
from reprolab.cli.json_output import exit_document, print_json
from reprolab.cli.output import Output
from reprolab.core import command_text
from reprolab.core.errors import Exit, UsageError
from reprolab.engine import elsewhere
from reprolab.evidence import lookup
from reprolab.evidence.run_dir import PAGE, RunDirectory
from reprolab.matrix import write as matrix_write
from reprolab.matrix.document import MATRIX_FILE, read_matrix
from reprolab.matrix.document import PAGE as MATRIX_PAGE
from reprolab.measure.kernels import full_kernel
from reprolab.pins import releases
from reprolab.report import junit, write
from reprolab.report.judged import judged
from reprolab.run import observe_again, on_kernel, plan, session
from reprolab.run.keep import Keeper
from reprolab.run.progress import Progress
from reprolab.scenario import loader
from reprolab.scenario.model import Scenario
from reprolab.shrink import document as shrink_document
from reprolab.shrink import write as shrink_write
from reprolab.verdict import fitting, record
from reprolab.verdict.judge import exit_status, exit_words

VERBOSE = click.option("-v", "--verbose", is_flag=True, help="also print notes, times, base images and the host")
JSON = click.option(
    "--json", "as_json", is_flag=True, help="print answer and verdict as JSON; all other lines go to standard error"
)


@click.command()
@click.argument("target", metavar="SCENARIO[/EXPERIMENT]")
@click.option("--variant", "variants", multiple=True, help="run only this variant (may be given several times)")
@click.option("--set", "pairs", multiple=True, metavar="FACTOR=VALUE", help="run a new variant with these factors")
@click.option("--trials", type=click.IntRange(1), help="number of trials of every variant, and so of rounds")
@click.option(
    "--jobs", type=click.IntRange(1), help="number of parallel trials, where no load is measured (default: 2 per core)"
)
@click.option("--seed", type=click.IntRange(0), help="repeat the order of the trials of a run with this seed")
@click.option(
    "--budget", callback=duration, metavar="DURATION", help="begin no further round after this time: 90s, 5m, 1h"
)
@click.option(
    "--confidence",
    type=click.FloatRange(50, 100, min_open=True, max_open=True),
    help="go on until every judged claim has p at most 0.01 (for 99), or for --trials rounds",
    metavar="PERCENT",
)
@click.option("--keep-going", is_flag=True, help="run the other variants even if the documented stack cannot be built")
@click.option("--keep", is_flag=True, help="leave the stack of the first invalid trial up, or that of the last trial")
@click.option("--kernel", metavar="VERSION", help="run in a virtual machine with this kernel: 5.10, 6.1.170")
@junit_file.JUNIT
@VERBOSE
@JSON
@boundary
def run(
    target: str,
    variants: tuple[str, ...],
    pairs: tuple[str, ...],
    trials: int | None,
    jobs: int | None,
    seed: int | None,
    budget: float | None,
    confidence: float | None,
    keep_going: bool,
    keep: bool,
    kernel: str | None,
    junit_path: Path | None,
    verbose: bool,
    as_json: bool,
) -> NoReturn:
    """Run a scenario's experiments, judge its claims, and show the verdicts."""
    name, _, experiment = target.partition("/")
    options = plan.RunOptions(
        name, experiment, variants, settings_of(pairs), trials, jobs, keep_going, seed, budget, confidence
    )
    root = project_root()
    junit_file.check(junit_path)
    run_plan = plan.make_plan(loader.load(root, name), options)
    releases.check(root, run_plan.scenario, options.settings, command_text.factors())
    # The process for the virtual machine gets the same words.
    if kernel is not None and not elsewhere.kernel():
        sys.exit(_on_kernel(root, run_plan, kernel, keep))
    terminal = Output(stderr=True) if as_json else console()
    keeper = Keeper(root, show_progress) if keep else None
    progress = Progress(run_plan, terminal, show_progress)
    run_session = session.Session(root, run_plan, terminal, progress, keeper=keeper, verbose=verbose)
    with keeper or nullcontext(), junit_file.written(junit_path, run_plan.scenario, lambda: run_session.run):
        status = run_session.execute()
    words = run_session.words(status)
    if as_json and run_session.run:
        print_json(judged(run_plan.scenario, run_session.run) | {"exit": exit_document(status, words)})
    click.echo(f"reprolab: exit status {int(status)} ({words})", err=as_json)
    sys.exit(status)


def _on_kernel(root: Path, run_plan: plan.Plan, kernel: str, keep: bool) -> int:
    """The exit status of this command in a process of its own, on a virtual machine's engine."""
    if keep:
        raise UsageError(
            f"{command_text.option('keep')}: a virtual machine ends with the run, so no stack of it can stay",
            expected=f"either {command_text.option('keep')} or {command_text.option('kernel', kernel)}",
        )
    version = full_kernel(root, kernel, command_text.option("kernel"))
    return on_kernel.run_on_kernel(run_plan, version, lookup.results_root(root), sys.argv[1:], show_progress)


@click.command()
@click.argument("where", metavar="RUN")
@click.option("--observe", is_flag=True, help="read the logs of all trials again before, with observe() as it is now")
@junit_file.JUNIT
@VERBOSE
@JSON
@boundary
def judge(where: str, observe: bool, junit_path: Path | None, verbose: bool, as_json: bool) -> Exit:
    """Judge a run again from its files, without Docker. RUN: a directory, SCENARIO/STAMP or SCENARIO."""
    junit_file.check(junit_path)
    scenario, directory = _open_run(where)
    if observe:
        for line in observe_again.lines(observe_again.observe_again(scenario, directory)):
            show_progress(line)
    verdict = record.judge_run(scenario, directory)
    write.report(Output(stderr=True) if as_json else console(), scenario, directory, verbose)
    if (directory.path / PAGE).exists():
        # An existing page must show the new verdict.
        write.add_page(scenario, directory, show_progress)
    if junit_path:
        junit.write(junit_path, scenario, directory)
    status = exit_status(verdict)
    if as_json:
        print_json(judged(scenario, directory) | {"exit": exit_document(status, exit_words(status, verdict))})
    return status


@click.command()
@click.argument("where", metavar="RUN")
@boundary
def html(where: str) -> None:
    """Write a run's report.html again from its files, without Docker. RUN: a directory, SCENARIO/STAMP or SCENARIO.

    RUN may be a bisect, a shrink or a map too: bisect/SCENARIO/STAMP, or bisect/SCENARIO for the latest.
    """
    results = lookup.results_root(project_root())
    for file, again in QUESTIONS.items():
        if directory := lookup.find_question(results, where, file):
            click.echo(f"written: {again(directory, results)}")
            return
    scenario, run = _open_run(where)
    click.echo(f"written: {write.write_page(scenario, run)}")


def _bisect_again(directory: Path, results: Path) -> Path:
    bisect_write.write(directory, read_document(directory))
    return directory / PAGE


def _shrink_again(directory: Path, results: Path) -> Path:
    shrink_write.write(directory, shrink_document.read(directory), results)
    return directory / PAGE


def _map_again(directory: Path, results: Path) -> Path:
    matrix_write.write_files(directory, read_matrix(directory))
    return directory / MATRIX_PAGE


# The file of a question -> what writes its reports again.
QUESTIONS = {BISECT_FILE: _bisect_again, shrink_document.FILE: _shrink_again, MATRIX_FILE: _map_again}


def _open_run(where: str) -> tuple[Scenario, RunDirectory]:
    return fitting.open_to_judge(project_root(), where, show_progress)
