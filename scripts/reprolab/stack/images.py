"""The images a model names: the bases below them, and what is inside them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import docker

from reprolab.baseimage.resolve import Base, Policy, resolve_bases
from reprolab.core.files import read_json, write_json
from reprolab.core.progress import OnProgress
from reprolab.stack.archived_bases import archived_bases
from reprolab.stack.compose import Model, base_arguments

# What a build stage that is not kept had installed: a "name version" line for each, written by the Dockerfile.
BUILT_WITH = "/usr/local/share/reprolab/built-with"
# Prints one "kind name version" line for each installed package, whatever the image holds.
PACKAGES = (
    f"sed 's/^/built-with /' {BUILT_WITH} 2>/dev/null; echo; "
    "dpkg-query -W -f 'deb ${Package} ${Version}\\n' 2>/dev/null; "
    "python3 -m pip list --format=freeze --disable-pip-version-check 2>/dev/null | sed 's/^/pip /; s/==/ /'"
)


def bases_of(models: Iterable[Model], client: docker.DockerClient, say: OnProgress, chosen: Policy) -> dict[str, Base]:
    """Resolve each base image that the models' builds name, once; official name -> what stands for it.

    One whose Debian release left the mirrors is replaced where something has yet to be built on it with apt.
    """
    models = list(models)
    officials = {official for model in models for _, _, official in base_arguments(model)}
    return archived_bases(models, resolve_bases(sorted(officials), client, policy=chosen, say=say), client, say)


def references(bases: Mapping[str, Base]) -> dict[str, tuple[str, str]]:
    """What composefile.adopt() wants to know of each base: the reference to build from and the image id."""
    return {official: (base.reference, base.image_id) for official, base in bases.items()}


def describe(client: docker.DockerClient, reference: str, cache: Path) -> dict[str, Any]:
    """An image's id, digests and installed packages (kind -> name -> version); cached by image id."""
    image = client.images.get(reference)
    stored = cache / f"{str(image.id).removeprefix('sha256:')}.json"
    if stored.exists():
        packages = read_json(stored)
    else:
        packages = _packages(client, reference)
        write_json(stored, packages)
    return {"id": image.id, "digests": image.attrs.get("RepoDigests") or [], "packages": packages}


def _packages(client: docker.DockerClient, reference: str) -> dict[str, dict[str, str]]:
    listing = client.containers.run(
        reference,
        entrypoint=["sh", "-c", PACKAGES],
        remove=True,
        network_disabled=True,
        cap_drop=["ALL"],
        mem_limit="512m",
        pids_limit=64,
        labels={"reprolab.object": "probe"},
    )
    found: dict[str, dict[str, str]] = {}
    for line in listing.decode("utf-8", "replace").splitlines():
        kind, _, rest = line.partition(" ")
        name, _, version = rest.partition(" ")
        if version:
            found.setdefault(kind, {})[name] = version
    return json.loads(json.dumps(found, sort_keys=True))  # type: ignore[no-any-return]
