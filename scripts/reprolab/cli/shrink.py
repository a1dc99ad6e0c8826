"""`reprolab shrink`: from a stack to the least that still shows a claim's sign in every trial."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom

import click
from rich.console import Console

from reprolab.cli.cluster_options import ENGINES, SCHEDULER, SHARE_IMAGES, ClusterOptions, open_measurer
from reprolab.cli.common import boundary, console, duration, project_root, settings_of, show_progress
from reprolab.core import command_text
from reprolab.core.errors import Exit
from reprolab.measure.cell import Measurer
from reprolab.measure.kernels import with_full_kernel
from reprolab.measure.progress import CellProgress
from reprolab.pins import releases
from reprolab.run.plan import SEEDS
from reprolab.scenario import loader
from reprolab.shrink import plan
from reprolab.shrink.question import Question, ask
from reprolab.shrink.session import ShrinkSession


@dataclass(frozen=True)
class MeasureOptions:
    """The options for what runs the trials."""

    fresh: bool
    seed: int | None
    jobs: int | None
    cluster: ClusterOptions


@click.command()
@click.argument("target", metavar="SCENARIO[/EXPERIMENT]")
@click.option("--claim", default="", metavar="ID", help="the claim whose sign must show (default: the main claim)")
@click.option("--set", "pairs", multiple=True, metavar="FACTOR=VALUE", help="a setting that stays as it is")
@click.option("--trials", type=click.IntRange(1), help="in how many trials the sign must show, of each accepted stack")
@click.option(
    "--budget", callback=duration, metavar="DURATION", help="begin no further test after this time: 90s, 5m, 1h"
)
@click.option("--fresh", is_flag=True, help="measure again what was measured before")
@click.option("--seed", type=click.IntRange(0), help="repeat the order of the trials")
@click.option("--jobs", type=click.IntRange(1), help="number of parallel trials, where no load is measured")
@click.option("--plan", "only_plan", is_flag=True, help="show what can get simpler, and run nothing")
@ENGINES
@SCHEDULER
@SHARE_IMAGES
@boundary
def shrink(
    target: str,
    claim: str,
    pairs: tuple[str, ...],
    trials: int | None,
    budget: float | None,
    fresh: bool,
    seed: int | None,
    jobs: int | None,
    only_plan: bool,
    engines: str,
    scheduler: str,
    share_images: bool,
) -> Exit:
    """Find the least stack that shows the sign of a claim in every trial; exit status 3 if a step was left."""
    cluster = ClusterOptions(engines, scheduler, share_images)
    cluster.check(pairs)
    root = project_root()
    name, _, experiment = target.partition("/")
    scenario = loader.load(root, name)
    settings = with_full_kernel(root, settings_of(pairs), command_text.factors())
    question = ask(scenario, experiment, claim, settings, trials)
    cluster = cluster.on_kernels([question.cell({})])
    releases.check(root, scenario, question.fixed, command_text.factors())
    terminal = console()
    if only_plan:
        plan.show(root, terminal, question)
        return Exit.AS_RECORDED
    with _measurer(root, question, MeasureOptions(fresh, seed, jobs, cluster), terminal) as measurer:
        return ShrinkSession(root, question, measurer, terminal, show_progress, budget).execute()


def _measurer(
    root: Path, question: Question, options: MeasureOptions, terminal: Console
) -> AbstractContextManager[Measurer]:
    """What runs the trials."""
    observer = CellProgress(question.scenario, [question.claim], terminal, show_progress)
    seed = SystemRandom().randrange(SEEDS) if options.seed is None else options.seed
    return open_measurer(
        root,
        question.scenario,
        observer,
        options.cluster,
        [question.claim],
        seed=seed,
        jobs=options.jobs,
        fresh=options.fresh,
    )
