"""A stack by hand: `reprolab up`, `wrk`, `logs`, `down`."""

from __future__ import annotations

import click

from reprolab.cli.common import boundary, project_root, settings_of, show_progress
from reprolab.run import manual

# Several stacks of a scenario may be up at once.
named = click.option("--as", "label", default="", metavar="NAME", help="of several stacks of the scenario, this one")


@click.command()
@click.argument("name", metavar="SCENARIO")
@named
@click.option("--set", "pairs", multiple=True, metavar="FACTOR=VALUE")
@boundary
def up(name: str, label: str, pairs: tuple[str, ...]) -> None:
    """Bring a scenario's stack up, to poke at it by hand."""
    manual.up(project_root(), name, settings_of(pairs), show_progress, label)


@click.command()
@click.argument("name", metavar="SCENARIO")
@named
@boundary
def down(name: str, label: str) -> None:
    """Take the stack down that `up` brought up."""
    manual.down(project_root(), name, label)


@click.command()
@click.argument("name", metavar="SCENARIO")
@click.argument("role", required=False)
@named
@click.option("--follow", is_flag=True)
@click.option("--tail", default="100", show_default=True, help='lines of each service, or "all"')
@boundary
def logs(name: str, role: str | None, label: str, follow: bool, tail: str) -> None:
    """The logs of the stack that `up` brought up, of one ROLE (app, proxy ...) or of all.

    The whole logs are kept below results/by-hand/, with the factors, for `compare`; not while they are followed.
    """
    manual.logs(project_root(), name, role, show_progress, follow=follow, tail=tail, label=label)


@click.command()
@click.argument("name", metavar="SCENARIO")
@named
@click.option("--threads", default=10, show_default=True)
@click.option("--connections", default=200, show_default=True)
@click.option("--duration", default=10, show_default=True, help="seconds")
@boundary
def wrk(name: str, label: str, threads: int, connections: int, duration: int) -> None:
    """Put load on the stack that `up` brought up."""
    manual.put_load(project_root(), name, threads=threads, connections=connections, duration=duration, label=label)
