"""Commands for verdicts on record and for pages: `reprolab accept`, `docs`, `site`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from reprolab.cli.common import boundary, project_root, show_progress
from reprolab.core import command_text
from reprolab.core.errors import UsageError
from reprolab.evidence import lookup
from reprolab.matrix.document import MATRIX_FILE
from reprolab.publish import accept as acceptance
from reprolab.publish import maps, readme_sections
from reprolab.scenario import loader
from reprolab.verdict import fitting


@click.command()
@click.argument("where", metavar="RUN")
@click.option("--thin", is_flag=True, help="also record verdicts that chance or a single trial could give")
@boundary
def accept(where: str, thin: bool) -> None:
    """Put a reviewed run on record, and write the generated pages. RUN may also be a map: matrix/SCENARIO."""
    root = project_root()
    if directory := _map(root, where):
        path, pages = maps.accept_map(root, directory), readme_sections.write(root)
        _written(root, path, pages)
        return
    if where in loader.names(root):
        fits = partial(fitting.to_record, loader.load(root, where))
        run = lookup.find_run(root, where, fits, show_progress)
    else:
        run = lookup.open_run(root, where)
    path, pages = acceptance.record(root, run, thin=thin)
    _written(root, path, pages)


def _map(root: Path, where: str) -> Path | None:
    """The directory of a map that a user names: its path, or matrix/SCENARIO for the latest one."""
    below = lookup.results_root(root) / where
    places = (Path(where), below, below / lookup.LATEST)
    return next((place.resolve() for place in places if (place / MATRIX_FILE).is_file()), None)


def _written(root: Path, path: Path, pages: list[Path]) -> None:
    click.echo(f"recorded: {path.relative_to(root)}")
    for page in pages:
        click.echo(f"{'written: ' if page.exists() else 'removed: '} {page.relative_to(root)}")


@click.command("docs")
@click.option("--check", is_flag=True, help="write nothing, only check whether the generated parts are up to date")
@boundary
def docs_(check: bool) -> None:
    """Write the generated parts of the READMEs and of the pages in docs/."""
    root = project_root()
    pages = readme_sections.stale(root) if check else readme_sections.write(root)
    for page in pages:
        word = "out of date" if check else "written" if page.exists() else "removed"
        click.echo(f"{word}: {page.relative_to(root)}")
    if check and pages:
        raise UsageError(
            "generated pages are out of date",
            advice=f"run `{command_text.command('docs', 'docs')}` and commit the result",
        )


@click.command()
@click.option(
    "--output", type=click.Path(file_okay=False, path_type=Path), help="directory of the site (default: results/site)"
)
@boundary
def site(output: Path | None) -> None:
    """Write all scenarios, their claims, READMEs and latest reports as pages that need no network."""
    root = project_root()
    # Only the site needs the drawing library.
    from reprolab.publish import site as site_pages

    target = output or lookup.results_root(root) / site_pages.NAME
    click.echo(f"written: {site_pages.build(root, target.absolute(), show_progress)}")
