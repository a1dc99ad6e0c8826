"""The scenarios: `list`, `init`, `new-scenario` and `take`."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click
from rich.text import Text

from reprolab.cli.common import boundary, console, project_root, show_progress
from reprolab.cli.json_output import SCHEMA, exit_document, print_json
from reprolab.core import command_text, shared_files
from reprolab.core.errors import Exit, UsageError
from reprolab.core.subprocesses import run
from reprolab.publish import readme_sections
from reprolab.scenario import lab_folder, loader, model, scaffold, taking
from reprolab.scenario.listing import listing
from reprolab.stack.compose import check_scenario

COMPOSE_LIMIT = 20.0  # seconds


def _factor_words(scenario: model.Scenario, name: str) -> str:
    """A factor with its documented value, and the others where they are few."""
    others = [value for value in scenario.values.get(name, ()) if value != scenario.factors[name]]
    return f"{name}={scenario.factors[name]}" + (f" (or {' '.join(others)})" if others else "")


def _chosen(scenarios: Sequence[model.Scenario], words: Sequence[str]) -> list[model.Scenario]:
    """The scenarios to which every word belongs: a part of the name, a server or a kind. Raises UsageError if none."""

    def labels(scenario: model.Scenario) -> list[str]:
        return [label.lower() for label in (*scenario.catalogue.servers, *scenario.catalogue.kinds)]

    chosen = [
        scenario
        for scenario in scenarios
        if all(any(word.lower() in text for text in (scenario.name, *labels(scenario))) for word in words)
    ]
    if words and not chosen:
        known = sorted({label for scenario in scenarios for label in labels(scenario)})
        raise UsageError(
            f"no scenario for {' '.join(words)}", expected=f"a part of a name, or words of {', '.join(known)}"
        )
    return chosen


@click.command("list")
@click.argument("words", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="print the scenarios as JSON")
@boundary
def list_(words: tuple[str, ...], as_json: bool) -> None:
    """The scenarios, with their variants and factors, what they need of the machine, and what they may do to it.

    With WORDS only those to which each word belongs: a part of the name, a server, or a kind such as hang.
    """
    root = project_root()
    out = console()
    compose = _compose()
    scenarios = _chosen([loader.load(root, name) for name in loader.names(root)], words)
    for scenario in () if as_json else scenarios:
        for line in _lines(scenario):
            out.print(line)
    if not compose:
        show_progress("no `docker compose` here: what the stacks ask of the machine was not checked")
    refused = list(_refusals(scenarios, compose)) if compose else []
    for refusal in refused[:-1]:
        show_progress(str(refusal))
    if refused:
        raise refused[-1]
    if as_json:
        rows = [listing(scenario) for scenario in scenarios]
        print_json({"schema": SCHEMA, "scenarios": rows, "checked": bool(compose), "exit": exit_document(Exit(0))})


def _lines(scenario: model.Scenario) -> Iterator[Text | str]:
    """A scenario in the list."""
    yield Text(scenario.name, style="bold").append(f"  {scenario.title}", style="not bold")
    labels = [", ".join(part) for part in (scenario.catalogue.servers, scenario.catalogue.kinds) if part]
    if labels:
        yield f"  about:    {': '.join(labels)}"
    yield f"  factors:  {', '.join(_factor_words(scenario, name) for name in scenario.factors)}"
    for experiment in scenario.experiments.values():
        yield f"  {experiment.name}: {', '.join(experiment.variants)}"
    for requirement in scenario.requires:
        yield f"  needs:    {requirement.words}"
    for allowance in scenario.allow:
        yield f"  allowed:  {allowance.words}"


def _refusals(scenarios: Iterable[model.Scenario], compose: tuple[str, ...]) -> Iterator[UsageError]:
    """What the lab refuses in the stacks of scenarios."""
    for scenario in scenarios:
        try:
            check_scenario(scenario, compose)
        except UsageError as error:
            yield error


def _compose() -> tuple[str, ...]:
    """The words of a Compose command, which needs no engine here; empty where there is none."""
    docker = shutil.which("docker")
    command = (docker or "", "compose")
    return command if docker and run([*command, "version"], timeout=COMPOSE_LIMIT, check=False).code == 0 else ()


@click.command()
@click.argument("folder", type=click.Path())
@click.option("--scenario", "name", default=lab_folder.FIRST, show_default=True, help="the name of the first scenario")
@boundary
def init(folder: str, name: str) -> None:
    """Lay out a lab folder of your own, with a first scenario that runs. No file that is there is changed."""
    if not folder.strip():
        # A variable of the shell that is not set; the working directory is a dot.
        raise UsageError("the name of the folder is empty", expected="the name of a new or of an empty folder")
    _init(Path(folder), name)


def _init(folder: Path, name: str) -> None:
    for path in lab_folder.create(folder, name):
        click.echo(f"written: {folder / path}")
    readme_sections.write(folder)
    words = f"cd {shlex.quote(str(folder))} && " if folder.resolve() != Path.cwd() else ""
    click.echo(f"it runs as it stands: {words}{command_text.run(name)}")


@click.command("new-scenario")
@click.argument("name")
@click.option("--add", "texts", multiple=True, metavar="WORD", help="also, or later: " + ", ".join(scaffold.ADDITIONS))
@boundary
def new_scenario(name: str, texts: tuple[str, ...]) -> None:
    """Lay out a new scenario's directory and its include line, or add files to a scenario.

    No file that is there already is changed, but for the pages' generated parts.
    """
    root = project_root()
    words = scaffold.additions(texts)
    is_new = not words or name not in loader.names(root)
    written = scaffold.create(root, name) if is_new else []
    added, kept = scaffold.add(root, name, words) if words else ([], [])
    pages = [path.relative_to(root) for path in readme_sections.write(root)]
    for path in dict.fromkeys([*written, *added, *pages]):
        click.echo(f"written: {path}")
    for path in kept:
        click.echo(f"there already: {path}")
    if is_new:
        click.echo(f"it runs as it stands: {command_text.run(name)}")
    elif added:
        click.echo(f"these are examples: put your case's texts in their place, see {scaffold.how_to_write(root)}")


@click.command()
@click.argument("names", nargs=-1, metavar="[CASE]...")
@boundary
def take(names: tuple[str, ...]) -> None:
    """Copy cases of the installed lab into this lab folder, where they run.

    Without a name it lists them.
    """
    if not names:
        for scenario in (loader.load(shared_files.catalogue(), name) for name in taking.names()):
            click.echo(f"{scenario.name}  {scenario.title}")
        return
    root = project_root()
    for name in names:
        click.echo(f"written: {taking.take(root, name)}/")
    for page in readme_sections.write(root):
        click.echo(f"written: {page.relative_to(root)}")
    click.echo(f"it runs as it stands: {command_text.run(names[0])}")
