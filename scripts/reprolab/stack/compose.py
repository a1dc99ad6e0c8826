"""The Compose model of a variant: Compose resolves it, then the lab prepares it.

`docker compose config` fills in the factors. Then the lab replaces the base images by those that this machine can get,
names each image by a digest of its inputs, and labels every object. The result is saved with the evidence: it is the
exact stack that ran.
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

from reprolab.core import shared_files
from reprolab.core.config_file import read_yaml
from reprolab.core.errors import UsageError
from reprolab.core.subprocesses import CommandError, run
from reprolab.engine import labels
from reprolab.engine.helpers import WHOLE_LOG
from reprolab.scenario.model import NAMED_IMAGE, Experiment, Scenario
from reprolab.stack.policy_check import check

Model = dict[str, Any]
"""A Compose file as `docker compose config --format json` prints it."""
BASE_ARGUMENT = "_IMAGE"
TOOLS = "compose.yaml"  # the tools beside a stack, in the directory of the shared images
LOAD_TOOL = "wrk"


def clean_environment(scenario: Scenario, factors: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment, in which the factors are only those of the variant.

    A THREADS, PYTHON or PYTHON_IMAGE that is set in the caller's shell must not change the documented stack.
    """
    names = [name for name in os.environ if name not in scenario.factors and not name.startswith("COMPOSE_")]
    # A person may set base images for `docker compose`; the lab resolves them itself.
    environment = {name: os.environ[name] for name in names if not name.endswith(BASE_ARGUMENT)}
    return environment | dict(factors)


def resolve(
    scenario: Scenario,
    factors: Mapping[str, str],
    compose: tuple[str, ...],
    experiment: Experiment | None = None,
    *,
    all_tools: bool = False,
) -> Model:
    """The scenario's file as Compose resolves it with these factors, with the services that they need.

    Without an ``experiment`` the stack is for a person: it has no service that only an experiment uses, but every tool,
    as with ``all_tools``. Raises UsageError if Compose or the policy for stacks refuses the file.
    """
    environment = clean_environment(scenario, factors)
    model = _config(scenario.compose_file, scenario.root, environment, compose)
    check_model(model, scenario)
    _remove_unneeded(model, scenario, factors, experiment.name if experiment else "")
    tools = _config(shared_files.image_file(scenario.root, TOOLS), scenario.root, environment, compose)["services"]
    if experiment and experiment.parallel and not all_tools:
        # Such an experiment measures no load. A failed build of the load tool must not stop its trials.
        tools.pop(LOAD_TOOL, None)
    model["services"].update(tools)
    return model


def check_scenario(scenario: Scenario, compose: tuple[str, ...]) -> None:
    """Check a scenario's whole file with its documented factors. Needs no engine. Raises UsageError."""
    environment = clean_environment(scenario, {})
    check_model(_config(scenario.compose_file, scenario.root, environment, compose), scenario)


def check_model(model: Model, scenario: Scenario) -> None:
    """Raise UsageError for what a scenario's model asks of the host beyond the policy and the scenario's exceptions."""
    roots = (scenario.directory, *shared_files.image_folders(scenario.root))
    check(model, scenario.compose_file, roots, scenario.allow, prefix=f"{scenario.name}-")


def _remove_unneeded(model: Model, scenario: Scenario, factors: Mapping[str, str], experiment: str) -> None:
    """Remove the services that x-reprolab.when excludes, and every reference to them."""
    services = model["services"]
    for role, name in services_by_role(model, scenario.name).items():
        if not scenario.needs(role, factors, experiment):
            del services[name]
    for service in services.values():
        # Compose refuses a dependency on a service that is not in the file.
        if "depends_on" in service:
            service["depends_on"] = {
                name: condition for name, condition in service["depends_on"].items() if name in services
            }
        # Profiles are for a person who runs `docker compose`. The services are already selected.
        service.pop("profiles", None)


def _config(file: Path, root: Path, environment: Mapping[str, str], compose: tuple[str, ...]) -> Model:
    written = file.read_text(encoding="utf-8")
    text = shared_files.with_places(written, root)
    # Compose reads a text with other paths from its standard input.
    source, stdin = (str(file), None) if text == written else ("-", text)
    # A file .env beside compose.yaml is for Compose by hand. It would replace documented values here.
    options = ["--env-file", os.devnull, "--project-name", "reprolab", "--project-directory", str(file.parent)]
    command = [*compose, *options, "--file", source, "--profile", "*", "config", "--format", "json"]
    try:
        finished = run(command, env=environment, stdin=stdin, timeout=60)
    except CommandError as error:
        raise UsageError(f"Compose refuses {file}:\n{error.finished.tail}") from error
    model: Model = json.loads(finished.stdout)
    return model


def base_arguments(model: Model) -> Iterator[tuple[str, str, str]]:
    """(service, build argument, official image) for each base image that a model's builds name."""
    for name, service in model["services"].items():
        for argument, value in ((service.get("build") or {}).get("args") or {}).items():
            if argument.endswith(BASE_ARGUMENT) and value:
                yield name, argument, value


def image_variables(model: Model, scenario: Scenario) -> dict[str, str]:
    """The variables with which a person sets base images for `docker compose` -> the image of each in ``model``.

    Only services in the scenario's file are considered.
    """
    services = read_yaml(scenario.compose_file, str(scenario.compose_file))["services"]
    images = {}
    for name, argument, image in base_arguments(model):
        value = services[name]["build"]["args"][argument] if name in services else ""
        if match := NAMED_IMAGE.fullmatch(value):
            images[match[1]] = image
    return images


def prepare_model(
    model: Model,
    scenario: Scenario,
    project: str,
    owner: Mapping[str, str],
    bases: Mapping[str, tuple[str, str]],
) -> Model:
    """A copy of the model for the lab: with a project name, the resolved base images, names of images, and labels.

    ``bases`` is official image -> (reference to build from, image id).
    """
    prepared = deepcopy(model)
    prepared["name"] = project
    for service, argument, official in list(base_arguments(prepared)):
        prepared["services"][service]["build"]["args"][argument] = bases[official][0]
    awaited = set(_awaited(prepared))
    for name, service in prepared["services"].items():
        service["labels"] = {**(service.get("labels") or {}), **owner}
        service.pop("container_name", None)
        # Health checks are for a person who runs `docker compose`. Here their requests would be measured too.
        if name not in awaited:
            service["healthcheck"] = {"disable": True}
        service["logging"] = _whole_log(service.get("logging") or {})
        if "build" in service:
            service["build"]["labels"] = {labels.OBJECT: labels.IMAGE, labels.SCENARIO: scenario.name}
            service["image"] = image_name(service["build"], name, bases.values())
            service["pull_policy"] = "never"
        else:
            # images/hardened.yaml has `pull_policy: build`. An image without a build is pulled if it is missing.
            service.pop("pull_policy", None)
    for kind in ("networks", "volumes"):
        for entry in (prepared.get(kind) or {}).values():
            entry["labels"] = {**(entry.get("labels") or {}), **owner}
            # Compose made the name from a placeholder project. Without a name, Compose uses the real project.
            entry.pop("name", None)
    return prepared


def _awaited(model: Model) -> Iterator[str]:
    """The services whose health another service waits for before it starts, such as a database."""
    for service in model["services"].values():
        for name, condition in (service.get("depends_on") or {}).items():
            if condition.get("condition") == "service_healthy":
                yield name


def _whole_log(logging: Mapping[str, Any]) -> dict[str, Any]:
    """A service's logging, so that nothing of the log is cut; options that the scenario has an exception for stay."""
    driver = logging.get("driver") or "json-file"
    if driver == "none":
        return {"driver": driver}
    return {"driver": driver, "options": {**WHOLE_LOG, **(logging.get("options") or {})}}


def image_name(build: Mapping[str, Any], service: str, bases: Iterable[tuple[str, str]]) -> str:
    """A tag from the inputs of a build: base images, arguments, target, Dockerfile and the files that it may copy.

    ``bases`` are pairs of a reference, as in an argument, and the image's id.
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
    """A digest of the Dockerfile and of all files of the context that .dockerignore does not exclude.

    Raises UsageError if the context or the Dockerfile is missing.
    """
    for path, what in ((context, "build context"), (context / dockerfile, "Dockerfile")):
        if not path.exists():
            raise UsageError(
                f"the {what} {path} does not exist",
                expected="a directory with a Dockerfile, as compose.yaml names it below `build`",
                advice="correct `context` or `dockerfile` in compose.yaml, or add the file",
            )
    # BuildKit prefers the list that is named after the Dockerfile.
    special = context / f"{dockerfile}.dockerignore"
    ignore = special if special.exists() else context / ".dockerignore"
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
    """Role -> service name. In the files the name of a service is the scenario's name and the role."""
    prefix = f"{scenario}-"
    return {name.removeprefix(prefix): name for name in model["services"]}


def missing_images(model: Model, exists: Callable[[str], bool]) -> list[str]:
    """The services whose image does not exist yet."""
    return [name for name, service in model["services"].items() if "build" in service and not exists(service["image"])]
