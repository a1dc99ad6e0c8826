"""`reprolab pins`: whether every pinned package of every image is still available."""

from __future__ import annotations

import time

import click

from reprolab.cli.common import boundary, console, project_root, show_progress
from reprolab.core.errors import Exit
from reprolab.engine.detect import client, ensure_engine
from reprolab.pins import asking, table
from reprolab.scenario import loader

EPILOG = (
    "Exit status: 0 all packages are available; 1 one is gone; 2 a Dockerfile cannot be read; 4 a package could not be "
    "looked up (engine, network, an index or mirror that does not answer)."
)
NAMES = click.argument("names", metavar="[SCENARIO]...", nargs=-1)
VERBOSE = click.option("-v", "--verbose", is_flag=True, help="also list the available packages, with exact versions")


@click.command(epilog=EPILOG)
@NAMES
@VERBOSE
@boundary
def pins(names: tuple[str, ...], verbose: bool) -> Exit:
    """Ask the package archives whether every pinned package of every image is available. Builds nothing."""
    began = time.monotonic()
    root = project_root()
    scenarios = [loader.load(root, name) for name in names or loader.names(root)]
    ensure_engine(show_progress)
    engine = client()
    machine = str(engine.info()["Architecture"])
    users = asking.pins_of(root, scenarios, machine)
    answers, warnings = asking.ask(users, engine, machine, show_progress)
    totals = {
        scenario.name: sum(len(experiment.variants) for experiment in scenario.experiments.values())
        for scenario in scenarios
    }
    table.render(console(), table.rows(answers, users, totals), everything=verbose)
    for warning in warnings:
        click.echo(f"warning: {warning}")
    click.echo(f"{table.summary(answers, users)} ({time.monotonic() - began:.0f} s)")
    return asking.status(answers)
