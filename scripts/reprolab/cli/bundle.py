"""`reprolab bundle` and `reprolab load`: a talk's luggage."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from reprolab.baseimage.resolve import policy
from reprolab.bundle import archive, create
from reprolab.bundle.load import Loader, gigabytes
from reprolab.cli.common import boundary, console, project_root, show_progress
from reprolab.core.errors import BundleError
from reprolab.demo import script
from reprolab.engine.detect import client, ensure_engine
from reprolab.evidence import lookup
from reprolab.scenario import loader as scenario_loader

NAMES = click.argument("names", nargs=-1, metavar="[SCENARIO]...")
EVERYTHING = click.option("--all-variants", is_flag=True, help="the images of all variants, not only of those on stage")
NO_RUNS = click.option("--no-runs", is_flag=True, help="without recorded runs: nothing can be replayed then")
OUTPUT = click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="default: results/bundle-DATE.tar"
)
WHERE = click.argument("where", metavar="BUNDLE", type=click.Path(path_type=Path))


@click.command()
@NAMES
@EVERYTHING
@NO_RUNS
@OUTPUT
@boundary
def bundle(names: tuple[str, ...], all_variants: bool, no_runs: bool, output: Path | None) -> None:
    """Put images, a run of each scenario and the packages into one file, for a machine without network."""
    root = project_root()
    found = create.chosen(root, names)
    engine = ensure_engine(show_progress)
    bundler = create.Bundler(root, engine, client(), policy(os.environ), show_progress)
    parts = bundler.gather(found, everything=all_variants, runs=not no_runs)
    wheels = create.wheels(root, show_progress)
    target = output or lookup.results_root(root) / f"bundle-{datetime.now(UTC):%Y%m%d}.tar"
    images = bundler.images_of(parts)
    show_progress(
        f"writing {len(images)} images, {len(wheels)} packages and {sum(p.run is not None for p in parts)} runs"
    )
    with progress(console(), "written", None) as heard:
        size = bundler.write(parts, wheels, target, heard)
    click.echo(f"bundle: {target} ({gigabytes(size)})")
    for part in parts:
        click.echo(f"  {part.scenario.name}: {len(part.variants)} variants, {_run_words(part)}")
    click.echo(f"on the other machine, in a copy of this checkout: make load BUNDLE={target.name}")


def _run_words(part: create.Part) -> str:
    return f"run {part.run.name}" if part.run else "no run"


@click.command()
@WHERE
@boundary
def load(where: Path) -> None:
    """Check a bundle, hand its images to the engine, unpack its runs; afterwards no registry is needed."""
    root = project_root()
    reader = archive.Reader(where)
    with progress(console(), "checked", reader.size) as heard:
        manifest = reader.verify(heard)
    show_progress(f"the bundle of {manifest['created']} is whole ({gigabytes(reader.size)})")
    loader = Loader(root, ensure_engine(show_progress), client(), reader, show_progress)
    loader.check_machine(manifest)
    with progress(console(), "loaded", reader.sizes(archive.IMAGES)) as heard:
        loaded = loader.images(manifest, heard)
    loader.bases(manifest)
    click.echo(f"images: {len(manifest['images'])} {'loaded' if loaded else 'were here already'}")
    for run in loader.runs(manifest):
        click.echo(f"run:    {run}")
    if unready := list(loader.unready(manifest)):
        raise BundleError(
            "not all of it is ready, and would be built or fetched anew:\n  " + "\n  ".join(unready),
            expected="a checkout with the same files as where the bundle was made",
            advice="copy that checkout, then load again",
        )
    for name, part in manifest["scenarios"].items():
        if not script.exists(scenario_loader.load(root, name)):
            click.echo(f"ready:  make scenario-{name} VARIANT=documented")
            continue
        replay = f"   or, without Docker: make demo-{name} REPLAY={name}/{part['run']}" if part["run"] else ""
        click.echo(f"ready:  make demo-{name}{replay}")


@contextmanager
def progress(console: Console, word: str, total: int | None) -> Iterator[archive.Heard]:
    """A bar in a terminal; nothing where there is none. Hears how many bytes more have passed."""
    columns = (TextColumn(word), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(word, total=total)
        yield lambda size: bar.update(task, advance=size)
