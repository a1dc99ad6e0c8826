"""A variant's Compose model: resolved by Compose itself, then made the lab's own.

`docker compose config` fills in the factors; the lab then replaces the base images by those that
this machine can have, names each image by what goes into it, and labels every object. The result is
written beside the evidence: it is the exact stack that ran.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from docker.utils.build import exclude_paths

from reprolab.core.config_file import read_yaml
from reprolab.core.errors import UsageError
from reprolab.core.subprocesses import CommandError, run
from reprolab.engine import labels
from reprolab.scenario.model import NAMED_IMAGE, Experiment, Scenario

Model = dict[str, Any]
"""A Compose file as `docker compose config --format json` prints it."""
BASE_ARGUMENT = "_IMAGE"
TOOLS = "images/compose.yaml"
LOAD_TOOL = "wrk"


def clean_environment(scenario: Scenario, factors: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment with the variant's factors and no other.

    A THREADS, PYTHON or PYTHON_IMAGE that happens to be set in somebody's shell must not change the documented stack.
    """
    kept = {name: value for name, value in os.environ.items() if name not in scenario.factors}
    kept = {name: value for name, value in kept.items() if not name.startswith("COMPOSE_")}
    # Base images that were named for `docker compose` by hand; the lab finds its own.
    kept = {name: value for name, value in kept.items() if not name.endswith(BASE_ARGUMENT)}
    return kept | dict(factors)


def resolve(
    scenario: Scenario,
    factors: Mapping[str, str],
    compose: tuple[str, ...],
    experiment: Experiment | None = None,
    *,
    all_tools: bool = False,
) -> Model:
    """What Compose makes of the scenario's file under these factors, with the services that they need.

    Without an ``experiment`` the stack is for a person: no service that only an experiment uses, but every tool,
    as with ``all_tools``. Raises UsageError if Compose refuses the file.
    """
    environment = clean_environment(scenario, factors)
    model = _config(scenario.compose_file, environment, compose)
    _leave_out_unneeded(model, scenario, factors, experiment.name if experiment else "")
    tools = _config(scenario.directory.parents[1] / TOOLS, environment, compose)["services"]
    if experiment and experiment.parallel and not all_tools:
        # Such an experiment measures no load: what its trials do not use must not be able to stop them.
        tools.pop(LOAD_TOOL, None)
    model["services"].update(tools)
    return model


def _leave_out_unneeded(model: Model, scenario: Scenario, factors: Mapping[str, str], experiment: str) -> None:
    """Take out the services that x-reprolab.when leaves out, and every reference to them."""
    services = model["services"]
    for role, name in services_by_role(model, scenario.name).items():
        if not scenario.needs(role, factors, experiment):
            del services[name]
    for service in services.values():
        # A service of another profile may stand here as well; Compose refuses a name that the file lacks.
        if "depends_on" in service:
            service["depends_on"] = {name: how for name, how in service["depends_on"].items() if name in services}
        # Profiles are for `docker compose` by hand; here the choice is made.
        service.pop("profiles", None)


def _config(file: Path, environment: Mapping[str, str], compose: tuple[str, ...]) -> Model:
    command = [*compose, "--project-name", "reprolab", "--file", str(file), "--profile", "*"]
    try:
        done = run([*command, "config", "--format", "json"], env=environment, timeout=60)
    except CommandError as error:
        raise UsageError(f"Compose refuses {file}:\n{error.finished.tail}") from error
    model: Model = json.loads(done.stdout)
    return model


def base_arguments(model: Model) -> Iterator[tuple[str, str, str]]:
    """(service, build argument, official image) for each base image that a model's builds name."""
    for name, service in model["services"].items():
        for argument, value in ((service.get("build") or {}).get("args") or {}).items():
            if argument.endswith(BASE_ARGUMENT) and value:
                yield name, argument, value


def image_variables(model: Model, scenario: Scenario) -> dict[str, str]:
    """The variables by which a person names base images to `docker compose`, with the image of each in ``model``.

    Of the model's services those count that the scenario's file has.
    """
    services = read_yaml(scenario.compose_file, str(scenario.compose_file))["services"]
    found = {}
    for name, argument, image in base_arguments(model):
        written = services[name]["build"]["args"][argument] if name in services else ""
        if named := NAMED_IMAGE.fullmatch(written):
            found[named[1]] = image
    return found


def prepare_model(
    model: Model,
    scenario: Scenario,
    project: str,
    owner: Mapping[str, str],
    bases: Mapping[str, tuple[str, str]],
) -> Model:
    """The model as the lab runs it: own project name, substituted bases, named images, labels.

    ``bases`` maps an official image to (reference to build from, image id).
    """
    own = deepcopy(model)
    own["name"] = project
    for service, argument, official in list(base_arguments(own)):
        own["services"][service]["build"]["args"][argument] = bases[official][0]
    for name, service in own["services"].items():
        service["labels"] = {**(service.get("labels") or {}), **owner}
        service.pop("container_name", None)
        # For `docker compose` by hand; here its connections and processes would be measured too.
        service["healthcheck"] = {"disable": True}
        if "build" in service:
            service["build"]["labels"] = {labels.OBJECT: labels.IMAGE, labels.SCENARIO: scenario.name}
            service["image"] = image_name(service["build"], name, bases.values())
            service["pull_policy"] = "never"
        else:
            # images/hardened.yaml says `build`; what is missing here is pulled.
            service.pop("pull_policy", None)
    for kind in ("networks", "volumes"):
        for entry in (own.get(kind) or {}).values():
            entry["labels"] = {**(entry.get("labels") or {}), **owner}
            # Compose resolved these to the placeholder project; the name follows the real one.
            entry.pop("name", None)
    return own


def image_name(build: Mapping[str, Any], service: str, bases: Iterable[tuple[str, str]]) -> str:
    """One tag for one set of inputs: base, build arguments, Dockerfile and the files it may copy.

    ``bases`` are pairs of a reference, as an argument names it, and the image's id.
    """
    identities = dict(bases)
    arguments = dict(build.get("args") or {})
    inputs = {
        "arguments": arguments,
        "bases": sorted(str(identities.get(value, value)) for value in arguments.values()),
        "target": build.get("target", ""),
        "files": context_digest(Path(build["context"]), build.get("dockerfile") or "Dockerfile"),
    }
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
    return f"reprolab/{service}:{digest[:16]}"


def context_digest(context: Path, dockerfile: str) -> str:
    """A digest of the Dockerfile and of all files that .dockerignore lets into the build."""
    ignore = context / ".dockerignore"
    patterns = [
        line.strip()
        for line in (ignore.read_text(encoding="utf-8").splitlines() if ignore.exists() else [])
        if line.strip() and not line.startswith("#")
    ]
    digest = hashlib.sha256((context / dockerfile).resolve().read_bytes())
    for name in sorted(exclude_paths(str(context), patterns, dockerfile=dockerfile)):
        path = context / name
        if path.is_file():
            digest.update(f"{name}\0{path.stat().st_mode & 0o111}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def services_by_role(model: Model, scenario: str) -> dict[str, str]:
    """Role -> service name; in the files the services carry the scenario's name as a prefix."""
    prefix = f"{scenario}-"
    return {name.removeprefix(prefix): name for name in model["services"]}


def missing_images(model: Model, exists: Callable[[str], bool]) -> list[str]:
    """The services whose image has yet to be built."""
    return [name for name, service in model["services"].items() if "build" in service and not exists(service["image"])]
