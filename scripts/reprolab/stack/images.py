"""Lists the packages that are installed in an image."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import docker

from reprolab.core.errors import EngineError, UsageError
from reprolab.core.files import read_object, write_json
from reprolab.core.waiting import patient
from reprolab.engine import labels
from reprolab.engine.helpers import SMALL_LOG
from reprolab.evidence.run_info import BuiltImage, Image
from reprolab.stack.containers import remove_container

# A Dockerfile writes the packages of a stage that is not part of the image here, as "name version" lines.
BUILT_WITH = "/usr/local/share/reprolab/built-with"
RUN = "packages"  # the helper containers have no run of their own
LIMIT = 300.0  # seconds for the list of one image, on a machine that builds images at the same time
# Prints a "kind name version" line for each installed package. An image may lack dpkg, python3 or the file.
PACKAGES = (
    f"sed 's/^/built-with /' {BUILT_WITH} 2>/dev/null; echo; "
    "dpkg-query -W -f 'deb ${Package} ${Version}\\n' 2>/dev/null; "
    "python3 -m pip list --format=freeze --disable-pip-version-check 2>/dev/null | sed 's/^/pip /; s/==/ /'"
)


def describe(client: docker.DockerClient, reference: str, cache: Path) -> BuiltImage:
    """The image of a reference, with its packages, which are cached by image id."""
    image = client.images.get(reference)
    stored = _cached(cache, str(image.id))
    packages = _stored(stored)
    if packages is None:
        packages = _packages(client, reference)
        write_json(stored, packages)
    return BuiltImage(Image(reference, str(image.id), tuple(image.attrs.get("RepoDigests") or ())), packages)


def remember(built: BuiltImage, cache: Path) -> None:
    """Keep the packages of an image, which another engine has listed, so that this one need not."""
    if built.image.id:
        write_json(_cached(cache, built.image.id), {kind: dict(names) for kind, names in built.packages.items()})


def _cached(cache: Path, image: str) -> Path:
    return cache / f"{image.removeprefix('sha256:')}.json"


def _stored(path: Path) -> dict[str, dict[str, str]] | None:
    """The packages as they were listed before; None without such a file, and if it is damaged: it can be made again."""
    with suppress(UsageError):
        content = read_object(path)
        if all(isinstance(names, dict) and all(map(_is_text, names.values())) for names in content.values()):
            return content
    return None


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _packages(client: docker.DockerClient, reference: str) -> dict[str, dict[str, str]]:
    container = client.containers.create(
        reference,
        entrypoint=["sh", "-c", PACKAGES],
        network_disabled=True,
        log_config=SMALL_LOG,
        security_opt=["no-new-privileges"],
        read_only=True,
        cap_drop=["ALL"],
        mem_limit="512m",
        pids_limit=64,
        labels=labels.object_labels("", RUN),
    )
    try:
        container.start()
        code = container.wait(timeout=patient(LIMIT))["StatusCode"]
        listing = container.logs(stdout=True, stderr=False)
    finally:
        remove_container(container)
    if code != 0:
        raise EngineError(f"the packages of {reference} could not be listed: exit code {code}")
    packages: dict[str, dict[str, str]] = {}
    for line in listing.decode("utf-8", "replace").splitlines():
        kind, _, rest = line.partition(" ")
        name, _, version = rest.partition(" ")
        if version:
            packages.setdefault(kind, {})[name] = version
    return json.loads(json.dumps(packages, sort_keys=True))  # type: ignore[no-any-return]
