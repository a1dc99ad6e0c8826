"""The command line: `reprolab run socket-vanish`. make is a thin face of it."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click
from rich.console import Console

from reprolab import accept as acceptance
from reprolab import (
    byhand,
    commands_bugreport,
    commands_bundle,
    commands_compare,
    commands_export,
    commands_pins,
    commands_stage,
    docs,
    evidence,
    hostbase,
    labels,
    newscenario,
    scenario,
    session,
    typed,
)
from reprolab.bases import policy, resolve_base
from reprolab.engine import client, ensure_engine
from reprolab.errors import Exit, LabError, UsageError
from reprolab.judge import exit_status
from reprolab.reading import near
from reprolab.site import build

EPILOG = (
    "Exit status: 0 verdicts as recorded; 1 drift from the recorded verdict; 2 usage or a malformed "
    "scenario; 3 inconclusive; 4 the lab failed (engine, build, disk); 130 interrupted."
)
ROOT_VARIABLE = "REPROLAB_ROOT"
# What the tools and proxies are built from: how it was had tells how all bases are had here.
COMMON_BASE = "debian:bookworm-slim"


def project_root() -> Path:
    """The checkout: REPROLAB_ROOT, or the nearest folder upwards that has scenarios/ and compose.yaml."""
    named = os.environ.get(ROOT_VARIABLE)
    starts = [Path(named)] if named else [Path.cwd(), Path(__file__).resolve().parent]
    for start in starts:
        for folder in (start, *start.parents):
            if (folder / "scenarios").is_dir() and (folder / "compose.yaml").is_file():
                return folder
    raise UsageError(
        "no reprolab checkout here",
        expected=f"a folder with scenarios/ and compose.yaml, or {ROOT_VARIABLE}=DIR",
    )


def say(message: str) -> None:
    """One line of progress, on standard error."""
    Console(stderr=True).print(f"· {message}", markup=False, highlight=False, soft_wrap=True)


def console() -> Console:
    """The terminal as it is; where output goes to a file or a pipe, wide enough for the tables."""
    here = Console()
    return here if here.is_terminal else Console(width=session.REPORT_WIDTH)


def boundary(command: Callable[..., Exit | None]) -> Callable[..., None]:
    """The one place where errors become a message and an exit status."""

    @wraps(command)
    def guarded(*arguments: Any, **options: Any) -> None:
        # SIGINT too: a shell that starts the lab in the background has it ignored, and Python then keeps it so.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _interrupt)
        try:
            status = command(*arguments, **options) or Exit.AS_RECORDED
        except LabError as error:
            _finish(error.exit_status, f"reprolab: {error}")
        except KeyboardInterrupt:
            _finish(Exit.INTERRUPTED, "reprolab: interrupted; the stack is down, the evidence so far is kept")
        except BrokenPipeError:
            sys.stderr.close()
            sys.exit(Exit.LAB_FAILED)
        except Exception:
            # Python would end with 1, which here means drift.
            traceback.print_exc()
            _finish(Exit.LAB_FAILED, "reprolab: a mistake in the lab itself; the traceback says where")
        else:
            if status:
                # make has one status of its own for all failures.
                click.echo(f"reprolab: exit status {int(status)}", err=True)
            sys.exit(status)

    return guarded


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    # From here on the stack comes down, in limited time; a second Ctrl-C must not stop that half-way.
    for again in (signal.SIGINT, signal.SIGTERM):
        signal.signal(again, _patience)
    raise KeyboardInterrupt


def _patience(number: int, frame: FrameType | None) -> None:
    os.write(2, "\n· already stopping: keeping the evidence and taking the stack down\n".encode())


def _finish(status: Exit, message: str) -> NoReturn:
    click.echo(message, err=True)
    click.echo(f"reprolab: exit status {int(status)} ({status.words})", err=True)
    sys.exit(status)


def _settings(pairs: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(typed.option("set", repr(pair)), expected="FACTOR=VALUE")
        found[name] = value
    return found


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="reprolab")
def main() -> None:
    """Puts published claims about Python application servers to the test, on real stacks."""


def _factor_words(found: scenario.Scenario, name: str) -> str:
    """A factor with its documented value, and the others where they are few."""
    others = [value for value in found.values.get(name, ()) if value != found.factors[name]]
    return f"{name}={found.factors[name]}" + (f" (or {' '.join(others)})" if others else "")


@main.command("list")
@boundary
def list_() -> None:
    """The scenarios, with their variants and factors."""
    root = project_root()
    out = console()
    for name in scenario.names(root):
        found = scenario.load(root, name)
        out.print(f"[bold]{found.name}[/]  {found.title}", highlight=False)
        factors = ", ".join(_factor_words(found, name) for name in found.factors)
        out.print(f"  factors:  {factors}", highlight=False, markup=False)
        for experiment in found.experiments.values():
            out.print(f"  {experiment.name}: {', '.join(experiment.variants)}", highlight=False, markup=False)


@main.command()
@click.argument("target", metavar="SCENARIO[/EXPERIMENT]")
@click.option("--variant", "variants", multiple=True, help="run only this variant (may be given several times)")
@click.option("--set", "pairs", multiple=True, metavar="FACTOR=VALUE", help="run a variant of your own")
@click.option("--trials", type=click.IntRange(1), help="trials of every variant")
@click.option(
    "--jobs", type=click.IntRange(1), help="trials side by side, where no load is measured (default: 2 per core)"
)
@click.option("--keep-going", is_flag=True, help="run the other variants where the documented stack cannot be built")
@click.option("--keep", is_flag=True, help="afterwards bring the documented (or custom) stack up, to look at it")
@boundary
def run(
    target: str,
    variants: tuple[str, ...],
    pairs: tuple[str, ...],
    trials: int | None,
    jobs: int | None,
    keep_going: bool,
    keep: bool,
) -> NoReturn:
    """Run a scenario's experiments, judge its claims, show the result."""
    name, _, experiment = target.partition("/")
    wishes = session.Wishes(name, experiment, variants, _settings(pairs), trials, jobs, keep_going)
    root = project_root()
    made = session.Session(root, wishes, console(), say)
    status = made.execute()
    if keep:
        byhand.up(root, name, _settings(pairs), say)
    click.echo(f"reprolab: exit status {int(status)} ({made.words(status)})")
    sys.exit(status)


@main.command()
@click.argument("where", metavar="RUN")
@boundary
def judge(where: str) -> Exit:
    """Judge a run again from its files, without Docker. RUN: a directory, SCENARIO/STAMP or SCENARIO."""
    root = project_root()
    found_run = evidence.open_run(root, where)
    content = evidence.read_json(found_run.path / "run.json")
    found = scenario.load(root, content["scenario"])
    verdict = session.judge_run(root, found, found_run)
    session.report(console(), found, found_run)
    if (found_run.path / evidence.PAGE).exists():
        # It must not go on saying what was judged before.
        session.add_page(found, found_run, say)
    return exit_status(verdict)


@main.command()
@click.argument("where", metavar="RUN")
@boundary
def report(where: str) -> None:
    """Write a run's report.html anew, from its files, without Docker. RUN: a directory, SCENARIO/STAMP or SCENARIO."""
    root = project_root()
    found_run = evidence.open_run(root, where)
    found = scenario.load(root, evidence.read_json(found_run.path / "run.json")["scenario"])
    click.echo(f"written: {session.write_page(found, found_run)}")


@main.command(epilog=commands_compare.EPILOG)
@click.argument("words", metavar="RUN VARIANT VARIANT | RUN VARIANT | RUN RUN", nargs=-1, required=True)
@click.option("--variant", "variants", multiple=True, help="of two runs: the variant (given twice: one for each)")
@click.option("--log", "logs", multiple=True, help="read only this log, such as app or proxy.streams")
@click.option("--html", "page", type=click.Path(dir_okay=False, path_type=Path), help="also write a page")
@click.option("--force", is_flag=True, help="compare unlike things, and invalid trials, all the same")
@boundary
def compare(
    words: tuple[str, ...], variants: tuple[str, ...], logs: tuple[str, ...], page: Path | None, force: bool
) -> Exit:
    """What differs between two variants of a run, or two runs: facts, measurements, then the logs.

    RUN is a directory, SCENARIO/STAMP or SCENARIO; VARIANT is [EXPERIMENT/]VARIANT[:TRIAL]. With one VARIANT, it is
    compared with the documented one.
    """
    wishes = commands_compare.Wishes(words, variants, logs, page, force)
    return commands_compare.run(project_root(), wishes, console(), say)


@main.command()
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="where to (default: results/site)")
@boundary
def site(output: Path | None) -> None:
    """Write all scenarios, their claims, stories and latest reports as pages that need no network."""
    root = project_root()
    target = output or evidence.results_root(root) / build.NAME
    click.echo(f"written: {build.build(root, target.absolute(), say)}")


@main.command()
@click.argument("where", metavar="RUN")
@boundary
def accept(where: str) -> None:
    """Put a reviewed run on record, and write the pages that are generated from it."""
    root = project_root()
    path, pages = acceptance.record(root, evidence.open_run(root, where))
    click.echo(f"recorded: {path.relative_to(root)}")
    for changed in pages:
        click.echo(f"written:  {changed.relative_to(root)}")


@main.command()
@click.argument("where", metavar="RUN|SCENARIO")
@click.option("--scenario", "wanted", default="", metavar="NAME", help="refuse a run of any other scenario")
@click.option("--only", default="", metavar="NAME", help="this report alone (upstream.yaml names them)")
@click.option("--also", multiple=True, metavar="RUN", help="add the releases that another run measured (by --set, say)")
@click.option("--output", default="", metavar="PATH", help="a file or folder instead of the run's; - prints it")
@boundary
def bugreport(where: str, wanted: str, only: str, also: tuple[str, ...], output: str) -> Exit:
    """Write bug reports to file upstream, from a run's files; 3 where the run does not bear one."""
    return commands_bugreport.make(project_root(), where, only, also, output, wanted)


@main.command("no-target", hidden=True)
@click.argument("target")
@boundary
def no_target(target: str) -> None:
    """For the Makefile: says which target was meant where a name of a scenario is mistyped; runs nothing."""
    prefix, _, name = target.partition("-")
    names = scenario.names(project_root())
    known, meant = [f"{prefix}-{one}" for one in names], near(name, names)
    guess = f" (did you mean {prefix}-{meant}?)" if meant else ""
    raise UsageError(
        f"make has no target {target!r}{guess}",
        expected="one of " + (", ".join(known) or "(none yet)"),
        advice=f"make {prefix}-{meant}" if meant else "make help, for all targets",
    )


@main.command("docs")
@click.option("--check", is_flag=True, help="only say whether the generated parts are up to date")
@boundary
def docs_(check: bool) -> None:
    """Write the generated parts of the READMEs and docs/claims.md."""
    root = project_root()
    stale = docs.stale(root) if check else docs.write(root)
    for path in stale:
        click.echo(f"{'out of date' if check else 'written'}: {path.relative_to(root)}")
    if check and stale:
        raise UsageError("generated pages are out of date", advice="run `make docs` and commit the result")


@main.command()
@boundary
def doctor() -> None:
    """What the lab finds on this machine: engine, Compose, bases; sets up what is missing."""
    engine = ensure_engine(say)
    base = resolve_base(COMMON_BASE, client(), policy=policy(os.environ), say=say)
    out = console()
    facts = (
        f"engine {engine.version} (API {engine.api}) at {engine.host} · bases: {base.detail}",
        f"compose {engine.compose} · buildx {engine.buildx} · client {engine.docker}",
        f"kernel {engine.kernel} · cgroup {engine.cgroup} · {engine.os}",
        f"base images: policy {policy(os.environ)} (REPROLAB_BASES)",
    )
    for fact in facts:
        out.print(fact, highlight=False, markup=False)
    # What was built by hand from a base bears the base's labels too, but not its name.
    images = client().images.list(name=f"{hostbase.NAME}/*", filters={"label": "reprolab.object=base"})
    for tag in sorted(tag for image in images for tag in image.tags):
        out.print(f"  made by the lab: {tag}", highlight=False)


@main.command()
@click.option("--images", is_flag=True, help="also remove the images the lab built (bases included)")
@boundary
def clean(images: bool) -> None:
    """Remove what killed runs left behind, and this checkout's stacks by hand; only what the lab made."""
    ensure_engine(say)
    removed = labels.remove_leftovers(client(), by_hand=byhand.stamp(project_root()))
    click.echo(f"removed: {removed}")
    if images:
        click.echo(f"removed: {labels.remove_images(client())} image(s)")


@main.command()
@click.argument("name", metavar="SCENARIO")
@click.option("--set", "pairs", multiple=True, metavar="FACTOR=VALUE")
@boundary
def up(name: str, pairs: tuple[str, ...]) -> None:
    """Bring a scenario's stack up, to poke at it by hand."""
    byhand.up(project_root(), name, _settings(pairs), say)


@main.command()
@click.argument("name", metavar="SCENARIO")
@boundary
def down(name: str) -> None:
    """Take the stack down that `up` brought up."""
    byhand.down(project_root(), name)


@main.command()
@click.argument("name", metavar="SCENARIO")
@click.argument("role", required=False)
@click.option("--follow", is_flag=True)
@click.option("--tail", default="100", show_default=True, help='lines of each service, or "all"')
@boundary
def logs(name: str, role: str | None, follow: bool, tail: str) -> None:
    """The logs of the stack that `up` brought up, of one ROLE (app, proxy ...) or of all."""
    byhand.logs(project_root(), name, role, follow=follow, tail=tail)


@main.command()
@click.argument("name", metavar="SCENARIO")
@click.option("--threads", default=10, show_default=True)
@click.option("--connections", default=200, show_default=True)
@click.option("--duration", default=10, show_default=True, help="seconds")
@boundary
def wrk(name: str, threads: int, connections: int, duration: int) -> None:
    """Put load on the stack that `up` brought up."""
    byhand.load(project_root(), name, threads=threads, connections=connections, duration=duration)


@main.command()
@click.argument("name", metavar="SCENARIO")
@click.option("--variant", help="a variant of the reproducer's experiment, instead of its own")
@click.option("--output", type=click.Path(path_type=Path), metavar="DIR", help="instead of results/export")
@boundary
def export(name: str, variant: str | None, output: Path | None) -> None:
    """Write a directory and a .tar.gz that show one sign with Docker alone, for a maintainer upstream."""
    commands_export.run(project_root(), name, variant, output)


@main.command("new-scenario")
@click.argument("name")
@boundary
def new_scenario(name: str) -> None:
    """Lay out a new scenario's directory and its include line."""
    root = project_root()
    written = newscenario.create(root, name) + [path.relative_to(root) for path in docs.write(root)]
    for path in dict.fromkeys(written):
        click.echo(f"written: {path}")
    click.echo(f"it runs as it stands: make scenario-{name}")


commands_stage.register(main, boundary)
commands_bundle.register(main, boundary)
commands_pins.register(main, boundary)

if __name__ == "__main__":
    main()
