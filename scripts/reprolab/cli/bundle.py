"""`reprolab bundle` and `reprolab load`: offline bundles."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from reprolab.baseimage.resolve import policy
from reprolab.bundle import archive, create, members, signature
from reprolab.bundle.load import GIGA, Loader, format_size
from reprolab.cli.common import boundary, console, project_root, show_progress
from reprolab.core import command_text
from reprolab.core.errors import BundleError
from reprolab.demo import script
from reprolab.engine.detect import client, ensure_engine
from reprolab.evidence import lookup
from reprolab.scenario import loader as scenario_loader

NAMES = click.argument("names", nargs=-1, metavar="[SCENARIO]...")
EVERYTHING = click.option(
    "--all-variants",
    is_flag=True,
    help="the images of all variants, not only of the documented ones and those of the demonstration",
)
NO_RUNS = click.option("--no-runs", is_flag=True, help="leave recorded runs out; without them nothing can be replayed")
OUTPUT = click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="default: results/bundle-DATE.tar"
)
SIGN = click.option("--sign", "key", type=click.Path(path_type=Path), metavar="KEY", help="sign it with this SSH key")
VERIFY = click.option(
    "--verify",
    "signers",
    type=click.Path(path_type=Path),
    metavar="ALLOWED_SIGNERS",
    help="refuse a bundle that none of these signed; a file as in ssh-keygen(1)",
)
LIMIT = click.option(
    "--limit",
    type=click.FloatRange(0, min_open=True),
    default=members.USUAL_LIMIT / GIGA,
    show_default=True,
    metavar="GB",
    help="the most that runs and packages may have together",
)
WHERE = click.argument("where", metavar="BUNDLE", type=click.Path(path_type=Path))


@click.command()
@NAMES
@EVERYTHING
@NO_RUNS
@OUTPUT
@SIGN
@boundary
def bundle(names: tuple[str, ...], all_variants: bool, no_runs: bool, output: Path | None, key: Path | None) -> None:
    """Write images, a run of each scenario and the packages into one file, for a machine without a network."""
    root = project_root()
    scenarios = create.choose_scenarios(root, names)
    sign = partial(signature.sign, key=key) if key else None
    if sign:
        # Before the long work: whether the key can be used at all.
        sign(b"")
    engine = ensure_engine(show_progress)
    bundler = create.Bundler(root, engine, client(), policy(os.environ), show_progress)
    parts = bundler.gather(scenarios, everything=all_variants, runs=not no_runs)
    wheels = create.download_wheels(root, show_progress)
    lists = bundler.release_lists(parts)
    target = output or lookup.results_root(root) / f"bundle-{datetime.now(UTC):%Y%m%d}.tar"
    images = bundler.images_of(parts)
    runs = sum(part.run is not None for part in parts)
    show_progress(
        f"writing {len(images)} images, {len(wheels)} packages, {len(lists)} lists of releases and {runs} runs"
    )
    with progress(console(), "written", None) as on_bytes:
        size = bundler.write(parts, wheels, target, on_bytes, sign, lists)
    click.echo(f"bundle: {target} ({format_size(size)})")
    for part in parts:
        run = f"run {part.run.name}" if part.run else "no run"
        click.echo(f"  {part.scenario.name}: {len(part.variants)} variants, {run}")
    load_it = command_text.command(f"load {target.name}", f"load BUNDLE={target.name}")
    click.echo(f"on the other machine, in a copy of this folder: {load_it}")


@click.command()
@WHERE
@VERIFY
@LIMIT
@boundary
def load(where: Path, signers: Path | None, limit: float) -> None:
    """Check a bundle, load its images into the engine, unpack its runs. Afterwards no registry is needed."""
    root = project_root()
    reader = archive.ArchiveReader(where, int(limit * GIGA))
    with progress(console(), "checked", reader.size) as on_bytes:
        contents = reader.verify(on_bytes)
    manifest = contents.manifest
    show_progress(f"the bundle of {manifest.created} is complete ({format_size(reader.size)})")
    parts = (("images", members.IMAGES), ("runs", members.RUNS), ("packages", members.WHEELS))
    sizes = [f"{what} {format_size(contents.size(prefix))}" for what, prefix in parts]
    show_progress(f"it has {', '.join(sizes)}; {contents.count(members.RUNS)} files of {len(manifest.runs)} runs")
    show_progress(_signed(contents, signers, where))
    loader = Loader(root, ensure_engine(show_progress), client(), reader, show_progress)
    loader.check_machine(contents)
    with progress(console(), "loaded", contents.size(members.IMAGES)) as on_bytes:
        loaded = loader.load_images(manifest, on_bytes)
    loader.register_bases(manifest)
    click.echo(f"images: {len(manifest.images)} {'loaded' if loaded else 'were loaded already'}")
    if manifest.bases:
        click.echo(
            f"bases:  {', '.join(sorted(manifest.bases))} come from the bundle now, for all checkouts that use this"
        )
        click.echo(f"        engine; {command_text.command('clean --bundles', 'clean ARGS=--bundles')} takes that back")
    for run in loader.unpack_runs(manifest):
        click.echo(f"run:    {run}")
    if lists := list(loader.keep_releases()):
        click.echo(f"lists of releases: {', '.join(lists)}")
    if missing := list(loader.describe_missing(manifest)):
        raise BundleError(
            "some variants are not ready; a run would have to build or fetch their images:\n  " + "\n  ".join(missing),
            expected="a checkout with the same files as the one that made the bundle",
            advice="copy that checkout, then load again",
        )
    for name, case in manifest.scenarios.items():
        if not script.exists(scenario_loader.load(root, name)):
            click.echo(f"ready:  {command_text.run(name, ['documented'])}")
            continue
        replayed = command_text.command(
            f"demo {name} --replay {name}/{case.run}", f"demo-{name} REPLAY={name}/{case.run}"
        )
        replay = f"   or, without Docker: {replayed}" if case.run else ""
        click.echo(f"ready:  {command_text.command(f'demo {name}', f'demo-{name}')}{replay}")


def _signed(contents: archive.Contents, signers: Path | None, where: Path) -> str:
    """Who signed a bundle, in a line. Raises BundleError if it must be one of ``signers`` and is not."""
    if signers:
        return f"it is signed by {signature.check(contents.sums, contents.signature, signers, where)}"
    option = command_text.option("verify", "ALLOWED_SIGNERS")
    return f"its signature was not checked: {option}" if contents.signature else "it is not signed"


@contextmanager
def progress(console: Console, label: str, total: int | None) -> Iterator[archive.OnBytes]:
    """Show a progress bar if the console is a terminal; yields a function that adds bytes to it."""
    columns = (TextColumn(label), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda size: bar.update(task, advance=size)
