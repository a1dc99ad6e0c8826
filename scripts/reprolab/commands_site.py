"""`reprolab site`: all scenarios, claims and reports as static pages."""

from __future__ import annotations

from pathlib import Path

import click

from reprolab import evidence
from reprolab.cli import boundary, main, project_root, say
from reprolab.site import build


@main.command("site")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="where to (default: results/site)")
@boundary
def site(output: Path | None) -> None:
    """Write all scenarios, their claims, stories and latest reports as pages that need no network."""
    root = project_root()
    first = build.build(root, (output or evidence.results_root(root) / build.NAME).absolute(), say)
    click.echo(f"written: {first}")
