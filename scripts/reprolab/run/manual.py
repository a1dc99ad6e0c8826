"""A scenario's stacks for a person to poke at: up, logs, load, down. Several are up at once under names."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import click
import docker
import requests
from docker.errors import DockerException, ImageNotFound

from reprolab.baseimage.resolve import Base, policy
from reprolab.core import command_text, files, shared_files
from reprolab.core.config_file import hint
from reprolab.core.errors import InvalidTrial, LabError, UsageError
from reprolab.core.progress import OnProgress
from reprolab.core.subprocesses import replace_process
from reprolab.engine import hand_stacks, host_facts, labels
from reprolab.engine.detect import client, compose_command, ensure_engine
from reprolab.engine.requirements import HostState, lacks
from reprolab.evidence import by_hand, lookup
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.pins import releases
from reprolab.run import load_words, log_text
from reprolab.run.log_text import Entry
from reprolab.scenario import loader
from reprolab.scenario.model import Scenario
from reprolab.stack.compose import Model, image_variables, services_by_role
from reprolab.stack.hidden import hide
from reprolab.stack.prepare import StackPreparer, StackRequest
from reprolab.stack.stack import Stack

LOAD_FILES = ("wrk.json", "wrk.txt")
# The name of the stack that a run with KEEP=1 leaves up.
KEPT = "kept"
WITHOUT_ESCAPES = r"s/\x1b\[[0-9;?]*[A-Za-z]//g"


@dataclass(frozen=True)
class Loaded:
    """What a load came to: in words, a line each, and the figures as wrk.json holds them."""

    lines: tuple[str, ...]
    figures: dict[str, Any]


def up(root: Path, name: str, settings: Mapping[str, str], on_progress: OnProgress, label: str = "") -> None:
    """Build and start the stack with the given factors; says where it answers and what to do next.

    ``label`` is its name, as in the functions below: "" for the one without. Raises UsageError for what is no name.
    """
    where = by_hand.place(root, name, by_hand.checked_name(label))
    scenario = loader.load(root, name)
    scenario.check_factors(settings, "up", command_text.beside(command_text.UP_WORDS))
    releases.check(root, scenario, settings, "up")
    engine = ensure_engine(on_progress)
    api = client()
    if lack := lacks(scenario, settings, "", HostState.of(engine)):
        on_progress(lack)
    preparer = StackPreparer(engine, api, policy(os.environ), on_progress)
    owner = hand_labels(root, name)
    (model,) = preparer.models(scenario, [StackRequest(settings)], owner, project=_project(root, name, label))
    preparer.build(model, where.path / "builds")
    factors = {**scenario.factors, **settings}
    stack = Stack(name, model, where.path / by_hand.MODEL, api, compose_command(engine), where, owner, factors)
    _remove_earlier(root, stack, label, on_progress)
    if _is_up(api, stack.project):
        stack.down()
    for file in LOAD_FILES:
        (where.path / file).unlink(missing_ok=True)
    info = by_hand.StackInfo(name, where.path.name, scenario.factors, dict(settings), host_facts.facts_of(engine, api))
    info.write(where.path / by_hand.UP)
    try:
        stack.up()
    except InvalidTrial as error:
        raise LabError(
            f"the stack did not come up: {error}",
            advice=f"see its log ({_command('logs', name, label)}), then {_command('down', name, label)}",
        ) from error
    stack.stays()
    shown = " ".join(f"{key}={value}" for key, value in settings.items()) or "the documented values"
    click.echo(f"up: {_words(name, label)} with {shown}")
    _say_what_to_do(scenario, stack, label)
    # Compose alone would mount files of the engine's machine.
    here = not stack.is_elsewhere
    if here and not shared_files.names_others(scenario.compose_file.read_text(encoding="utf-8"), root):
        click.echo(f"  compose    {by_compose(scenario, settings, model, preparer.bases)}")


def adopt(root: Path, stack: Stack, changes: Mapping[str, str], on_progress: OnProgress) -> None:
    """Make the stack of a trial, which is up, the stack by hand with the name KEPT; says what to do next.

    Its containers must have the labels of `hand_labels`.
    """
    stack.stays()
    where = by_hand.place(root, stack.scenario, KEPT)
    _remove_earlier(root, stack, KEPT, on_progress)
    scenario = loader.load(root, stack.scenario)
    files.write_json(where.path / by_hand.MODEL, hide(stack.model)[0])
    host = host_facts.facts_of(ensure_engine(on_progress), stack.client)
    by_hand.StackInfo(scenario.name, KEPT, scenario.factors, dict(changes), host).write(where.path / by_hand.UP)
    click.echo(f"kept: {_words(scenario.name, KEPT)}, the stack of the trial {files.display_path(stack.evidence.path)}")
    _say_what_to_do(scenario, stack, KEPT)


def _remove_earlier(root: Path, stack: Stack, label: str, on_progress: OnProgress) -> None:
    """Remove the stack that has the name of this one so far."""
    where = by_hand.place(root, stack.scenario, by_hand.checked_name(label))
    file = where.path / by_hand.MODEL
    if file.exists():
        # A run may have kept it: then its project is that of a trial.
        earlier = Stack(stack.scenario, _read_model(file), file, stack.client, stack.compose, where, stack.owner)
        if _is_up(stack.client, earlier.project):
            on_progress(f"taking the stack {_words(stack.scenario, label)} down that was up before")
        earlier.down()


def _say_what_to_do(scenario: Scenario, stack: Stack, label: str) -> None:
    name = scenario.name
    # A kept stack may have ended or may not listen.
    with suppress(InvalidTrial):
        where = "   (on the engine's machine: its ports are not here)" if stack.is_elsewhere else ""
        click.echo(f"  requests   curl -i {stack.published_url('/')}{where}")
    if any(not experiment.parallel for experiment in scenario.experiments.values()):
        click.echo(f"  load       {_command('wrk', name, label)}")
    click.echo(f"  logs       {_command('logs', name, label)}")
    with suppress(InvalidTrial):
        click.echo(f"  inside     docker exec {stack.container('app').name} ls -l /tmp")
    click.echo(f"  down       {_command('down', name, label)}")


def by_compose(scenario: Scenario, settings: Mapping[str, str], model: Model, bases: Mapping[str, Base]) -> str:
    """The command that starts the same stack by Compose alone, with the base images that the lab built or loaded."""
    # An official image that is there under its own name needs no variable.
    images = {variable: image for variable, image in image_variables(model, scenario).items() if image not in bases}
    words = [f"{key}={shlex.quote(value)}" for key, value in {**images, **settings}.items()]
    # A service that the documented stack does without has a profile of its own.
    optional = [
        service for role, service in services_by_role(model, scenario.name).items() if not scenario.needs(role, {})
    ]
    profiles = [word for profile in (scenario.name, *optional) for word in ("--profile", profile)]
    return " ".join([*words, "docker compose", *profiles, "up --wait"])


def stamp(root: Path) -> str:
    """What tells this checkout's stacks by hand from another's."""
    return f"by-hand-{hashlib.sha256(str(root).encode()).hexdigest()[:6]}"


def _project(root: Path, name: str, label: str) -> str:
    """The name of a stack's Compose project."""
    checked = by_hand.checked_name(label)
    return f"reprolab-{name}-{stamp(root)}" + (f"-{checked}" if checked != by_hand.DEFAULT else "")


def _command(target: str, name: str, label: str) -> str:
    return command_text.by_hand(target, name, label if label != by_hand.DEFAULT else "")


def _words(name: str, label: str) -> str:
    return name if label in ("", by_hand.DEFAULT) else f"{name} {command_text.option('as', label)}"


def _is_up(api: docker.DockerClient, project: str) -> bool:
    filters: dict[str, str | list[str] | bool] = {"label": f"com.docker.compose.project={project}"}
    return bool(api.containers.list(all=True, ignore_removed=True, filters=filters))


def _up_elsewhere(root: Path, name: str, label: str) -> bool:
    """Whether a stack of this checkout is up that has no files here: REPROLAB_RESULTS was another one then."""
    try:
        return _is_up(client(), _project(root, name, label))
    except (DockerException, requests.RequestException, LabError):
        # Without an engine nothing is up.
        return False


def _names_up(root: Path, name: str) -> list[str]:
    """The names under which stacks of this scenario are up, "default" among them."""
    names = [
        known for known in by_hand.names(root, name) if (by_hand.place(root, name, known).path / by_hand.MODEL).exists()
    ]
    if not names:
        return []
    api = client()
    return [known for known in names if _is_up(api, _model(root, name, known)["name"])]


def _model(root: Path, name: str, label: str) -> Model:
    """The model of a stack by hand; the one that a run kept has the project of its trial."""
    return _read_model(by_hand.place(root, name, label).path / by_hand.MODEL)


def _read_model(file: Path) -> Model:
    """Read the Compose model of a stack by hand. Raises UsageError for a file that is none."""
    model: Model = files.read_object(file)
    if not (isinstance(model.get("name"), str) and isinstance(model.get("services"), dict)):
        raise UsageError(
            f"{file} is no Compose model of the lab",
            expected="name and services",
            advice=f"`{command_text.command('clean', 'clean')}`, then up again",
        )
    return model


def hand_labels(root: Path, name: str) -> dict[str, str]:
    """The labels of the containers of this checkout's stacks by hand."""
    return {**labels.object_labels(name, stamp(root), labels.HAND), **hand_stacks.folder_label(root)}


def _standing(root: Path, name: str, label: str) -> Stack:
    """The stack that `up` left running. Raises UsageError where there is none, with those that are up."""
    loader.load(root, name)
    where = by_hand.place(root, name, by_hand.checked_name(label))
    file = where.path / by_hand.MODEL
    if not file.exists():
        raise _not_up(root, name, label)
    engine = ensure_engine(click.echo)
    api = client()
    model = _read_model(file)
    if not _is_up(api, model["name"]):
        raise _not_up(root, name, label)
    return Stack(name, model, file, api, compose_command(engine), where, hand_labels(root, name))


def _not_up(root: Path, name: str, label: str) -> UsageError:
    checked, others = by_hand.checked_name(label), _names_up(root, name)
    up_again = _command("up", name, label)
    if not others:
        return UsageError(f"{_words(name, label)} is not up", advice=up_again)
    what = f"{name} is not up without a name" if checked == by_hand.DEFAULT else f"{_words(name, checked)} is not up"
    without = f"no {command_text.option('as')}"
    there = ", ".join(command_text.option("as", other) if other != by_hand.DEFAULT else without for other in others)
    meant = hint(checked, others)
    advice = "" if meant else f"{up_again} brings it up"
    return UsageError(f"{what}{meant}", expected=f"one that is up: {there}", advice=advice)


def down(root: Path, name: str, label: str = "") -> None:
    """Remove the stack, and say which others stay up; nothing to do is fine, a name that never was is a UsageError."""
    loader.load(root, name)
    checked = by_hand.checked_name(label)
    where = by_hand.place(root, name, checked)
    file = where.path / by_hand.MODEL
    if file.exists():
        engine = ensure_engine(click.echo)
        stack = Stack(name, _read_model(file), file, client(), compose_command(engine), where, hand_labels(root, name))
        stack.down()
        file.unlink(missing_ok=True)
        click.echo(f"down: {_words(name, label)}")
    elif _up_elsewhere(root, name, checked):
        raise UsageError(
            f"{_words(name, label)} is up, but its files are not below {lookup.results_root(root)}",
            expected="the same REPROLAB_RESULTS as when it came up",
            advice=f"{_command('down', name, label)} with that one; or "
            f"`{command_text.command('clean', 'clean')}`, which takes all stacks by hand down",
        )
    elif checked != by_hand.DEFAULT and checked not in by_hand.names(root, name):
        raise _not_up(root, name, label)
    else:
        click.echo(f"{_words(name, label)} is not up")
    for other in _names_up(root, name):
        click.echo(f"still up: {_words(name, other)}  ({_command('down', name, other)})")


def logs(
    root: Path,
    name: str,
    role: str | None,
    on_progress: OnProgress,
    *,
    follow: bool,
    tail: int | None,
    errors: bool = False,
    label: str = "",
) -> list[Entry]:
    """Keep the whole logs, and return the last ``tail`` lines of each role (None for all), or of one role.

    With ``errors`` only the lines about errors. With ``follow`` it never returns: Compose prints the logs.
    Raises UsageError for an unknown role.
    """
    stack = _standing(root, name, label)
    if role and role not in stack.roles:
        raise UsageError(f"{name} has no role {role!r}", expected="one of " + ", ".join(stack.roles))
    if follow:
        _follow(stack, role, tail)
    copy = _keep(root, stack, on_progress)
    return log_text.entries(copy, [role] if role else stack.roles, tail, errors=errors)


def _follow(stack: Stack, role: str | None, tail: int | None) -> NoReturn:
    services = [stack.roles[role]] if role else []
    last = "all" if tail is None else str(tail)
    command = stack.command("logs", "--timestamps", "--no-color", "--tail", last, "--follow", *services)
    # Compose clears each line before it prints it, in a pipe too.
    replace_process(["sh", "-c", f"{shlex.join(command)} | sed -u {shlex.quote(WITHOUT_ESCAPES)}"])


def _keep(root: Path, stack: Stack, on_progress: OnProgress) -> TrialDirectory:
    """Copy the whole logs, the model, the last load's figures and the factors; says where they are."""
    source = stack.evidence.path
    stack.evidence = by_hand.create_copy(root, stack.scenario, source.name)
    stack.capture(ensure_engine(on_progress).docker)
    target = stack.evidence.path
    with files.writing(target):
        for file in (by_hand.MODEL, *LOAD_FILES):
            if (source / file).exists():
                shutil.copyfile(source / file, target / file)
    by_hand.StackInfo.read(source / by_hand.UP).write(target / by_hand.STACK)
    on_progress(f"kept: {files.display_path(target)}")
    copies = by_hand.copied_names(root, stack.scenario)
    this_stack = f"{stack.scenario}/{source.name}"
    for other in copies:
        if other != this_stack:
            on_progress(
                f"compare: {command_text.compare(f'{by_hand.FOLDER}/{other}', f'{by_hand.FOLDER}/{this_stack}')}"
            )
    return stack.evidence


def put_load(root: Path, name: str, *, threads: int, connections: int, duration: int, label: str = "") -> Loaded:
    """Put load on the stack with wrk; returns what it came to. It counts statuses, which costs wrk some throughput."""
    stack = _standing(root, name, label)
    try:
        load = stack.wrk("/", threads=threads, connections=connections, duration=duration, statuses=True)
    except (InvalidTrial, ImageNotFound) as error:
        advice = f"{_command('up', name, label)} again, and see {_command('logs', name, label)}"
        raise LabError(str(error), advice=advice) from error
    except ValueError as error:
        raise UsageError(command_text.as_typed(str(error))) from error
    words = load_words.lines(load.result, stack)
    return Loaded(
        (*words, f"  all of wrk's output: {files.display_path(stack.evidence.path / 'wrk.txt')}"), load.to_json()
    )
