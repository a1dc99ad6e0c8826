"""Finds the base images on which apt still has to run in a build. Only these need working package sources."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import docker

from reprolab.baseimage.resolve import Base
from reprolab.core.errors import UsageError
from reprolab.engine.detect import has_image
from reprolab.stack.compose import BASE_ARGUMENT, Model, image_name
from reprolab.stack.dockerfile import Run, stages

APT = re.compile(r"\bapt\b")  # apt, apt-get, and commands that remove the lists of apt


def apt_bases(models: Iterable[Model], bases: Mapping[str, Base], client: docker.DockerClient) -> set[str]:
    """The official names of the base images on which a missing image is built with apt."""
    identities = [(base.reference, base.image_id) for base in bases.values()]
    builds: dict[str, Mapping[str, Any]] = {}
    for model in models:
        for name, service in model["services"].items():
            if build := service.get("build"):
                builds[_image_name(build, name, bases, identities)] = build
    images = (stages_with_apt(build) for image, build in builds.items() if not has_image(client, image))
    return set[str]().union(*images) & set(bases)


def _image_name(
    build: Mapping[str, Any], service: str, bases: Mapping[str, Base], identities: list[tuple[str, str]]
) -> str:
    """The name of the image of a build on these bases."""
    arguments = {
        key: bases[value].reference if key.endswith(BASE_ARGUMENT) and value in bases else value
        for key, value in (build.get("args") or {}).items()
    }
    return image_name({**build, "args": arguments}, service, identities)


def stages_with_apt(build: Mapping[str, Any]) -> set[str]:
    """The base images of the stages of a build that run apt.

    All base images of the build if its Dockerfile cannot be parsed.
    """
    path = Path(build["context"]) / (build.get("dockerfile") or "Dockerfile")
    arguments = build.get("args") or {}
    try:
        build_stages = stages(path.read_text(encoding="utf-8"), arguments, str(path), build.get("target") or "")
    except UsageError:
        return {value for name, value in arguments.items() if name.endswith(BASE_ARGUMENT)}
    return {stage.image for stage in build_stages if any(map(_has_apt, stage.runs))}


def _has_apt(run: Run) -> bool:
    return any(APT.search(word) for command in run.commands for word in command.words)
