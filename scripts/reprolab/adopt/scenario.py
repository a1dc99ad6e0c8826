"""Writes the scenario of a user's stack: compose.yaml, copies of files, a load with two sample claims, README.md."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from reprolab.adopt import names
from reprolab.adopt.changes import Change, Changes
from reprolab.adopt.copies import Copies
from reprolab.adopt.made_up import MadeUp, read_secret, secret_name
from reprolab.adopt.mounts import Mounts
from reprolab.adopt.names import Names
from reprolab.adopt.services import CAPABILITIES, WHY_CAPABILITIES, Services
from reprolab.adopt.source import Source
from reprolab.adopt.variables import Factors
from reprolab.core import command_text, files
from reprolab.core.errors import UsageError
from reprolab.core.templates import environment
from reprolab.scenario import loader, scaffold
from reprolab.stack.compose import check_scenario

WIDTH = 120
# Parts of a service in whose texts a secret may stand.
SECRET_PARTS = ("environment", "command", "entrypoint", "labels", "healthcheck", "build")
HARDENED = "has few capabilities, gains no privileges, and has at most 1 GiB and 256 processes if it names none"
SHARED_KEYS = {"internal", "attachable", "enable_ipv6"}


@dataclass(frozen=True)
class Adoption:
    """How a stack becomes a scenario. ``port`` is the one on which the front listens, 0 for the first that it names."""

    name: str
    app: str
    proxy: str = ""
    without: tuple[str, ...] = ()
    port: int = 0
    path: str = "/"


@dataclass(frozen=True)
class Adopted:
    """The scenario: its files, the roles (service -> role), the factors with their values, and what was changed."""

    files: tuple[Path, ...]
    roles: Mapping[str, str]
    factors: Mapping[str, str]
    changes: tuple[Change, ...]


def adopt(root: Path, source: Source, wanted: Adoption, compose: tuple[str, ...]) -> Adopted:
    """Write scenarios/NAME of a stack, and its include line; all or nothing.

    Raises UsageError for what cannot be a scenario: an unknown service, a front without a port, a service that cannot
    be built, a name that is taken, or a stack that asks for more than the policy allows.
    """
    scaffold.check_name(wanted.name)
    directory = root / "scenarios" / wanted.name
    if directory.exists():
        raise UsageError(
            f"scenarios/{wanted.name} is there already",
            expected="another name: --name NAME",
            advice=f"or, to write it anew: rm -r {shlex.quote(str(files.display_path(directory)))}",
        )
    chosen = names.choose(wanted.name, source.services, wanted.app, wanted.proxy, wanted.without)
    changes = Changes()
    directory.mkdir(parents=True)
    try:
        model, factors = _model(source, wanted, chosen, directory, changes)
        _write(root, directory, source, wanted, model, changes)
        check_scenario(loader.load(root, wanted.name), compose)
        scaffold.include(root, wanted.name)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    written = tuple(
        sorted(path.relative_to(root) for path in directory.rglob("*") if path.suffix != ".pyc" and path.is_file())
    )
    return Adopted((*written, Path("compose.yaml")), chosen.roles, factors, tuple(changes.rows))


def _model(
    source: Source, wanted: Adoption, chosen: Names, directory: Path, changes: Changes
) -> tuple[dict[str, Any], dict[str, str]]:
    """The services, volumes, networks, secrets and configs of the scenario, and its factors."""
    kept = {name: source.services[name] for name in chosen.roles}
    made_up = MadeUp(frozenset(alias for name, section in kept.items() for alias in names.aliases(name, section)))
    made_up.learn([{key: part for key, part in section.items() if key in SECRET_PARTS} for section in kept.values()])
    withheld = _withheld(source, made_up)
    factors = Factors(source.values, changes, made_up.has_secret)
    mounts = Mounts(source.folder, chosen, Copies(directory, changes, made_up, withheld), changes, made_up)
    services = Services(chosen, mounts, changes, wanted.port)
    written = source.written.get("services") or {}
    adopted = {}
    for name, section in kept.items():
        with_factors = factors.merge(_with_values(name, section, changes), written.get(name), name)
        _note_secrets(name, with_factors, made_up, changes)
        service = services.adopted(name, with_factors)
        adopted[chosen.service(name)] = {
            key: made_up.replace(part) if key in SECRET_PARTS else part for key, part in service.items() if part != {}
        }
    changes.add("every service", HARDENED, "old servers with known holes run in a lab")
    shared = _shared(source, adopted, chosen, mounts, changes)
    return {"services": adopted, **shared}, factors.names


def _withheld(source: Source, made_up: MadeUp) -> dict[Path, str]:
    """The files that are not copied with a directory: path -> why. What secret files hold is known from here on."""
    withheld = {source.file.resolve(): "the scenario has its own"}
    for section in (source.written.get("services") or {}).values():
        for entry in section.get("env_file") or ():
            path = entry["path"] if isinstance(entry, Mapping) else entry
            withheld[(source.folder / str(path)).resolve()] = "it holds secrets by its name"
    for name, entry in (source.model.get("secrets") or {}).items():
        path = source.folder / str((entry or {}).get("file") or "")
        if path.is_file():
            withheld[path.resolve()] = f"it is the file of the secret {name}"
            if (content := read_secret(path)) and content not in made_up.values:
                made_up.values[content] = made_up.of(secret_name(name))
    return withheld


def _with_values(name: str, section: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """The service without variables that have no value: Compose would take them from the caller of each run."""
    environment = section.get("environment") or {}
    for variable in sorted(variable for variable, value in environment.items() if value is None):
        changes.dropped(
            f"{name}.environment.{variable}", "it has no value here, and a run takes nothing from its caller"
        )
    return {**section, "environment": {variable: v for variable, v in environment.items() if v is not None}}


def _note_secrets(name: str, section: Mapping[str, Any], made_up: MadeUp, changes: Changes) -> None:
    for variable, value in (section.get("environment") or {}).items():
        if isinstance(value, str) and made_up.replace(value, variable) != value:
            changes.add(f"{name}.environment.{variable}", "has a made-up value", "the lab keeps no secret")


def _shared(
    source: Source, services: Mapping[str, Any], chosen: Names, mounts: Mounts, changes: Changes
) -> dict[str, dict[str, Any]]:
    """Volumes, networks, secrets and configs that the services use, each the stack's own."""
    used = {
        kind: {entry["source"] for service in services.values() for entry in service.get(kind) or ()}
        for kind in ("secrets", "configs")
    }
    used["networks"] = {network for service in services.values() for network in service.get("networks") or ()}
    shared: dict[str, dict[str, Any]] = {"volumes": dict(mounts.volumes), "networks": {}, "secrets": {}, "configs": {}}
    for kind in ("networks", "volumes", "secrets", "configs"):
        for name, entry in (source.model.get(kind) or {}).items():
            content = entry or {}
            if chosen.shared(name) not in (used.get(kind) or mounts.volumes):
                continue
            if content.get("external"):
                changes.add(f"{kind}.{name}", "became the stack's own", "it belongs to others")
            for key in sorted({"driver", "driver_opts", "ipam"} & content.keys()):
                if content[key] and not (key == "driver" and content[key] in ("bridge", "local")):
                    changes.dropped(f"{kind}.{name}.{key}", "it reaches beyond the stack")
            if kind == "networks":
                shared[kind][chosen.shared(name)] = {k: content[k] for k in sorted(SHARED_KEYS & content.keys())}
            elif kind != "volumes":
                shared[kind][chosen.shared(name)] = mounts.shared_file(kind, name, content)
    return {kind: entries for kind, entries in shared.items() if entries and entries != {"default": {}}}


def _write(
    root: Path, directory: Path, source: Source, wanted: Adoption, model: Mapping[str, Any], changes: Changes
) -> None:
    """The files of the scenario that are no copies."""
    initials = scaffold.initials(wanted.name)
    roles = [service.removeprefix(f"{wanted.name}-") for service in model["services"]]
    block = {
        "title": f"our stack {wanted.name}, under load",
        "document": {"title": f"our stack, {source.file.name}"},
        "answer": {f"{initials}-1": "all answers are 2xx"},
        "allow": [
            {"what": f"{role}.cap_add", "values": " ".join(CAPABILITIES), "why": WHY_CAPABILITIES} for role in roles
        ],
    }
    front = model["services"][f"{wanted.name}-{names.PROXY if names.PROXY in roles else names.APP}"]
    if wanted.path != "/":
        front["labels"] = {**(front.get("labels") or {}), "reprolab.ready": wanted.path}
    command = command_text.kept(root, f"run {wanted.name}", f"scenario-{wanted.name}")
    values = {"name": wanted.name, "initials": initials, "path": wanted.path, "run": command, "changes": changes.rows}
    text = yaml.safe_dump({"x-reprolab": block, **model}, sort_keys=False, width=WIDTH, allow_unicode=True)
    templates = environment(__package__)
    for file, template in (("claims.py", "claims.py.j2"), ("README.md", "README.md.j2")):
        (directory / file).write_text(templates.get_template(template).render(**values), encoding="utf-8")
    head = templates.get_template("compose-head.j2").render(**values, file=source.file.name)
    (directory / "compose.yaml").write_text(head + text, encoding="utf-8")
