"""All builds of a checkout: of each variant, of the tools, and of each Dockerfile with its defaults."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from reprolab.baseimage import cpython
from reprolab.baseimage.resolve import fallback_version
from reprolab.core import shared_files
from reprolab.core.config_file import parse_yaml
from reprolab.pins.collect import Build
from reprolab.pins.pin import Use
from reprolab.scenario.model import FACTOR, Scenario, official_image
from reprolab.stack.compose import BASE_ARGUMENT, TOOLS

DEFAULT = "Dockerfile"
# The fallback image of an official Python image. The lab builds it with its own arguments.
FALLBACK = "images/base/Dockerfile"
# The Dockerfile of a new scenario. The template is a valid Dockerfile.
TEMPLATE = "scripts/reprolab/scenario/templates/Dockerfile.j2"
TEMPLATE_LIST = {"requirements/gunicorn.txt": "gunicorn.txt.j2"}


def all_builds(root: Path, scenarios: Iterable[Scenario]) -> list[Build]:
    """Return each distinct build once, with all its users."""
    return _distinct(_builds(root, list(scenarios)))


def builds_of(scenario: Scenario, experiment: str, changes: Iterable[Mapping[str, str]]) -> list[Build]:
    """Return each distinct build of an experiment's stacks with these changed factors."""
    services = _services(scenario.compose_file, scenario.root)
    return _distinct(build for row in changes for build in _of_stack(scenario, experiment, services, row, Use("")))


def _distinct(every: Iterable[Build]) -> list[Build]:
    builds: dict[object, Build] = {}
    for build in every:
        key = (build.dockerfile, build.context, tuple(sorted(build.arguments.items())), build.target)
        earlier = builds.get(key)
        builds[key] = replace(build, users=(*earlier.users, *build.users)) if earlier else build
    return list(builds.values())


def _builds(root: Path, scenarios: list[Scenario]) -> Iterator[Build]:
    # The pins of the installed lab's tools are not the lab folder's to change.
    tools_file = root / shared_files.IMAGES / TOOLS
    tools = _of_services(tools_file, _services(tools_file, root), {}, Use("")) if tools_file.is_file() else ()
    compose = [*tools, *(build for scenario in scenarios for build in _of_variants(scenario))]
    yield from compose
    yield from _by_default(compose, scenarios)
    yield from _fallback_builds(root, compose)
    if (root / TEMPLATE).is_file():
        yield Build(root / TEMPLATE, (root / TEMPLATE).parent, {}, "", (Use(""),), TEMPLATE_LIST)


def _of_variants(scenario: Scenario) -> Iterator[Build]:
    """Yield the builds of the services that each variant needs."""
    services = _services(scenario.compose_file, scenario.root)
    for experiment in scenario.experiments.values():
        for variant, changes in experiment.variants.items():
            user = Use("", "", scenario.name, f"{experiment.name}/{variant}")
            yield from _of_stack(scenario, experiment.name, services, changes, user)


def _of_stack(
    scenario: Scenario, experiment: str, services: Mapping[str, Any], changes: Mapping[str, str], user: Use
) -> Iterator[Build]:
    """Yield the builds of the services that a stack needs."""
    factors = {**scenario.factors, **changes}
    needed = {
        name: service
        for name, service in services.items()
        if scenario.needs(name.removeprefix(f"{scenario.name}-"), factors, experiment)
    }
    yield from _of_services(scenario.compose_file, needed, factors, user)


def _services(file: Path, root: Path) -> dict[str, Any]:
    text = shared_files.with_places(file.read_text(encoding="utf-8"), root)
    services: dict[str, Any] = parse_yaml(text, str(file))["services"]
    return services


def _of_services(file: Path, services: Mapping[str, Any], factors: Mapping[str, str], user: Use) -> Iterator[Build]:
    """Yield the builds of services of a Compose file. Compose itself would take 0.5 s for each set of factors."""
    for build in (service["build"] for service in services.values() if "build" in service):
        context = (file.parent / build["context"]).resolve()
        arguments = {name: fill(str(value), factors) for name, value in (build.get("args") or {}).items()}
        dockerfile = (context / build.get("dockerfile", DEFAULT)).resolve()
        yield Build(dockerfile, context, arguments, build.get("target", ""), (user,))


def fill(text: str, factors: Mapping[str, str]) -> str:
    """Return ``text`` with its factors filled in as Compose does. An empty value counts as not set."""
    filled = FACTOR.sub(lambda match: factors.get(match[1]) or match[2] or "", official_image(text))
    return filled.replace("$$", "$")


def _by_default(compose: Iterable[Build], scenarios: Iterable[Scenario]) -> Iterator[Build]:
    """Yield a build of each Dockerfile with its defaults, also of those that only a reproducer builds."""
    contexts = {file: file.parent for scenario in scenarios for file in scenario.directory.rglob(DEFAULT)}
    contexts |= {build.dockerfile: build.context for build in compose}
    for file, context in sorted(contexts.items()):
        yield Build(file, context, {}, "", (Use(""),))


def _fallback_builds(root: Path, builds: Iterable[Build]) -> Iterator[Build]:
    """Yield the build of a fallback image for each Python image that the builds name."""
    file = root / FALLBACK
    images = {value for build in builds for name, value in build.arguments.items() if name.endswith(BASE_ARGUMENT)}
    for official in sorted(images) if file.is_file() else ():
        if version := fallback_version(official):
            arguments = {
                # The lab uses the host's Debian. It has the packages of the official image.
                "DEBIAN_BASE": official,
                # The libraries of the interpreter come from packages that the host has.
                "PACKAGES": "",
                "PYTHON_VERSION": version,
            }
            renamed = {"requirements.txt": cpython.requirements_file(version)}
            yield Build(file, file.parent, arguments, "", (Use(""),), renamed)
