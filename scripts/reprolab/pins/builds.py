"""Every build of the checkout: those of each variant of each scenario, the tools', those by a Dockerfile's defaults."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from reprolab.baseimage import cpython
from reprolab.baseimage.resolve import fallback_version
from reprolab.core.config_file import read_yaml
from reprolab.pins.collect import Build
from reprolab.pins.pin import Use
from reprolab.scenario.model import FACTOR, Scenario, official_image
from reprolab.stack.compose import BASE_ARGUMENT, TOOLS

DEFAULT = "Dockerfile"
# The stand-in for an official Python image, which the lab builds with arguments of its own.
STAND_IN = "images/base/Dockerfile"
# What a new scenario begins with; as it is, it is a Dockerfile.
TEMPLATE = "scripts/reprolab/scenario/templates/Dockerfile.j2"
TEMPLATE_LIST = {"requirements/gunicorn.txt": "gunicorn.txt.j2"}


def all_builds(root: Path, scenarios: Iterable[Scenario]) -> list[Build]:
    """Each distinct build once, with everyone who asks for it."""
    found: dict[object, Build] = {}
    for build in _builds(root, list(scenarios)):
        key = (build.dockerfile, build.context, tuple(sorted(build.arguments.items())), build.target)
        known = found.get(key)
        found[key] = replace(build, users=(*known.users, *build.users)) if known else build
    return list(found.values())


def _builds(root: Path, scenarios: list[Scenario]) -> Iterator[Build]:
    tools = _of_services(root / TOOLS, _services(root / TOOLS), {}, Use("")) if (root / TOOLS).is_file() else ()
    compose = [*tools, *(build for found in scenarios for build in _of_variants(found))]
    yield from compose
    yield from _by_default(compose, scenarios)
    yield from _stand_ins(root, compose)
    if (root / TEMPLATE).is_file():
        yield Build(root / TEMPLATE, (root / TEMPLATE).parent, {}, "", (Use(""),), TEMPLATE_LIST)


def _of_variants(found: Scenario) -> Iterator[Build]:
    """Of each variant the builds of the services that it needs."""
    services = _services(found.compose_file)
    for experiment in found.experiments.values():
        for variant, changes in experiment.variants.items():
            factors = {**found.factors, **changes}
            needed = {
                name: service
                for name, service in services.items()
                if found.needs(name.removeprefix(f"{found.name}-"), factors, experiment.name)
            }
            user = Use("", "", found.name, f"{experiment.name}/{variant}")
            yield from _of_services(found.compose_file, needed, factors, user)


def _services(file: Path) -> dict[str, Any]:
    services: dict[str, Any] = read_yaml(file, str(file))["services"]
    return services


def _of_services(file: Path, services: Mapping[str, Any], factors: Mapping[str, str], user: Use) -> Iterator[Build]:
    """The builds of services of a Compose file. Compose itself would take half a second for each set of factors."""
    for build in (service["build"] for service in services.values() if "build" in service):
        context = (file.parent / build["context"]).resolve()
        arguments = {name: fill(str(value), factors) for name, value in (build.get("args") or {}).items()}
        dockerfile = (context / build.get("dockerfile", DEFAULT)).resolve()
        yield Build(dockerfile, context, arguments, build.get("target", ""), (user,))


def fill(text: str, factors: Mapping[str, str]) -> str:
    """``text`` as Compose fills it in: an empty factor counts as none."""
    filled = FACTOR.sub(lambda found: factors.get(found[1]) or found[2] or "", official_image(text))
    return filled.replace("$$", "$")


def _by_default(compose: Iterable[Build], scenarios: Iterable[Scenario]) -> Iterator[Build]:
    """Each Dockerfile as `docker build` makes it by hand, and those that a reproducer alone builds."""
    contexts = {file: file.parent for found in scenarios for file in found.directory.rglob(DEFAULT)}
    contexts |= {build.dockerfile: build.context for build in compose}
    for file, context in sorted(contexts.items()):
        yield Build(file, context, {}, "", (Use(""),))


def _stand_ins(root: Path, builds: Iterable[Build]) -> Iterator[Build]:
    """The stand-in for each Python image that the builds name, with the pip, setuptools and wheel laid into it."""
    file = root / STAND_IN
    named = {value for build in builds for name, value in build.arguments.items() if name.endswith(BASE_ARGUMENT)}
    for official in sorted(named) if file.is_file() else ():
        if version := fallback_version(official):
            arguments = {
                # In truth the host's Debian; its packages are those of the image that it stands in for.
                "DEBIAN_BASE": official,
                # Libraries of the host's interpreters, from packages that the host has.
                "PACKAGES": "",
                "PYTHON_VERSION": version,
            }
            renamed = {"requirements.txt": cpython.requirements_file(version)}
            yield Build(file, file.parent, arguments, "", (Use(""),), renamed)
