"""Fallback images: base images built from this host, used if no registry can be reached.

A fallback image has two layers: a Debian root file system that mmdebstrap unpacks from the host's package sources, and
a CPython of the host's pyenv. An image is built again when one of its inputs has changed. It is tagged only when it is
complete, with a name of its own, and labelled as a fallback image.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import docker
import requests
from docker.errors import APIError, ImageNotFound
from docker.models.images import Image

from reprolab.baseimage import cpython
from reprolab.baseimage.cpython import Interpreter
from reprolab.baseimage.host_config import HostConfig, read_host
from reprolab.baseimage.rootfs import ADDED, FILES, NOT_UNPACKED, ensure_mmdebstrap, normalize_member, unpack
from reprolab.core.errors import BaseImageError, LabError
from reprolab.core.locks import directory_lock
from reprolab.core.progress import OnProgress
from reprolab.engine.failures import plain_reason
from reprolab.engine.images import listed_images

RECIPE = 1  # increase it when this module, rootfs.py or cpython.py changes the content of the images
SILENCE_LIMIT = 300  # seconds without output from the engine
TAIL_LINES = 20
NAME = "reprolab-base"
LABEL = "reprolab.base"
ARCHIVE = "archive"  # the label's value on a base that stack/archived_bases.py built; on a fallback image it is "host"
DEBIAN_CHANGES = ('ENV PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"', 'CMD ["bash"]')


@dataclass(frozen=True)
class FallbackImage:
    """A fallback image, and its origin in words for a report."""

    reference: str
    image: Image
    made_from: str


def debian_base(client: docker.DockerClient, environ: Mapping[str, str], on_progress: OnProgress) -> FallbackImage:
    """Return the fallback image of Debian. It is built if there is none, or if this host has changed."""
    host = read_host(environ)
    reference = f"{NAME}/debian:host-{host.codename}"
    fingerprint = debian_fingerprint(host)
    image = _current(client, reference, fingerprint) or _of_root(client, reference)
    if image is None:
        with _build_lock(on_progress):
            image = _current(client, reference, fingerprint) or _make_debian(
                client, host, reference, fingerprint, on_progress
            )
    return FallbackImage(reference, image, f"{host.distribution} {image.labels[f'{LABEL}.debian']}")


def python_base(
    official: str, version: str, client: docker.DockerClient, environ: Mapping[str, str], on_progress: OnProgress
) -> FallbackImage:
    """Return the fallback image of ``python:<version>-slim``. It is built if there is no current one."""
    try:
        interpreter = cpython.find_interpreter(version, environ)
    except BaseImageError:
        reference = f"{NAME}/python:{version}-host-{read_host(environ).codename}"
        if (built := _of_root(client, reference)) is None:
            raise
        made_from = f"Debian {built.labels[f'{LABEL}.debian']} and CPython {version}, by another user"
        return FallbackImage(reference, built, made_from)
    debian = debian_base(client, environ, on_progress)
    reference = f"{NAME}/python:{interpreter.version}-{debian.reference.rpartition(':')[2]}"
    fingerprint = python_fingerprint(interpreter, debian.image.labels[f"{LABEL}.fingerprint"])
    labels = base_labels(official, debian.image.labels[f"{LABEL}.debian"], fingerprint)
    image = _current(client, reference, fingerprint)
    if image is None:
        with _build_lock(on_progress):
            image = _current(client, reference, fingerprint)
            image = image or _make_python(client, interpreter, debian, reference, labels, on_progress)
    return FallbackImage(reference, image, f"{debian.made_from} and pyenv's CPython {interpreter.version}")


def base_labels(official: str, debian: str, fingerprint: str) -> dict[str, str]:
    """Return the labels that identify a fallback image."""
    return {
        "reprolab.object": "base",
        LABEL: "host",
        f"{LABEL}.official": official,
        f"{LABEL}.debian": debian,
        f"{LABEL}.fingerprint": fingerprint,
    }


def debian_fingerprint(host: HostConfig) -> str:
    """Return a digest of this host's release and configuration, and of the recipe."""
    files = [_file_text(name) for name in ADDED]
    return _fingerprint(recipe=RECIPE, host=asdict(host), files=files, left_out=NOT_UNPACKED)


def python_fingerprint(interpreter: Interpreter, debian: str) -> str:
    """Return a digest of the Debian image, the interpreter, its list of pip and setuptools, and the recipe."""
    files = [_file_text(name) for name in ("Dockerfile", cpython.requirements_file(interpreter.version))]
    return _fingerprint(recipe=RECIPE, debian=debian, python=interpreter.identity, files=files)


def _fingerprint(**parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _file_text(name: str) -> str:
    return (FILES / name).read_text("utf-8")


def _current(client: docker.DockerClient, reference: str, fingerprint: str) -> Image | None:
    try:
        image = client.images.get(reference)
    except ImageNotFound:
        return None
    return image if image.labels.get(f"{LABEL}.fingerprint") == fingerprint else None


def _of_root(client: docker.DockerClient, reference: str) -> Image | None:
    """Return the image of this name for a user who is not root; None for root, and without such an image.

    It may be made for other settings of pip or apt than this user has. To build another one can need root.
    """
    if os.geteuid() == 0:
        return None
    try:
        image = client.images.get(reference)
    except ImageNotFound:
        return None
    return image if image.labels.get(LABEL) == "host" else None


def _build_lock(on_progress: OnProgress) -> AbstractContextManager[None]:
    """Let only one process of this checkout build at a time. The next one then finds the image."""
    return directory_lock(FILES, "is building a base image", on_progress)


def _make_debian(
    client: docker.DockerClient, host: HostConfig, reference: str, fingerprint: str, on_progress: OnProgress
) -> Image:
    ensure_mmdebstrap(on_progress)
    on_progress(
        f"unpacking {host.distribution} {host.codename} with mmdebstrap from this host's package sources "
        "(about 30 s, once for all base images)"
    )
    with TemporaryDirectory(prefix="reprolab-base-") as name:
        rootfs, release = unpack(host, Path(name))
        labels = base_labels(f"debian:{host.codename}-slim", release, fingerprint)
        changes = [*DEBIAN_CHANGES, *(f"LABEL {key}={json.dumps(value)}" for key, value in labels.items())]
        on_progress(f"importing it into the engine as {reference}")
        return _replace(client, reference, lambda: _import(client, rootfs, reference, changes), fingerprint)


def _import(client: docker.DockerClient, rootfs: Path, reference: str, changes: list[str]) -> str:
    repository, _, tag = reference.rpartition(":")
    return str(client.api.import_image(str(rootfs), repository, tag, changes=changes))


def _make_python(
    client: docker.DockerClient,
    interpreter: Interpreter,
    debian: FallbackImage,
    reference: str,
    labels: dict[str, str],
    on_progress: OnProgress,
) -> Image:
    on_progress(f"copying pyenv's CPython {interpreter.version} into {debian.reference} (about 20 s, once)")
    libraries = cpython.find_libraries(interpreter)
    arguments = {
        "DEBIAN_BASE": debian.reference,
        "PACKAGES": " ".join(libraries.packages),
        "PYTHON_VERSION": interpreter.version,
    }
    with TemporaryDirectory(prefix="reprolab-base-") as name:
        work = Path(name)
        cpython.lay_out(interpreter, libraries.files, work / "root")
        context = work / "context.tar"
        _pack(work / "root", cpython.requirements_file(interpreter.version), context)
        with context.open("rb") as stream:
            return _replace(
                client,
                reference,
                lambda: _build(client, stream, reference, arguments, labels),
                labels[f"{LABEL}.fingerprint"],
            )


def _pack(root: Path, requirements: str, context: Path) -> None:
    """Write the build context. Equal inputs give equal files: owner, time and modes do not depend on the host."""
    with tarfile.open(context, "w") as tar:
        tar.add(FILES / "Dockerfile", "Dockerfile", filter=normalize_member)
        tar.add(FILES / requirements, "requirements.txt", filter=normalize_member)
        tar.add(root, "root", filter=normalize_member)


def _build(
    client: docker.DockerClient,
    context: IO[bytes],
    reference: str,
    arguments: dict[str, str],
    labels: dict[str, str],
) -> str:
    """Build and tag an image; return the last lines of the output. BaseImageError if the build fails."""
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    events = client.api.build(
        fileobj=context,
        custom_context=True,
        tag=reference,
        buildargs=arguments,
        labels=labels,
        rm=True,
        forcerm=True,
        decode=True,
        timeout=SILENCE_LIMIT,
    )
    for event in events:
        tail.extend(str(event.get("stream") or event.get("error") or "").strip().splitlines())
        if "error" in event:
            raise _failed(reference, "\n".join(tail))
    return "\n".join(tail)


def _replace(client: docker.DockerClient, reference: str, make: Callable[[], str], fingerprint: str) -> Image:
    """Make the image. Remove the outdated one that had its name, unless it is still used."""
    before = {image.id for image in listed_images(client, name=reference)}
    try:
        output = make()
    except (APIError, requests.exceptions.RequestException) as error:
        raise _failed(reference, getattr(error, "explanation", None) or plain_reason(error)) from error
    image = _current(client, reference, fingerprint)
    if image is None:
        raise _failed(reference, output[-2000:])
    for outdated in before - {image.id}:
        try:
            client.images.remove(str(outdated))
        except APIError:
            continue  # an image of a scenario is built on it; `clean` removes both
    return image


def _failed(reference: str, output: str) -> LabError:
    return BaseImageError(
        f"the base image {reference} could not be built; its last output:\n{output}",
        expected="an engine with free space, whose containers reach the package sources and index",
        advice="the lines above name the step; a step that downloads needs a bridge network with access to the sources",
    )
