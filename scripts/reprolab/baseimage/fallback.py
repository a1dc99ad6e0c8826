"""Base images built from this host, for where no registry can be reached.

Two layers, each kept until something it is made from changes: a Debian root file system unpacked by
mmdebstrap from the host's own package sources, and on it one CPython of the host's pyenv. Each image
is tagged only when it is whole, under a name of its own, and labelled as the stand-in that it is.
"""

from __future__ import annotations

import hashlib
import json
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
from reprolab.baseimage.rootfs import ADDED, FILES, NOT_UNPACKED, have_mmdebstrap, plain, unpack
from reprolab.core.errors import BaseImageError, LabError
from reprolab.core.locks import file_lock
from reprolab.core.progress import OnProgress

RECIPE = 1  # raise it when this module, hostrootfs.py or hostpython.py changes what is in the images
SILENCE_LIMIT = 300  # seconds without a word from the engine
TAIL_LINES = 20
NAME = "reprolab-base"
LABEL = "reprolab.base"
ARCHIVE = "archive"  # the label's value on a base that archivebase.py made of another; here it is "host"
DEBIAN_CHANGES = ('ENV PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"', 'CMD ["bash"]')


@dataclass(frozen=True)
class HostImage:
    """A stand-in image, and what it was made from in words for a report."""

    reference: str
    image: Image
    made_from: str


def debian_base(client: docker.DockerClient, environ: Mapping[str, str], on_progress: OnProgress) -> HostImage:
    """The Debian stand-in, built if there is none made from what this host has now."""
    host = read_host(environ)
    reference = f"{NAME}/debian:host-{host.codename}"
    fingerprint = debian_fingerprint(host)
    image = _current(client, reference, fingerprint)
    if image is None:
        with _build_lock(on_progress):
            image = _current(client, reference, fingerprint) or _make_debian(
                client, host, reference, fingerprint, on_progress
            )
    return HostImage(reference, image, f"{host.distribution} {image.labels[f'{LABEL}.debian']}")


def python_base(
    official: str, version: str, client: docker.DockerClient, environ: Mapping[str, str], on_progress: OnProgress
) -> HostImage:
    """The stand-in for the official ``python:<version>-slim``, built if there is none that is current."""
    interpreter = cpython.find(version, environ)
    debian = debian_base(client, environ, on_progress)
    reference = f"{NAME}/python:{version}-{debian.reference.rpartition(':')[2]}"
    fingerprint = python_fingerprint(interpreter, debian.image.labels[f"{LABEL}.fingerprint"])
    labels = base_labels(official, debian.image.labels[f"{LABEL}.debian"], fingerprint)
    image = _current(client, reference, fingerprint)
    if image is None:
        with _build_lock(on_progress):
            image = _current(client, reference, fingerprint)
            image = image or _make_python(client, interpreter, debian, reference, labels, on_progress)
    return HostImage(reference, image, f"{debian.made_from} and pyenv's CPython {version}")


def base_labels(official: str, debian: str, fingerprint: str) -> dict[str, str]:
    """The labels by which a stand-in can be told, found again and cleaned up."""
    return {
        "reprolab.object": "base",
        LABEL: "host",
        f"{LABEL}.official": official,
        f"{LABEL}.debian": debian,
        f"{LABEL}.fingerprint": fingerprint,
    }


def debian_fingerprint(host: HostConfig) -> str:
    """Changes when this host's release or configuration does, or the recipe."""
    files = [_text(name) for name in ADDED]
    return _fingerprint(recipe=RECIPE, host=asdict(host), files=files, left_out=NOT_UNPACKED)


def python_fingerprint(interpreter: Interpreter, debian: str) -> str:
    """Changes with the Debian below, the interpreter's build, its list of pip and the like, or the recipe."""
    files = [_text(name) for name in ("Dockerfile", cpython.requirements(interpreter.version))]
    return _fingerprint(recipe=RECIPE, debian=debian, python=interpreter.identity, files=files)


def _fingerprint(**parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _text(name: str) -> str:
    return (FILES / name).read_text("utf-8")


def _current(client: docker.DockerClient, reference: str, fingerprint: str) -> Image | None:
    try:
        image = client.images.get(reference)
    except ImageNotFound:
        return None
    return image if image.labels.get(f"{LABEL}.fingerprint") == fingerprint else None


def _build_lock(on_progress: OnProgress) -> AbstractContextManager[None]:
    """Let one process of this checkout build at a time: the next then finds the image made."""
    return file_lock(
        FILES, lambda holder: on_progress("waiting for another run of the lab, which is building a base image")
    )


def _make_debian(
    client: docker.DockerClient, host: HostConfig, reference: str, fingerprint: str, on_progress: OnProgress
) -> Image:
    have_mmdebstrap(on_progress)
    on_progress(
        f"unpacking {host.distribution} {host.codename} with mmdebstrap from this host's package sources "
        "(about 30 s, once for all base images)"
    )
    with TemporaryDirectory(prefix="reprolab-base-") as name:
        rootfs, release = unpack(host, Path(name))
        labels = base_labels(f"debian:{host.codename}-slim", release, fingerprint)
        changes = [*DEBIAN_CHANGES, *(f"LABEL {key}={json.dumps(value)}" for key, value in labels.items())]
        on_progress(f"handing it to the engine as {reference}")
        return _replace(client, reference, lambda: _import(client, rootfs, reference, changes), fingerprint)


def _import(client: docker.DockerClient, rootfs: Path, reference: str, changes: list[str]) -> str:
    repository, _, tag = reference.rpartition(":")
    return str(client.api.import_image(str(rootfs), repository, tag, changes=changes))


def _make_python(
    client: docker.DockerClient,
    interpreter: Interpreter,
    debian: HostImage,
    reference: str,
    labels: dict[str, str],
    on_progress: OnProgress,
) -> Image:
    on_progress(f"laying pyenv's CPython {interpreter.version} into {debian.reference} (about 20 s, once)")
    needs = cpython.needs(interpreter)
    arguments = {
        "DEBIAN_BASE": debian.reference,
        "PACKAGES": " ".join(needs.packages),
        "PYTHON_VERSION": interpreter.version,
    }
    with TemporaryDirectory(prefix="reprolab-base-") as name:
        work = Path(name)
        cpython.lay_out(interpreter, needs.files, work / "root")
        context = work / "context.tar"
        _pack(work / "root", cpython.requirements(interpreter.version), context)
        with context.open("rb") as stream:
            return _replace(
                client,
                reference,
                lambda: _build(client, stream, reference, arguments, labels),
                labels[f"{LABEL}.fingerprint"],
            )


def _pack(root: Path, requirements: str, context: Path) -> None:
    """Write the build context: sorted, owned by root, all of one time, whatever the host's umask was."""
    with tarfile.open(context, "w") as tar:
        tar.add(FILES / "Dockerfile", "Dockerfile", filter=plain)
        tar.add(FILES / requirements, "requirements.txt", filter=plain)
        tar.add(root, "root", filter=plain)


def _build(
    client: docker.DockerClient,
    context: IO[bytes],
    reference: str,
    arguments: dict[str, str],
    labels: dict[str, str],
) -> str:
    """Build and tag; what the build printed last. BaseImageError with it when the build fails."""
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
    """Make the image and remove the outdated one that had its name, unless something still uses it."""
    before = {image.id for image in client.images.list(name=reference)}
    try:
        said = make()
    except (APIError, requests.exceptions.RequestException) as error:
        raise _failed(reference, str(getattr(error, "explanation", None) or error)) from error
    image = _current(client, reference, fingerprint)
    if image is None:
        raise _failed(reference, said[-2000:])
    for outdated in before - {image.id}:
        try:
            client.images.remove(str(outdated))
        except APIError:
            continue  # a scenario's image is built on it; `clean` removes both
    return image


def _failed(reference: str, said: str) -> LabError:
    return BaseImageError(
        f"the base image {reference} could not be built; last it said:\n{said}",
        expected="an engine with room for it, whose containers reach the package sources and index",
        advice="the lines above name the step; a step that downloads needs the bridge network to reach out",
    )
