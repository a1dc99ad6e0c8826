"""`reprolab export`: a reproducer that a maintainer can run without the lab."""

from __future__ import annotations

from pathlib import Path

import click

from reprolab.cli.common import boundary, project_root
from reprolab.evidence.lookup import results_root
from reprolab.export import render, write
from reprolab.scenario import loader


def _export(root: Path, name: str, variant: str | None, output: Path | None) -> None:
    """Write one scenario's reproducer; say which variant it shows, where it is and how to run it."""
    case = write.choose_case(loader.load(root, name), variant)
    directory, archive = write.write_reproducer(case, output or results_root(root) / "export")
    reproducer = case.reproducer
    click.echo(
        f"exports: {reproducer.claim.id} ({reproducer.experiment.name}), variant {case.variant}: {reproducer.sign}"
    )
    click.echo(f"written: {directory}/")
    click.echo(f"written: {archive}")
    click.echo(f"run it:  {directory}/run.sh (exit status 0: the sign shows, 1: it does not, 2: it cannot be told)")
    if images := render.base_images(case):
        named = " ".join(f"{name}=IMAGE" for name in images)
        click.echo(f"  where Docker Hub cannot be reached: {named} {directory}/run.sh")
        for name, official in images.items():
            click.echo(f"    {name} stands for {official}")


@click.command()
@click.argument("name", metavar="SCENARIO")
@click.option("--variant", help="a variant of the reproducer's experiment, instead of its own")
@click.option("--output", type=click.Path(path_type=Path), metavar="DIR", help="instead of results/export")
@boundary
def export(name: str, variant: str | None, output: Path | None) -> None:
    """Write a directory and a .tar.gz that show one sign with Docker alone, for an upstream maintainer."""
    _export(project_root(), name, variant, output)
