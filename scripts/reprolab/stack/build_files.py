"""Whether the files of builds stay as they were when the images got their names, which are digests of them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException

from reprolab.core.errors import BuildError, UsageError
from reprolab.stack.compose import context_digest


@dataclass
class BuildFiles:
    """The digests of the files of builds, by the reference of the image, as they were when they were asked for."""

    _digests: dict[str, str] = field(default_factory=dict)

    def note(self, builds: Mapping[str, Mapping[str, Any]]) -> None:
        """Read the files of builds: reference -> the part `build` of a service."""
        known: dict[tuple[str, str], str] = {}
        for reference, build in builds.items():
            place = (str(build.get("context")), str(build.get("dockerfile")))
            if place not in known:
                known[place] = digest(build)
            self._digests[reference] = known[place]

    def check(self, reference: str, build: Mapping[str, Any], client: docker.DockerClient) -> None:
        """Raise BuildError if the files of a build have changed since; then the engine's image loses this name.

        With it the image would be taken for one of the files before, as soon as these are back.
        """
        if digest(build) == self._digests.get(reference, ""):
            return
        with suppress(DockerException):
            client.images.remove(reference, noprune=True)
        raise BuildError(
            f"the files of the image {reference} were changed while it was built ({build.get('context')})",
            expected="the same files from the start of a run to the end of its builds",
            advice="run it again",
        )


def digest(build: Mapping[str, Any]) -> str:
    """A digest of the files that a build may copy; "" where they cannot be read, which the build itself tells."""
    context = Path(str(build.get("context") or ""))
    with suppress(UsageError, OSError):
        return context_digest(context, str(build.get("dockerfile") or "Dockerfile")) if build.get("context") else ""
    return ""
