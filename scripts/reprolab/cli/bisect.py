"""`reprolab bisect`: every change of a claim's sign along the releases of a package, or other ordered values."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import click

from reprolab.bisect import terminal
from reprolab.bisect.commits import check_source
from reprolab.bisect.document import BisectDocument
from reprolab.bisect.plan import plan_lines
from reprolab.bisect.question import Question, ascending, check
from reprolab.bisect.search import CONFIDENCE, GAP, LEAST_RATE, MOST_TRIALS, Rules
from reprolab.bisect.session import Session, SourceCheckout
from reprolab.bisect.write import QUESTION
from reprolab.cli.cluster_options import ENGINES, SCHEDULER, SHARE_IMAGES, ClusterOptions, open_measurer
from reprolab.cli.common import boundary, console, duration, project_root, settings_of, show_progress
from reprolab.core import command_text
from reprolab.core.errors import Exit, UsageError
from reprolab.core.files import display_path
from reprolab.evidence import lookup
from reprolab.measure import pages
from reprolab.measure.asked import choose_claim, ranged_factors
from reprolab.measure.axis import Axis
from reprolab.measure.axis_text import read_axis
from reprolab.measure.companions import complete
from reprolab.measure.kernels import with_full_kernel
from reprolab.measure.known_values import known_values
from reprolab.measure.local import LocalMeasurer
from reprolab.measure.progress import CellProgress
from reprolab.pins.index_releases import releases_of
from reprolab.scenario import loader
from reprolab.scenario.kernel_setting import KERNEL
from reprolab.scenario.model import Scenario

NEWEST = ".."  # behind a value: the range from there on


@dataclass(frozen=True)
class BisectOptions:
    """The options of the command, beside those of the question."""

    budget: float | None = None
    seed: int | None = None
    jobs: int | None = None
    fresh: bool = False
    source: Path | None = None
    cluster: ClusterOptions = field(default_factory=ClusterOptions)


def _axis(root: Path, scenario: Scenario, text: str) -> Axis:
    """The values of FACTOR=VALUES; of FACTOR alone all that its range has."""
    factor, _, values = text.partition("=")
    _check_factor(scenario, factor, values)
    known = known_values(root, scenario, factor, releases_of) if not values and factor in scenario.factors else None
    if known:
        usable = (value.text for place, value in enumerate(known.values) if place not in known.left_out)
        values = next(usable, "") + NEWEST
    return ascending(read_axis(root, scenario, factor, values or f"{scenario.factors.get(factor, '')}{NEWEST}"))


def _check_factor(scenario: Scenario, factor: str, values: str) -> None:
    """Raise UsageError unless the scenario has the factor, and values or a range of it."""
    ranged = ranged_factors(scenario)
    some = ", ".join(ranged) or "(none)"
    advice = command_text.ask(QUESTION, scenario.name, {"FACTOR": ranged[0]}) if ranged else ""
    if not factor:
        raise UsageError(
            "no factor is given", expected=f"a factor whose values have an order: {some} have a range", advice=advice
        )
    if factor != KERNEL:
        scenario.check_factors({factor: scenario.factors.get(factor, "")}, command_text.option("factor"))
    if not values and factor not in ranged:
        raise UsageError(
            f"{factor} of {scenario.name} has no range, and no values are given",
            expected=f"a factor with a range ({some}), or numbers with commas between them: {factor}=1,2,4",
            advice=advice,
        )


def _question(
    root: Path, target: str, factor: str, claim: str, pairs: tuple[str, ...], rules: Rules, trials: int | None
) -> Question:
    name, _, experiment_name = target.partition("/")
    scenario = loader.load(root, name)
    experiment, chosen = choose_claim(scenario, experiment_name, claim)
    fixed = with_full_kernel(root, settings_of(pairs), command_text.factors())
    axis = _axis(root, scenario, factor)
    check(axis, scenario, fixed)
    most = trials or rules.most_trials
    limited = replace(rules, bad_trials=min(experiment.trials, most), most_trials=most)
    chosen_factors = {*fixed, axis.factor}

    def companions(settings: Mapping[str, str]) -> dict[str, str]:
        return complete(scenario, settings, chosen_factors)

    return Question(scenario, experiment, chosen, axis, fixed, limited, companions)


def _run(root: Path, question: Question, options: BisectOptions) -> BisectDocument:
    """Measure, write the documents, and print the result, also that of an interrupted bisect."""
    scenario = question.scenario
    output = console()
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    observer = CellProgress(scenario, [question.claim], output, show_progress, [question.axis.factor])
    with open_measurer(
        root,
        scenario,
        observer,
        options.cluster,
        [question.claim],
        seed=seed,
        jobs=options.jobs,
        fresh=options.fresh,
    ) as lab:
        run = lookup.create_run(root, f"{QUESTION}/{scenario.name}")
        bisect_session = Session(question, run.path, lookup.results_root(root), show_progress, options.budget, seed)
        checkout = None
        # `_check_deep` refuses a source together with other engines than the one in use.
        if options.source and isinstance(lab, LocalMeasurer):
            checkout = SourceCheckout(options.source, lab.runner.sources)
        try:
            bisect_session.execute(lab, checkout)
        finally:
            lookup.point_latest(run, show_progress)
            terminal.render(output, bisect_session.document, f"{display_path(run.path)}/")
    _write_pages(root, scenario, bisect_session.document)
    return bisect_session.document


def _write_pages(root: Path, scenario: Scenario, document: BisectDocument) -> None:
    """Write the pages of the cells, to which the page of the bisect links."""
    points = [*document.points, *(point for search in document.deep for point in search.points)]
    results = lookup.results_root(root)
    pages.write_pages(scenario, [results / point.evidence for point in points if point.evidence], show_progress)


def _check_deep(deep: bool, source: Path | None, package: str, cluster: ClusterOptions) -> None:
    """Raise UsageError unless a search over commits has what it needs."""
    wanted, flag = command_text.option("source", "path/to/source"), command_text.option("deep")
    if deep and source is None:
        raise UsageError(
            f"{flag} needs the source, with its history", expected=f"a git checkout of the project: {wanted}"
        )
    if source and not deep:
        raise UsageError(f"{wanted} is for a search over commits", expected=f"it together with {flag}")
    if source is None:
        return
    if cluster.several:
        raise UsageError(
            f"{flag} builds commits on the engine in use only",
            expected=f"either {flag}, or one of {command_text.option('engines')}, {command_text.option('scheduler')} "
            f"and {KERNEL}",
        )
    if not package:
        raise UsageError(
            f"{wanted}: the values of this factor are no releases of a package",
            expected="a factor for which x-reprolab names a package",
        )
    check_source(source)


@click.command()
@click.argument("target", metavar="SCENARIO[/EXPERIMENT]")
@click.option(
    "--factor", default="", metavar="FACTOR[=FROM..TO]", help="a factor, and which of its values; KERNEL=5.10,6.1"
)
@click.option("--claim", default="", metavar="ID", help="look for this claim's sign (default: that of the main claim)")
@click.option("--set", "pairs", multiple=True, metavar="FACTOR=VALUE", help="set this factor in all trials")
@click.option(
    "--confidence",
    type=click.FloatRange(0, 100, min_open=True, max_open=True),
    default=CONFIDENCE,
    show_default=True,
    help="be so sure that no stated side is wrong",
    metavar="PERCENT",
)
@click.option(
    "--least-rate",
    type=click.FloatRange(0, 100, min_open=True),
    default=LEAST_RATE,
    show_default=True,
    help="a release that has the sign is assumed to show it in so many of its trials",
    metavar="PERCENT",
)
@click.option("--gap", type=click.IntRange(1), default=GAP, show_default=True, help="measure one of so many neighbours")
@click.option("--points", type=click.IntRange(1), help="try at most so many values")
@click.option("--trials", type=click.IntRange(1), help=f"most trials of one value (default: {MOST_TRIALS})")
@click.option(
    "--budget", callback=duration, metavar="DURATION", help="begin no further batch after this time: 90s, 5m, 1h"
)
@click.option("--fresh", is_flag=True, help="do not count the trials of earlier questions")
@click.option("--seed", type=click.IntRange(0), help="repeat the order of the trials of a bisect with this seed")
@click.option("--jobs", type=click.IntRange(1), help="number of parallel trials, where no load is measured")
@click.option("--plan", is_flag=True, help="say what would be measured; run nothing")
@click.option("--deep", is_flag=True, help="go on inside a release, over the commits of --source")
@click.option("--source", type=click.Path(path_type=Path), metavar="DIR", help="a git checkout of the package's source")
@ENGINES
@SCHEDULER
@SHARE_IMAGES
@boundary
def bisect(
    target: str,
    factor: str,
    claim: str,
    pairs: tuple[str, ...],
    confidence: float,
    least_rate: float,
    gap: int,
    points: int | None,
    trials: int | None,
    budget: float | None,
    fresh: bool,
    seed: int | None,
    jobs: int | None,
    plan: bool,
    deep: bool,
    source: Path | None,
    engines: str,
    scheduler: str,
    share_images: bool,
) -> Exit:
    """Find every change of a claim's sign along an ordered factor: first bad, last bad, fixed, back again."""
    cluster = ClusterOptions(engines, scheduler, share_images)
    cluster.check([factor, *pairs])
    root = project_root()
    rules = Rules(gap, confidence, least_rate, points=points)
    question = _question(root, target, factor, claim, pairs, rules, trials)
    cluster = cluster.on_kernels(question.cells())
    _check_deep(deep, source, question.axis.package, cluster)
    if plan:
        for line in plan_lines(root, question):
            click.echo(line)
        return Exit.AS_RECORDED
    document = _run(root, question, BisectOptions(budget, seed, jobs, fresh, source, cluster))
    return Exit.AS_RECORDED if any(point.measured for point in document.points) else Exit.INCONCLUSIVE
