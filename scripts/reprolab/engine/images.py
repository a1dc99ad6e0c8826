"""The images of an engine, as one request lists them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import docker

UNTAGGED = "<none>:<none>"  # what old engines list as the tag of an image without any


@dataclass(frozen=True)
class ListedImage:
    """An image in the engine's list."""

    id: str
    tags: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)


def listed_images(client: docker.DockerClient, **what: Any) -> list[ListedImage]:
    """The images of an engine; ``what`` is `name` or `filters`, as in Docker's own list.

    `client.images.list` asks for each image by itself, and fails if another process removes one meanwhile.
    """
    return [
        ListedImage(
            str(row["Id"]), tuple(tag for tag in row["RepoTags"] or () if tag != UNTAGGED), row.get("Labels") or {}
        )
        for row in client.api.images(**what)
    ]
