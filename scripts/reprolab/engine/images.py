"""The images of an engine, as one request lists them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import docker

UNTAGGED = "<none>:<none>"  # what old engines list as the tag of an image without any


@dataclass(frozen=True)
class ListedImage:
    """An image in the engine's list."""

    id: str
    tags: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)


def listed_images(
    client: docker.DockerClient, name: str = "", filters: Mapping[str, Any] | None = None
) -> list[ListedImage]:
    """The images of an engine; those with a tag of the repository ``name``, which may have `*`, or all; with all tags.

    `client.images.list` asks for each image by itself, and fails if another process removes one meanwhile. The engine's
    own choice by a name leaves out the other tags of an image.
    """
    images = [
        ListedImage(
            str(row["Id"]), tuple(tag for tag in row["RepoTags"] or () if tag != UNTAGGED), row.get("Labels") or {}
        )
        for row in client.api.images(filters=dict(filters or {}))
    ]
    return [image for image in images if not name or any(_is_named(tag, name) for tag in image.tags)]


def image_ids(client: docker.DockerClient) -> dict[str, str]:
    """Tag -> id of the images of an engine."""
    return {tag: image.id for image in listed_images(client) for tag in image.tags}


def _is_named(tag: str, name: str) -> bool:
    return fnmatchcase(tag, name) or fnmatchcase(tag.rpartition(":")[0], name)
