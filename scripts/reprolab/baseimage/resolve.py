"""Find each official base image: on this engine, in its registry, or as a fallback image built from this host.

Scenarios name official images. If the registry cannot be reached, a fallback image with the same CPython is built from
this host. It has a name of its own, and every report names it. If the registry answers that it has no such tag, that
is an error: a fallback image would hide a wrong name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import docker
from docker.errors import APIError, ImageNotFound
from docker.models.images import Image

from reprolab.baseimage import fallback
from reprolab.core.errors import BaseImageError, UsageError
from reprolab.core.progress import OnProgress
from reprolab.engine import elsewhere
from reprolab.engine.failures import engine_errors
from reprolab.engine.images import ListedImage, listed_images
from reprolab.engine.labels import BUNDLED, remove_bundled_names

VARIABLE = "REPROLAB_BASES"
# Alpine has another C library, Windows is another system. The other suffixes are names of Debian releases.
PYTHON = re.compile(r"python:(?P<version>3\.\d+(?:\.\d+)?)(?:-slim)?(?:-(?!alpine|windows|nanoserver)[a-z]+)?")
DEBIAN = re.compile(r"debian:[\w.-]+")
# The engine passes on the message of the registry or of the network as one line of text.
ABSENT = re.compile(
    r"manifest unknown|manifest for .* not found|name unknown|no matching manifest|pull access denied"
    r"|repository does not exist|: not found\s*$|invalid reference format",
    re.IGNORECASE,
)
UNREACHABLE = re.compile(
    r"no such host|i/o timeout|connection refused|connection reset|network is unreachable|no route to host"
    r"|name resolution|server misbehaving|handshake timeout|deadline exceeded|client\.timeout|x509:"
    r"|proxyconnect|request canceled|read timed out|bad gateway|gateway time-?out|service unavailable|\bEOF$",
    re.IGNORECASE,
)
LIMITED = re.compile(r"toomanyrequests|too many requests|rate limit", re.IGNORECASE)


class Origin(StrEnum):
    """Where a base image came from."""

    LOCAL = "local"
    PULLED = "pulled"
    HOST = "host"


class Policy(StrEnum):
    """Which origins REPROLAB_BASES allows."""

    AUTO = "auto"
    HUB = "hub"
    HOST = "host"


class PullFailure(StrEnum):
    """The reason why an image could not be pulled, taken from the engine's message."""

    UNREACHABLE = "not reachable"
    LIMITED = "limits pulls from here"
    ABSENT = "has no such image"
    OTHER = "pull failed"


@dataclass(frozen=True)
class Base:
    """A base image on the engine. ``detail`` is its line in a report."""

    official: str
    reference: str
    image_id: str
    origin: Origin
    digest: str
    detail: str


@dataclass
class _Registry:
    """The first failure of the registry in this process. After it the registry is not asked again."""

    failure: PullFailure | None = None


_registry = _Registry()


def policy(environ: Mapping[str, str]) -> Policy:
    """Return the policy in REPROLAB_BASES, ``auto`` if it is not set. UsageError for an unknown word."""
    word = environ.get(VARIABLE, "").strip() or Policy.AUTO
    try:
        return Policy(word)
    except ValueError:
        raise UsageError(
            f"{VARIABLE} is {word!r}",
            expected="one of " + ", ".join(Policy),
            advice="auto (the default): the registry, else a fallback image; hub: no fallback image; host: only those",
        ) from None


def resolve_bases(
    officials: Iterable[str], client: docker.DockerClient, *, policy: Policy, on_progress: OnProgress
) -> dict[str, Base]:
    """Resolve each name once, in this order."""
    return {
        name: resolve_base(name, client, policy=policy, on_progress=on_progress) for name in dict.fromkeys(officials)
    }


def resolve_base(official: str, client: docker.DockerClient, *, policy: Policy, on_progress: OnProgress) -> Base:
    """Find, pull or build the base image.

    Raises BaseImageError if no source has the image, EngineError if the engine stops answering.
    """
    with engine_errors(f"looking for the base image {official}"):
        if policy is Policy.HOST:
            return _from_host(official, client, f"{VARIABLE}=host", on_progress)
        if policy is Policy.AUTO and (bundled := _bundled(official, client)):
            return bundled
        image = _local(official, client)
        if image is not None:
            return _official(official, image, Origin.LOCAL, "was on this engine already")
        failure, message = _pull(official, client, policy, on_progress)
        if failure is None:
            pulled = client.images.get(official)
            return _official(official, pulled, Origin.PULLED, "pulled from its registry")
        if failure in (PullFailure.ABSENT, PullFailure.OTHER) or policy is Policy.HUB:
            raise pull_error(official, failure, message)
        return _from_host(official, client, f"Docker Hub {failure}", on_progress)


def fallback_version(official: str) -> str | None:
    """Return the CPython version of a fallback image for ``official``; "" for Debian, None if there is no fallback.

    A tag such as `3.12-slim` moves with the releases: its version is "3.12".
    """
    python = PYTHON.fullmatch(official)
    if python:
        return python["version"]
    return "" if DEBIAN.fullmatch(official) else None


def classify(message: str) -> PullFailure:
    """Classify the engine's message about a failed pull. Messages of the registry have priority."""
    for failure, pattern in (
        (PullFailure.LIMITED, LIMITED),
        (PullFailure.ABSENT, ABSENT),
        (PullFailure.UNREACHABLE, UNREACHABLE),
    ):
        if pattern.search(message):
            return failure
    return PullFailure.OTHER


def pull_error(official: str, failure: PullFailure, message: str) -> BaseImageError:
    """Return the error for a pull that failed, where no fallback image is allowed."""
    if failure is PullFailure.ABSENT:
        return BaseImageError(
            f"the registry has no image {official}: {message}",
            expected="an official tag; no fallback image is built for a name that does not exist",
            advice=f"correct the name in the Dockerfile; {VARIABLE}=host builds from this host regardless",
        )
    if failure is PullFailure.OTHER:
        return BaseImageError(
            f"{official} could not be pulled: {message}",
            expected="an image, or a message that the registry cannot be reached",
            advice=f"see the engine's message above; {VARIABLE}=host builds from this host instead",
        )
    return BaseImageError(
        f"{official} is not on this engine and Docker Hub {failure}: {message}",
        expected=f"a registry that answers, since {VARIABLE}=hub forbids building from this host",
        advice=f"{VARIABLE}=auto builds a fallback image from this host",
    )


def _local(official: str, client: docker.DockerClient) -> Image | None:
    """Return the image of that name on this engine, unless it is a fallback image that was given this name."""
    try:
        image = client.images.get(official)
    except ImageNotFound:
        return None
    return None if image.labels.get(fallback.LABEL) == "host" else image


def bundled_name(official: str) -> str:
    """Return the repository that holds a base image from a bundle. Its tag there is its id on the first machine."""
    return f"{BUNDLED}/{re.sub(r'[^a-z0-9._-]+', '-', official.lower())}"


def keep_bundled(official: str, reference: str, image_id: str, client: docker.DockerClient) -> None:
    """Use a loaded image for ``official`` from now on, without a registry, and with the id of its first machine."""
    image = client.images.get(reference)
    local = _local(official, client)
    if local is not None and local.id == image_id:
        return
    for earlier in listed_images(client, name=bundled_name(official)):
        for tag in earlier.tags:
            if tag.startswith(f"{bundled_name(official)}:"):
                client.images.remove(tag, noprune=True)
    image.tag(bundled_name(official), image_id.removeprefix("sha256:"))


def remove_bundled(client: docker.DockerClient) -> list[str]:
    """Remove the names that `load` gave to base images of bundles; the images stay. Returns the official names."""
    return sorted(tag.partition("/")[2].partition(":")[0] for tag in remove_bundled_names(client))


def _bundled(official: str, client: docker.DockerClient) -> Base | None:
    """Return the base image that came in a bundle, with its name and id of the first machine.

    The names of scenario images depend on both, and this engine may compute another id. None if the name now belongs
    to another image.
    """
    repository = bundled_name(official)
    for image in listed_images(client, name=repository):
        names = {tag.rpartition(":")[0]: tag for tag in image.tags}
        fallback_tag = next((tag for name, tag in names.items() if name.startswith(f"{fallback.NAME}/")), "")
        reference = fallback_tag or (official if official in image.tags else "")
        if repository in names and reference:
            identity = f"sha256:{names[repository].rpartition(':')[2]}"
            origin = Origin.HOST if image.labels.get(fallback.LABEL) == "host" else Origin.LOCAL
            # Into a virtual machine of the lab nothing gets but images of this machine's engine.
            way = "came from the engine of this machine" if elsewhere.kernel() else "came in a bundle"
            return Base(official, reference, identity, origin, "", f"{official} {way}{_where(image)}")
    return None


def _where(image: ListedImage) -> str:
    if image.labels.get(fallback.LABEL) == fallback.ARCHIVE:
        return f"; {image.labels.get(f'{fallback.LABEL}.detail', '?')}"
    if image.labels.get(fallback.LABEL) != "host":
        return ""
    host = "there" if elsewhere.kernel() else "on the host where that was made,"
    return f", built {host} with Debian {image.labels.get(f'{fallback.LABEL}.debian', '?')}"


def _official(official: str, image: Image, origin: Origin, source: str) -> Base:
    digests = [str(digest).partition("@")[2] for digest in image.attrs.get("RepoDigests") or []]
    return Base(official, official, str(image.id), origin, next(iter(digests), ""), f"{official} {source}")


def _pull(
    official: str, client: docker.DockerClient, policy: Policy, on_progress: OnProgress
) -> tuple[PullFailure | None, str]:
    if _registry.failure is not None:
        return _registry.failure, "an earlier pull in this run failed"
    on_progress(f"pulling {official}: it is not on this engine")
    message = _pull_message(official, client)
    if not message:
        return None, ""
    failure = classify(message)
    if failure in (PullFailure.UNREACHABLE, PullFailure.LIMITED):
        _registry.failure = failure
        instead = "" if policy is Policy.HUB else ", so the base images are those that the lab builds on this host"
        on_progress(f"Docker Hub {failure}{instead}: {message}")
    return failure, message


def _pull_message(official: str, client: docker.DockerClient) -> str:
    """Pull an image; return the error message, or "". The SDK's images.pull drops errors after the first byte."""
    repository, _, tag = official.rpartition(":")
    try:
        for event in client.api.pull(repository, tag, stream=True, decode=True):
            if event.get("error"):
                return str(event["error"])
    except APIError as error:
        return str(error.explanation or error)
    return ""


def _from_host(official: str, client: docker.DockerClient, reason: str, on_progress: OnProgress) -> Base:
    version = fallback_version(official)
    if version is None:
        raise BaseImageError(
            f"{official} cannot be built from this host ({reason})",
            expected="python:X.Y[.Z][-slim][-SUITE] or debian:TAG; other images have no fallback image",
            advice=f"`docker load` the image, or let the engine reach its registry ({VARIABLE}=auto)",
        )
    if version:
        host_image = fallback.python_base(official, version, client, os.environ, on_progress)
    else:
        host_image = fallback.debian_base(client, os.environ, on_progress)
    detail = f"{official} built on this host from {host_image.made_from}{_difference(official)} ({reason})"
    return Base(official, host_image.reference, str(host_image.image.id), Origin.HOST, "", detail)


def _difference(official: str) -> str:
    """Return what the fallback image of a full image lacks; this matters to scenarios that compile."""
    return "" if "-slim" in official else ", as slim: no compilers"
