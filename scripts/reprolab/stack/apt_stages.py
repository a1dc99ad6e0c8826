"""Which base images something has yet to be built on with apt: only there do a base's package sources matter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import docker

from reprolab.baseimage.resolve import Base
from reprolab.engine.detect import has_image
from reprolab.stack.compose import BASE_ARGUMENT, Model, image_name


def apt_bases(models: Iterable[Model], bases: Mapping[str, Base], client: docker.DockerClient) -> set[str]:
    """The official names on which an image that is not there yet would be built with apt."""
    identities = [(base.reference, base.image_id) for base in bases.values()]
    found: set[str] = set()
    for model in models:
        for name, service in model["services"].items():
            wanted = _build_apt_bases(service.get("build") or {}) - found
            if wanted and not has_image(client, _name(service["build"], name, bases, identities)):
                found |= wanted & set(bases)
    return found


def _build_apt_bases(build: Mapping[str, Any]) -> set[str]:
    if not build:
        return set()
    dockerfile = Path(build["context"]) / (build.get("dockerfile") or "Dockerfile")
    return stages_with_apt(dockerfile.read_text(encoding="utf-8"), build.get("args") or {})


def _name(build: Mapping[str, Any], service: str, bases: Mapping[str, Base], identities: list[tuple[str, str]]) -> str:
    """The image's name if it is built on the bases as they are."""
    arguments = {
        key: bases[value].reference if key.endswith(BASE_ARGUMENT) and value in bases else value
        for key, value in (build.get("args") or {}).items()
    }
    return image_name({**build, "args": arguments}, service, identities)


def stages_with_apt(dockerfile: str, arguments: Mapping[str, str]) -> set[str]:
    """The base images among a Dockerfile's ``arguments`` from which a stage with apt in a RUN begins."""
    bare = "\n".join(line for line in dockerfile.splitlines() if not line.lstrip().startswith("#"))
    stages: dict[str, str] = {}
    found = set()
    for stage in re.split(r"^FROM\s+", bare, flags=re.MULTILINE)[1:]:
        first, _, rest = stage.partition("\n")
        source, *words = first.split()
        argument = re.fullmatch(r"\$\{?(\w+)\}?", source)
        base = stages.get(source) or (arguments.get(argument[1], "") if argument else "")
        stages[words[-1] if words else ""] = base
        if base and re.search(r"^RUN\b(?:.*\\\n)*.*\bapt\b", rest, re.MULTILINE):
            found.add(base)
    return found
