"""`reprolab adopt`: a scenario of a stack that the user has."""

from __future__ import annotations

from pathlib import Path

import click

from reprolab.adopt import names, scenario, source
from reprolab.cli.common import boundary, project_root, show_progress
from reprolab.core import command_text
from reprolab.engine.detect import compose_command, ensure_engine
from reprolab.publish import readme_sections


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--app", default="", metavar="SERVICE", help="the server under test; not needed where it is alone")
@click.option("--proxy", default="", metavar="SERVICE", help="what stands before it, and takes requests and load")
@click.option("--without", multiple=True, metavar="SERVICE", help="leave this service out")
@click.option("--name", default="", help="of the scenario (default: the name of the stack)")
@click.option("--port", type=click.IntRange(1, 65535), help="where the front listens in its container")
@click.option("--path", default="/", show_default=True, help="what is asked for, and must answer below 500")
@boundary
def adopt(file: Path, app: str, proxy: str, without: tuple[str, ...], name: str, port: int | None, path: str) -> None:
    """Make a scenario of the stack of a Compose FILE, with a load and two sample claims.

    What a stack of the lab may not have is left out or replaced, each with its reason. Secrets get made-up values.
    """
    root = project_root()
    compose = compose_command(ensure_engine(show_progress))
    stack = source.read(file, compose, [service for service in (app, proxy) if service])
    wanted = scenario.Adoption(name or names.plain(str(stack.model["name"])), app, proxy, without, port or 0, path)
    adopted = scenario.adopt(root, stack, wanted, compose)
    pages = [page.relative_to(root) for page in readme_sections.write(root)]
    roles = (f"{service} is {role}" if service != role else service for service, role in adopted.roles.items())
    click.echo(f"services: {', '.join(roles)}")
    factors = " ".join(f"{factor}={value}" for factor, value in adopted.factors.items())
    click.echo(f"factors:  {factors or 'none; a factor is ${NAME:-value} in its compose.yaml'}")
    for change in adopted.changes:
        click.echo(f"changed:  {change.words}")
    for written in dict.fromkeys([*adopted.files, *pages]):
        click.echo(f"written:  {written}")
    click.echo(f"it runs as it stands: {command_text.run(wanted.name)}")
