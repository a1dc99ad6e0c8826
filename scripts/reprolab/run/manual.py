"""A scenario's stack for a person to poke at: up, logs, load, down."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Mapping
from pathlib import Path

import click
from docker.errors import ImageNotFound

from reprolab.baseimage.resolve import Base, policy
from reprolab.core import files
from reprolab.core.errors import InvalidTrial, LabError, UsageError
from reprolab.core.progress import OnProgress
from reprolab.core.subprocesses import replace_process
from reprolab.engine import labels
from reprolab.engine.detect import client, compose_command, ensure_engine
from reprolab.evidence import lookup
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.scenario import loader
from reprolab.scenario.model import Scenario
from reprolab.stack.compose import Model, image_variables, services_by_role
from reprolab.stack.prepare import StackPreparer, StackRequest
from reprolab.stack.stack import Stack


def _directory(root: Path, name: str) -> TrialDirectory:
    return TrialDirectory(lookup.results_root(root) / name / "by-hand")


def up(root: Path, name: str, settings: Mapping[str, str], on_progress: OnProgress) -> None:
    """Build and start the stack with the given factors; says where it answers and what to do next."""
    found = loader.load(root, name)
    found.check_factors(settings, "up")
    engine = ensure_engine(on_progress)
    api = client()
    preparer = StackPreparer(engine, api, policy(os.environ), on_progress)
    owner = _hand(root, name)
    (model,) = preparer.models(found, [StackRequest(settings)], owner, project=f"reprolab-{name}-{stamp(root)}")
    where = _directory(root, name)
    preparer.build(model, where.path / "builds")
    factors = {**found.factors, **settings}
    stack = Stack(name, model, where.path / "compose.json", api, compose_command(engine), where, owner, factors)
    if api.containers.list(
        all=True, ignore_removed=True, filters={"label": f"com.docker.compose.project={stack.project}"}
    ):
        on_progress(f"taking the stack of {name} down that was up before")
    stack.down()
    try:
        stack.up()
    except InvalidTrial as error:
        raise LabError(
            f"the stack did not come up: {error}",
            advice=f"see its log (make logs-{name}), then take the rest down (make down-{name})",
        ) from error
    shown = " ".join(f"{key}={value}" for key, value in settings.items()) or "the documented values"
    click.echo(f"up: {name} with {shown}")
    click.echo(f"  requests   curl -i {stack.url('/')}")
    if any(not experiment.parallel for experiment in found.experiments.values()):
        click.echo(f"  load       make wrk-{name}")
    click.echo(f"  logs       make logs-{name}")
    click.echo(f"  inside     docker exec {stack.container('app').name} ls -l /tmp")
    click.echo(f"  down       make down-{name}")
    click.echo(f"  compose    {by_compose(found, settings, model, preparer.bases)}")


def by_compose(found: Scenario, settings: Mapping[str, str], model: Model, bases: Mapping[str, Base]) -> str:
    """The command that starts the same stack by Compose alone, with the base images that the lab built or loaded."""
    # An official image that is there under its own name needs no variable.
    images = {variable: image for variable, image in image_variables(model, found).items() if image not in bases}
    words = [f"{key}={shlex.quote(value)}" for key, value in {**images, **settings}.items()]
    # A service that the documented stack does without has a profile of its own.
    optional = [service for role, service in services_by_role(model, found.name).items() if not found.needs(role, {})]
    profiles = [word for profile in (found.name, *optional) for word in ("--profile", profile)]
    return " ".join([*words, "docker compose", *profiles, "up --wait"])


def stamp(root: Path) -> str:
    """What tells this checkout's stacks by hand from another's."""
    return f"by-hand-{hashlib.sha256(str(root).encode()).hexdigest()[:6]}"


def _hand(root: Path, name: str) -> dict[str, str]:
    return labels.own(name, stamp(root), labels.HAND)


def _standing(root: Path, name: str) -> Stack:
    """The stack that `up` left running. Raises UsageError where there is none."""
    loader.load(root, name)
    where = _directory(root, name)
    file = where.path / "compose.json"
    if not file.exists():
        raise UsageError(f"{name} is not up", advice=f"make up-{name}")
    engine = ensure_engine(click.echo)
    model: Model = files.read_json(file)
    return Stack(name, model, file, client(), compose_command(engine), where, _hand(root, name))


def down(root: Path, name: str) -> None:
    """Remove the stack; nothing to do is fine."""
    try:
        stack = _standing(root, name)
    except UsageError as error:
        click.echo(str(error).splitlines()[0])
        return
    stack.down()
    stack.file.unlink(missing_ok=True)
    click.echo(f"down: {name}")


def logs(root: Path, name: str, role: str | None, *, follow: bool, tail: str) -> None:
    """Hand over to Compose's own log view: of one role, or of all. Raises UsageError for an unknown role."""
    stack = _standing(root, name)
    if role and role not in stack.roles:
        raise UsageError(f"{name} has no role {role!r}", expected="one of " + ", ".join(stack.roles))
    options = ["--timestamps", "--no-color", "--tail", tail, *(["--follow"] if follow else [])]
    replace_process(stack.command("logs", *options, *([stack.roles[role]] if role else [])))


def put_load(root: Path, name: str, *, threads: int, connections: int, duration: int) -> None:
    """Load the stack with wrk as the experiment does, and print what wrk prints."""
    stack = _standing(root, name)
    try:
        stack.wrk("/", threads=threads, connections=connections, duration=duration)
    except (InvalidTrial, ImageNotFound) as error:
        raise LabError(str(error), advice=f"make up-{name} again, and see make logs-{name}") from error
    except ValueError as error:
        raise UsageError(str(error)) from error
    click.echo((stack.evidence.path / "wrk.txt").read_text(encoding="utf-8"))
