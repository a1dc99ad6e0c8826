"""`reprolab export`: a reproducer that a maintainer can run without the lab."""

from __future__ import annotations

from pathlib import Path

import click

from reprolab import export, scenario
from reprolab.evidence import results_root


def run(root: Path, name: str, variant: str | None, output: Path | None) -> None:
    """Export one scenario and say which case it is, what was written and how to run it."""
    chosen = export.case(scenario.load(root, name), variant)
    directory, archive = export.write(chosen, output or results_root(root) / "export")
    shown = chosen.reproducer
    click.echo(f"exports: {shown.claim.id} ({shown.experiment.name}), variant {chosen.variant}: {shown.sign}")
    click.echo(f"written: {directory}/")
    click.echo(f"written: {archive}")
    click.echo(f"run it:  {directory}/run.sh (exit status 0: the sign shows, 1: it does not, 2: it cannot be told)")
