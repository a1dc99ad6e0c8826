"""`reprolab matrix`: in which combinations of some factors a claim's sign shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import click

from reprolab.cli.cluster_options import ENGINES, SCHEDULER, SHARE_IMAGES, ClusterOptions, open_measurer
from reprolab.cli.common import boundary, console, duration, project_root, settings_of, show_progress
from reprolab.core import command_text
from reprolab.core.errors import Exit, UsageError
from reprolab.evidence import lookup
from reprolab.matrix import forecast, write
from reprolab.matrix.document import MATRIX_FILE, read_matrix
from reprolab.matrix.plan import Companions, MatrixOptions, MatrixPlan, make_plan
from reprolab.matrix.session import FOLDER, MatrixSession, exit_status
from reprolab.measure.asked import example_values
from reprolab.measure.axis import Axis
from reprolab.measure.axis_text import read_axis
from reprolab.measure.cell import Measurer
from reprolab.measure.companions import complete
from reprolab.measure.kernels import with_full_kernel
from reprolab.measure.progress import CellProgress
from reprolab.pins import releases
from reprolab.run.plan import default_jobs
from reprolab.scenario import loader
from reprolab.scenario.kernel_setting import KERNEL
from reprolab.scenario.model import Scenario

EPILOG = (
    "Exit status: 0 every cell has a result, or a reason why it has none; 2 usage; 3 cells are undecided (the budget "
    "was used, other work disturbed them), or none has a result; 4 the lab failed; 130 interrupted, the map is kept."
)


@click.command(epilog=EPILOG)
@click.argument("target", metavar="SCENARIO[/EXPERIMENT]", required=False, default="")
@click.option(
    "--over",
    "overs",
    multiple=True,
    metavar="FACTOR=VALUES",
    help="an axis: A=19.4.5..20.1.0, A=sync,gthread, KERNEL=5.10,6.1",
)
@click.option("--claim", "claims", multiple=True, metavar="ID", help="narrow doubt for this claim (default: the main)")
@click.option("--set", "pairs", multiple=True, metavar="FACTOR=VALUE", help="a factor of all cells")
@click.option("--trials", type=click.IntRange(1), help="most trials of a cell in doubt (default: the experiment's)")
@click.option("--budget", callback=duration, metavar="DURATION", help="begin no further cell after this time: 90s, 1h")
@click.option("--fresh", is_flag=True, help="do not count the trials of earlier questions")
@click.option("--seed", type=click.IntRange(0), help="repeat the order of the cells of a map with this seed")
@click.option("--jobs", type=click.IntRange(1), help="number of parallel trials, where no load is measured")
@click.option("--plan", "plan_only", is_flag=True, help="print cells, builds and expected time, and run nothing")
@click.option("--show", "where", metavar="MAP", help="draw a map again: latest, its stamp, or its directory; no Docker")
@click.option("-v", "--verbose", is_flag=True, help="also print the interval of each cell, and the machines")
@ENGINES
@SCHEDULER
@SHARE_IMAGES
@boundary
def matrix(
    target: str,
    overs: tuple[str, ...],
    claims: tuple[str, ...],
    pairs: tuple[str, ...],
    trials: int | None,
    budget: float | None,
    fresh: bool,
    seed: int | None,
    jobs: int | None,
    plan_only: bool,
    where: str | None,
    verbose: bool,
    engines: str,
    scheduler: str,
    share_images: bool,
) -> Exit:
    """Measure how often a claim's sign shows in every combination of some factors, and draw the map.

    Each cell gets one trial; where neighbours differ, or a sign comes and goes, it gets more. All signs of the
    experiment are counted.
    """
    cluster = ClusterOptions(engines, scheduler, share_images)
    cluster.check([*overs, *pairs])
    root, (name, _, experiment) = project_root(), target.partition("/")
    if where:
        return _show(root, name, where, verbose)
    if not name:
        advice = f"{command_text.command('list', 'list')}, for all scenarios"
        raise UsageError("no scenario is given", expected="SCENARIO[/EXPERIMENT]", advice=advice)
    scenario = loader.load(root, name)
    settings = with_full_kernel(root, settings_of(pairs), command_text.factors())
    options = MatrixOptions(name, experiment, claims, settings, trials, budget, seed)
    plan = make_plan(scenario, options, _axes(root, scenario, overs), _companions(scenario))
    cluster = cluster.on_kernels(point.cell for point in plan.points)
    releases.check(root, scenario, options.settings, command_text.factors())
    if plan_only:
        for line in forecast.forecast(root, plan, jobs or default_jobs()):
            click.echo(line)
        return Exit.AS_RECORDED
    opening = partial(_measurer, root, plan, cluster, jobs, fresh)
    return MatrixSession(root, plan, opening, console(), show_progress, verbose).execute()


def _show(root: Path, name: str, where: str, verbose: bool) -> Exit:
    """Draw a map again from its matrix.json, and write its other files anew."""
    directory = _find(root, name, where)
    document = read_matrix(directory)
    write.write_files(directory, document)
    write.show(console(), directory, document, verbose)
    return exit_status(document)


def _find(root: Path, name: str, where: str) -> Path:
    """The directory of a map: by its path, or by the stamp or the link below those of the scenario."""
    maps = lookup.results_root(root) / FOLDER / name
    for directory in (Path(where), maps / where):
        if (directory / MATRIX_FILE).is_file():
            return directory.resolve()
    stamps = sorted((path.parent.name for path in maps.glob(f"2*/{MATRIX_FILE}")), reverse=True) if name else []
    advice = "" if stamps or not name else f"`{_example(loader.load(root, name))}`, for a first map"
    raise UsageError(
        f"no map {where!r}: there is no {MATRIX_FILE} in it",
        expected=f"a directory of a map, {lookup.LATEST}, or a stamp; there is {', '.join(stamps[:3]) or 'none yet'}",
        advice=advice,
    )


def _axes(root: Path, scenario: Scenario, overs: Sequence[str]) -> list[Axis]:
    """The axes that the user asked for. Raises UsageError for a text that names none."""
    if not overs:
        raise UsageError(
            "no factor to go through is given",
            expected="at least one factor with values; the factors are " + ", ".join(scenario.factors),
            advice=_example(scenario),
        )
    axes = []
    for over in overs:
        factor, equals, text = over.partition("=")
        # The text is no value: only the factor is checked here.
        if factor != KERNEL:
            scenario.check_factors({factor: scenario.factors.get(factor, text)}, command_text.option("over"))
        if not equals:
            raise UsageError(
                f"{command_text.option('over', over)} names no values",
                expected="values with commas between them"
                + (", or a range: FIRST..LAST, or FIRST.. to the newest" if factor in scenario.ranges else ""),
                advice=_example(scenario, factor),
            )
        axes.append(read_axis(root, scenario, factor, text))
    return axes


def _example(scenario: Scenario, factor: str = "") -> str:
    """A whole command with values of a factor."""
    values = example_values(scenario, factor)
    return command_text.ask(FOLDER, scenario.name, {"OVER": values})


def _companions(scenario: Scenario) -> Companions:
    """Adds the factors that the scenario's rules choose; those that the user chose stay."""

    def companions(settings: Mapping[str, str]) -> Mapping[str, str]:
        chosen: Mapping[str, str] = complete(scenario, settings, settings)
        return chosen

    return companions


def _measurer(
    root: Path, plan: MatrixPlan, cluster: ClusterOptions, jobs: int | None, fresh: bool
) -> AbstractContextManager[Measurer]:
    """What measures the cells of a plan."""
    observer = CellProgress(plan.scenario, plan.claims, console(), show_progress, [axis.factor for axis in plan.axes])
    return open_measurer(root, plan.scenario, observer, cluster, plan.claims, seed=plan.seed, jobs=jobs, fresh=fresh)
