"""A stack by hand: `reprolab up`, `wrk`, `logs`, `down`."""

from __future__ import annotations

from typing import Any

import click

from reprolab.cli.common import boundary, console, project_root, settings_of, show_progress
from reprolab.cli.json_output import print_json
from reprolab.core.errors import UsageError
from reprolab.run import manual

# Several stacks of a scenario may be up at once.
named = click.option("--as", "label", default="", metavar="NAME", help="of several stacks of the scenario, this one")


class Lines(click.ParamType[int | None]):
    """A number of lines, or "all", which is None."""

    name = "lines"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        if value == "all":
            return None
        if not (str(value).isascii() and str(value).isdigit()):
            self.fail(f"{value!r}; expected: a number of lines, or all", param, ctx)
        return int(value)


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
@click.option("--follow", is_flag=True, help="go on with the lines that come, until Ctrl-C")
@click.option("--tail", type=Lines(), default="100", show_default=True, help='lines of each service, or "all"')
@click.option("--errors", is_flag=True, help="only errors: levels, tracebacks, answers with 5xx")
@boundary
def logs(name: str, role: str | None, label: str, follow: bool, tail: int | None, errors: bool) -> None:
    """The logs of the stack that `up` brought up, of one ROLE (app, proxy ...) or of all.

    All lines have one clock, the time of day in UTC. A line that is repeated stands once. The whole logs are kept below
    results/by-hand/, with the factors, for `compare`; not while they are followed.
    """
    root = project_root()
    if errors and follow:
        raise UsageError("--errors and --follow do not go together", expected="one of the two")
    later: list[str] = []
    entries = manual.logs(root, name, role, later.append, follow=follow, tail=tail, errors=errors, label=label)
    width = max((len(entry.role) for entry in entries), default=0)
    out = console()
    for entry in entries:
        line = entry.shown(width)
        if out.is_terminal:
            out.print(line, soft_wrap=True)
        else:
            click.echo(line.plain)
    if not entries:
        click.echo("no error in the logs" if errors else "the logs are empty")
    for message in later:
        show_progress(message)


@click.command()
@click.argument("name", metavar="SCENARIO")
@named
@click.option("--threads", default=10, show_default=True)
@click.option("--connections", default=200, show_default=True)
@click.option("--duration", default=10, show_default=True, help="seconds")
@click.option("--json", "as_json", is_flag=True, help="the figures as JSON, instead of words")
@boundary
def wrk(name: str, label: str, threads: int, connections: int, duration: int, as_json: bool) -> None:
    """Put load on the stack that `up` brought up, and say what it came to."""
    loaded = manual.put_load(
        project_root(), name, threads=threads, connections=connections, duration=duration, label=label
    )
    if as_json:
        print_json(loaded.figures)
    for line in () if as_json else loaded.lines:
        click.echo(line)
