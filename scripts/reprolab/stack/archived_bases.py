"""Derives images from base images whose Debian release is no longer on the mirrors; their apt uses the archive.

A base is checked only if an image on it still has to be built with apt. So images that exist keep their names, and a
machine with all its images needs no network.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import docker
from docker.errors import APIError, BuildError, ImageNotFound, NotFound
from docker.models.containers import Container
from docker.models.images import Image

from reprolab.baseimage import fallback, old_releases
from reprolab.baseimage.resolve import Base, Origin
from reprolab.baseimage.rootfs import normalize_member
from reprolab.core.errors import BaseImageError
from reprolab.core.progress import OnProgress
from reprolab.engine import labels
from reprolab.engine.failures import engine_errors
from reprolab.engine.helpers import SMALL_LOG
from reprolab.stack.apt_stages import apt_bases
from reprolab.stack.compose import Model

RECIPE = 1  # raise it when what goes into the derived images changes
ETC = "etc/apt"
RUN = "package-sources"  # the helper containers have no run of their own
# Seconds: apt gives up a server that does not answer, the container gives up apt, the lab gives up the container.
SERVER_LIMIT, APT_LIMIT, CONTAINER_LIMIT = 20, 120, 150
# The Release files show whether the suites exist; the lists of packages are not needed.
LISTS = "/tmp/lists"
ASK = (
    f"command -v apt-get >/dev/null || exit 0; mkdir -p {LISTS}/partial"
    f"; exec timeout {APT_LIMIT} apt-get update -o Acquire::Retries=1"
    f" -o Acquire::http::Timeout={SERVER_LIMIT} -o Acquire::https::Timeout={SERVER_LIMIT}"
    # Without capabilities apt cannot become another user, nor write where the image gave a directory to that user.
    f" -o APT::Sandbox::User=root -o Dir::State::lists={LISTS} -o Acquire::Languages=none"
    " -o Acquire::IndexTargets::deb::Packages::DefaultEnabled=false 2>&1"
)

Files = dict[str, str]


@dataclass(frozen=True)
class MirrorAnswer:
    """The result of `apt-get update` in a container, and its sources: path -> text."""

    code: int
    output: str
    sources: Files

    @property
    def works(self) -> bool:
        """Whether apt got every suite."""
        return self.code == 0 and not re.search(r"^(?:Err:|E: )", self.output, re.MULTILINE)


_available: set[str] = set()  # image ids that this process has checked, whose suites are on the mirrors


def archived_bases(
    models: Iterable[Model], bases: Mapping[str, Base], client: docker.DockerClient, on_progress: OnProgress
) -> dict[str, Base]:
    """The bases, with a derived image in the place of each that apt needs and whose release left the mirrors."""
    needed = apt_bases(models, bases, client)
    return {name: on_archive(base, client, on_progress) if name in needed else base for name, base in bases.items()}


def on_archive(base: Base, client: docker.DockerClient, on_progress: OnProgress, *, network: str = "bridge") -> Base:
    """The base itself, or an image derived from it whose apt uses the archive if the mirror lacks the release.

    A base built from this host has the host's sources and is not checked. Raises BaseImageError if the archive lacks
    the release too, EngineError if the engine stops answering.
    """
    if base.origin is Origin.HOST or base.image_id in _available or _is_derived(client, base.reference):
        return base
    with engine_errors(f"the package sources of {base.official} were asked"):
        image = _current(base, client) or _derive(base, client, on_progress, network)
    if image is None:
        return base
    detail = f"{base.detail}; {image.labels[f'{fallback.LABEL}.detail']}"
    return replace(base, reference=_reference(base), image_id=str(image.id), detail=detail)


def _is_derived(client: docker.DockerClient, reference: str) -> bool:
    return client.images.get(reference).labels.get(fallback.LABEL) == fallback.ARCHIVE


def _reference(base: Base) -> str:
    name = re.sub(r"[^a-z0-9._-]+", "-", base.official.lower())
    return f"{fallback.NAME}/{name}:{fallback.ARCHIVE}-{base.image_id.removeprefix('sha256:')[:12]}"


def _fingerprint(base: Base) -> str:
    return hashlib.sha256(json.dumps([RECIPE, base.image_id]).encode()).hexdigest()[:16]


def _current(base: Base, client: docker.DockerClient) -> Image | None:
    """The image that was derived from this base earlier: a release that left the mirrors does not return."""
    try:
        image = client.images.get(_reference(base))
    except ImageNotFound:
        return None
    return image if image.labels.get(f"{fallback.LABEL}.fingerprint") == _fingerprint(base) else None


def _derive(base: Base, client: docker.DockerClient, on_progress: OnProgress, network: str) -> Image | None:
    on_progress(f"checking whether the package sources of {base.official} still have its release")
    answer = ask(client, base.reference, {}, network)
    if not old_releases.has_missing_suites(answer.output):
        if answer.works:
            _available.add(base.image_id)
        return None
    gone = _join_suites(old_releases.missing_suites(answer.output))
    on_progress(f"the mirror no longer has {gone}: checking the archive of old releases")
    files, detail = _move_to_archive(base, answer, lambda sources: ask(client, base.reference, sources, network))
    on_progress(f"{base.official}: {detail}")
    return _build(base, client, files, detail)


def _join_suites(suites: Iterable[old_releases.Suite]) -> str:
    return ", ".join(sorted(map(str, suites)))


def _join_names(suites: Iterable[old_releases.Suite]) -> str:
    return ", ".join(sorted({suite.name for suite in suites}))


def _move_to_archive(base: Base, answer: MirrorAnswer, check: Callable[[Files], MirrorAnswer]) -> tuple[Files, str]:
    """Sources that work, and their text for a report. Raises BaseImageError if no sources work."""
    gone, sources = old_releases.missing_suites(answer.output), answer.sources
    files = {path: old_releases.move_to_archive(text, gone) for path, text in sources.items()}
    files = {path: text for path, text in files.items() if text != sources[path]}
    archived = {replace(suite, address=old_releases.archive_of(suite.address)) for suite in gone}
    detail = (
        f"suites of its Debian release that left the mirrors: {_join_names(gone)}; their packages come from the "
        "archive of old releases, whose lists are accepted although they are out of date"
    )
    answer = check(files)
    if expired := old_releases.expired_suites(answer.output) & archived:
        files = {path: old_releases.skip_signatures(text, expired) for path, text in files.items()}
        detail += ", and not verified, since the key that signed them has expired"
        answer = check(files)
    everything = {suite for text in sources.values() for suite in old_releases.suites_of(text)}
    if lacking := old_releases.extension_suites(old_releases.missing_suites(answer.output) & archived, everything):
        files = {path: old_releases.remove_suites(text, lacking) for path, text in files.items()}
        detail += f"; {_join_names(lacking)} is left out, since the archive does not have it"
        answer = check(files)
    if not answer.works:
        raise _archive_error(base, archived, answer.output)
    return files, detail


def _archive_error(base: Base, suites: Iterable[old_releases.Suite], output: str) -> BaseImageError:
    tail = "\n".join(output.strip().splitlines()[-8:])
    return BaseImageError(
        f"the mirror no longer has the Debian release of {base.official}, and no archive has it; apt printed:\n{tail}",
        expected=f"an archive of old releases beside the mirror: {_join_suites(suites)}",
        advice="give the engine's containers access to that address, or choose a base image of a newer release; "
        "REPROLAB_BASES=host builds the base from this host's own release instead",
    )


def ask(client: docker.DockerClient, reference: str, files: Mapping[str, str], network: str = "bridge") -> MirrorAnswer:
    """Run ``apt-get update`` in a container of an image, with ``files`` (path -> text) in the place of its own."""
    container = client.containers.create(
        reference,
        entrypoint=["sh", "-c", ASK],
        user="0",
        network=network,
        log_config=SMALL_LOG,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        mem_limit="512m",
        pids_limit=64,
        labels=labels.object_labels("", RUN),
    )
    try:
        if files:
            container.put_archive("/", packed(files))
        sources = dict(_sources(container))
        container.start()
        code = int(container.wait(timeout=CONTAINER_LIMIT)["StatusCode"])
        return MirrorAnswer(code, container.logs().decode("utf-8", "replace"), sources)
    finally:
        container.remove(force=True)


def _sources(container: Container) -> Iterator[tuple[str, str]]:
    """The files of /etc/apt with package sources, as (path below /, text); none if the image has no apt."""
    try:
        stream, _ = container.get_archive(f"/{ETC}")
    except NotFound:
        return
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
        for member in tar:
            path = f"{ETC}/{member.name.partition('/')[2]}"
            if member.isfile() and re.fullmatch(rf"{ETC}/(sources\.list|sources\.list\.d/.*\.(list|sources))", path):
                content = tar.extractfile(member)
                yield path, content.read().decode("utf-8", "replace") if content else ""


def packed(files: Mapping[str, str]) -> bytes:
    """A tar file of texts. Every user can read them, since apt reads them as a user of its own."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, text in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size = len(text.encode())
            tar.addfile(normalize_member(member), io.BytesIO(text.encode()))
    return buffer.getvalue()


def _build(base: Base, client: docker.DockerClient, files: Files, detail: str) -> Image:
    """Build an image with the files on the base. The build runs no command: everything else is as in the base."""
    root = {f"root/{path}": text for path, text in files.items()}
    context = packed({"Dockerfile": f"FROM {base.reference}\nCOPY root/ /\n", **root})
    labels = {
        **fallback.base_labels(base.official, "", _fingerprint(base)),
        fallback.LABEL: fallback.ARCHIVE,
        f"{fallback.LABEL}.detail": detail,
    }
    try:
        image, _ = client.images.build(
            fileobj=io.BytesIO(context),
            custom_context=True,
            tag=_reference(base),
            labels=labels,
            rm=True,
            forcerm=True,
            timeout=fallback.SILENCE_LIMIT,
        )
    except (BuildError, APIError) as error:
        raise BaseImageError(
            f"{_reference(base)} could not be built: {error}",
            expected="an engine with room for a copy of a few small files",
            advice="see what the engine says above",
        ) from error
    return image
