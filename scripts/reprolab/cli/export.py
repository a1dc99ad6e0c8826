"""`reprolab export`: a reproducer that a maintainer can run without the lab."""

from __future__ import annotations

from pathlib import Path

import click

from reprolab.cli.common import FROM, boundary, project_root, show_progress
from reprolab.core import command_text
from reprolab.core.errors import UsageError
from reprolab.evidence.lookup import results_root
from reprolab.export import least, render, write
from reprolab.export.render import ExportCase
from reprolab.report.table import changes_text
from reprolab.scenario import loader
from reprolab.shrink import handover


def _case(root: Path, name: str, variant: str | None, source: str) -> ExportCase:
    """What to export: a variant, or the least stack of a shrink. Raises UsageError for both."""
    scenario = loader.load(root, name)
    if not source:
        return write.choose_case(scenario, variant)
    if variant:
        raise UsageError(
            f"{command_text.option('from', source)} exports the least stack, and {command_text.option('variant')} a "
            "variant",
            expected="one of the two",
        )
    return least.least_case(scenario, handover.find(root, scenario, source, show_progress))


def _export(root: Path, name: str, variant: str | None, output: Path | None, source: str) -> None:
    """Write one scenario's reproducer; say which variant it shows, where it is and how to run it."""
    case = _case(root, name, variant, source)
    directory, archive = write.write_reproducer(case, output or results_root(root) / "export")
    reproducer = case.reproducer
    click.echo(
        f"exports: {reproducer.claim.id} ({reproducer.experiment.name}), variant {case.variant}: {reproducer.sign}"
    )
    if case.minimal:
        click.echo(
            f"  the sign showed in {case.minimal.count.text} trials of the least stack: {changes_text(case.changes)}"
        )
        if case.not_part:
            click.echo(f"  not part of the reproducer: {', '.join(case.not_part)}")
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
@FROM
@boundary
def export(name: str, variant: str | None, output: Path | None, source: str) -> None:
    """Write a directory and a .tar.gz that show one sign with Docker alone, for an upstream maintainer."""
    _export(project_root(), name, variant, output, source)
