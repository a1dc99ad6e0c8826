"""Where each official base image comes from: this engine, its registry, or this host.

Scenarios name official images. Where the registry cannot be reached, a stand-in with the same CPython
is built from this host instead, under a name of its own, and every report says so. A registry that
answers and has no such tag is an error: a stand-in would then hide a wrong name.
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
from reprolab.engine.failures import engine_errors
from reprolab.engine.labels import BUNDLED

VARIABLE = "REPROLAB_BASES"
# Alpine has another C library and Windows another everything; the rest are names of Debian releases.
PYTHON = re.compile(r"python:(?P<version>3\.\d+\.\d+)(?:-slim)?(?:-(?!alpine|windows|nanoserver)[a-z]+)?")
DEBIAN = re.compile(r"debian:[\w.-]+")
# The engine passes on the registry's words, or those of the network, as one line of text.
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
    """Why an image could not be pulled, as far as the engine's message tells."""

    UNREACHABLE = "not reachable"
    LIMITED = "limits pulls from here"
    ABSENT = "has no such image"
    OTHER = "pull failed"


@dataclass(frozen=True)
class Base:
    """A base image that is on the engine now, and the one line a report says about it."""

    official: str
    reference: str
    image_id: str
    origin: Origin
    digest: str
    detail: str


@dataclass
class _Registry:
    """What this process has learnt: a registry that did not answer once is not asked again."""

    failure: PullFailure | None = None


_registry = _Registry()


def policy(environ: Mapping[str, str]) -> Policy:
    """The policy REPROLAB_BASES asks for, ``auto`` where it is not set; UsageError on any other word."""
    word = environ.get(VARIABLE, "").strip() or Policy.AUTO
    try:
        return Policy(word)
    except ValueError:
        raise UsageError(
            f"{VARIABLE} is {word!r}",
            expected="one of " + ", ".join(Policy),
            advice="auto (as when unset): the registry, else this host; hub: never this host; host: only it",
        ) from None


def resolve_bases(
    officials: Iterable[str], client: docker.DockerClient, *, policy: Policy, on_progress: OnProgress
) -> dict[str, Base]:
    """Resolve each name once, in the order given."""
    return {
        name: resolve_base(name, client, policy=policy, on_progress=on_progress) for name in dict.fromkeys(officials)
    }


def resolve_base(official: str, client: docker.DockerClient, *, policy: Policy, on_progress: OnProgress) -> Base:
    """Find, pull or build the base image; ``say`` hears a line before every slow step.

    Raises BaseImageError where the image can be had nowhere, EngineError where the engine stops answering.
    """
    with engine_errors(f"the base image {official} was looked for"):
        if policy is Policy.HOST:
            return _from_host(official, client, f"{VARIABLE}=host", on_progress)
        if policy is Policy.AUTO and (bundled := _bundled(official, client)):
            return bundled
        image = _local(official, client)
        if image is not None:
            return _official(official, image, Origin.LOCAL, "was on this engine already")
        failure, message = _pull(official, client, on_progress)
        if failure is None:
            pulled = client.images.get(official)
            return _official(official, pulled, Origin.PULLED, "pulled from its registry")
        if failure in (PullFailure.ABSENT, PullFailure.OTHER) or policy is Policy.HUB:
            raise pull_error(official, failure, message)
        return _from_host(official, client, f"Docker Hub {failure}", on_progress)


def substitute(official: str) -> str | None:
    """The CPython version to replace ``official`` with, "" for plain Debian, None where nothing here can."""
    python = PYTHON.fullmatch(official)
    if python:
        return python["version"]
    return "" if DEBIAN.fullmatch(official) else None


def classify(message: str) -> PullFailure:
    """What the engine's words say about a failed pull. What the registry itself said goes first."""
    for failure, words in (
        (PullFailure.LIMITED, LIMITED),
        (PullFailure.ABSENT, ABSENT),
        (PullFailure.UNREACHABLE, UNREACHABLE),
    ):
        if words.search(message):
            return failure
    return PullFailure.OTHER


def pull_error(official: str, failure: PullFailure, message: str) -> BaseImageError:
    """The error to show when a failed pull is the end of it."""
    if failure is PullFailure.ABSENT:
        return BaseImageError(
            f"the registry has no image {official}: {message}",
            expected="an official tag; nothing is built in place of a name that does not exist",
            advice=f"correct the name in the Dockerfile; {VARIABLE}=host builds from this host all the same",
        )
    if failure is PullFailure.OTHER:
        return BaseImageError(
            f"{official} could not be pulled: {message}",
            expected="an image, or a sign that the registry cannot be reached",
            advice=f"see what the engine says above; {VARIABLE}=host builds from this host instead",
        )
    return BaseImageError(
        f"{official} is not on this engine and Docker Hub {failure}: {message}",
        expected=f"a registry that answers, since {VARIABLE}=hub forbids building from this host",
        advice=f"{VARIABLE}=auto builds a stand-in from this host",
    )


def _local(official: str, client: docker.DockerClient) -> Image | None:
    """The image of that name on this engine, unless it is a stand-in that someone gave the official name."""
    try:
        image = client.images.get(official)
    except ImageNotFound:
        return None
    return None if image.labels.get(fallback.LABEL) == "host" else image


def bundled_name(official: str) -> str:
    """The repository under which a base from a bundle is kept; its tag there is the id that images are named after."""
    return f"{BUNDLED}/{re.sub(r'[^a-z0-9._-]+', '-', official.lower())}"


def keep_bundled(official: str, reference: str, image_id: str, client: docker.DockerClient) -> None:
    """Let a loaded image stand for ``official``, without any registry, as the image that it was where it came from."""
    image = client.images.get(reference)
    local = _local(official, client)
    if local is not None and local.id == image_id:
        return
    for old in client.images.list(name=bundled_name(official)):
        for tag in old.tags:
            if tag.startswith(f"{bundled_name(official)}:"):
                client.images.remove(tag, noprune=True)
    image.tag(bundled_name(official), image_id.removeprefix("sha256:"))


def _bundled(official: str, client: docker.DockerClient) -> Base | None:
    """The base that came in a bundle, by its name and id of then: images are named after both.

    Another engine may count the id differently. A name that has another image by now is not the bundle's any more.
    """
    repository = bundled_name(official)
    for image in client.images.list(name=repository):
        names = {tag.rpartition(":")[0]: tag for tag in image.tags}
        own = next((tag for name, tag in names.items() if name.startswith(f"{fallback.NAME}/")), "")
        reference = own or (official if official in image.tags else "")
        if repository in names and reference:
            identity = f"sha256:{names[repository].rpartition(':')[2]}"
            origin = Origin.HOST if image.labels.get(fallback.LABEL) == "host" else Origin.LOCAL
            return Base(official, reference, identity, origin, "", f"{official} came in a bundle{_where(image)}")
    return None


def _where(image: Image) -> str:
    if image.labels.get(fallback.LABEL) == fallback.ARCHIVE:
        return f"; {image.labels.get(f'{fallback.LABEL}.detail', '?')}"
    if image.labels.get(fallback.LABEL) != "host":
        return ""
    return f", built on the host where that was made, with Debian {image.labels.get(f'{fallback.LABEL}.debian', '?')}"


def _official(official: str, image: Image, origin: Origin, how: str) -> Base:
    digests = [str(digest).partition("@")[2] for digest in image.attrs.get("RepoDigests") or []]
    return Base(official, official, str(image.id), origin, next(iter(digests), ""), f"{official} {how}")


def _pull(official: str, client: docker.DockerClient, on_progress: OnProgress) -> tuple[PullFailure | None, str]:
    if _registry.failure is not None:
        return _registry.failure, "an earlier pull in this run failed"
    on_progress(f"pulling {official}: it is not on this engine")
    message = _pull_message(official, client)
    if not message:
        return None, ""
    failure = classify(message)
    if failure in (PullFailure.UNREACHABLE, PullFailure.LIMITED):
        _registry.failure = failure
        on_progress(f"Docker Hub {failure}: {message}")
    return failure, message


def _pull_message(official: str, client: docker.DockerClient) -> str:
    """Pull; "" or why not. The SDK's own images.pull drops an error that comes after the first byte."""
    repository, _, tag = official.rpartition(":")
    try:
        for event in client.api.pull(repository, tag, stream=True, decode=True):
            if event.get("error"):
                return str(event["error"])
    except APIError as error:
        return str(error.explanation or error)
    return ""


def _from_host(official: str, client: docker.DockerClient, reason: str, on_progress: OnProgress) -> Base:
    version = substitute(official)
    if version is None:
        raise BaseImageError(
            f"{official} cannot be built from this host ({reason})",
            expected="python:X.Y.Z[-slim][-SUITE] or debian:TAG; nothing else can be replaced faithfully",
            advice=f"`docker load` the image, or let the engine reach its registry ({VARIABLE}=auto)",
        )
    if version:
        made = fallback.python_base(official, version, client, os.environ, on_progress)
    else:
        made = fallback.debian_base(client, os.environ, on_progress)
    detail = f"{official} built on this host from {made.made_from}{_difference(official)} ({reason})"
    return Base(official, made.reference, str(made.image.id), Origin.HOST, "", detail)


def _difference(official: str) -> str:
    """What the stand-in for a full image lacks: scenarios that compile something would notice."""
    return "" if "-slim" in official else ", as slim: no compilers"
