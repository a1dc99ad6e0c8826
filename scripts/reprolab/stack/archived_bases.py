"""Base images whose Debian release left the mirrors: an image on each whose apt takes packages from the archive.

A base is asked only where something has to be built on it with apt. What is built already keeps its name, and a
machine without a network is asked nothing.
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
from reprolab.engine.failures import engine_errors
from reprolab.stack.apt_stages import apt_bases
from reprolab.stack.compose import Model

RECIPE = 1  # raise it when what goes into the derived images changes
ETC = "etc/apt"
# Seconds: apt gives up a server that does not answer, the container gives up apt, the lab gives up the container.
SERVER_LIMIT, APT_LIMIT, CONTAINER_LIMIT = 20, 120, 150
# Whether the suites are there is said by their Release files; the lists of packages are left out.
ASK = (
    f"command -v apt-get >/dev/null || exit 0; exec timeout {APT_LIMIT} apt-get update -o Acquire::Retries=1"
    f" -o Acquire::http::Timeout={SERVER_LIMIT} -o Acquire::https::Timeout={SERVER_LIMIT}"
    " -o Acquire::Languages=none -o Acquire::IndexTargets::deb::Packages::DefaultEnabled=false 2>&1"
)

Files = dict[str, str]


@dataclass(frozen=True)
class Answer:
    """What apt said in a container, and the sources it read: path -> text."""

    code: int
    said: str
    sources: Files

    @property
    def works(self) -> bool:
        """Whether every suite answered."""
        return self.code == 0 and not re.search(r"^(?:Err:|E: )", self.said, re.MULTILINE)


_there: set[str] = set()  # image ids that this process has asked, whose suites are on the mirrors


def archived_bases(
    models: Iterable[Model], bases: Mapping[str, Base], client: docker.DockerClient, on_progress: OnProgress
) -> dict[str, Base]:
    """What to build from: the bases, those without a release on the mirrors replaced where apt has work to do there."""
    asked = apt_bases(models, bases, client)
    return {name: on_archive(base, client, on_progress) if name in asked else base for name, base in bases.items()}


def on_archive(base: Base, client: docker.DockerClient, on_progress: OnProgress, *, network: str = "bridge") -> Base:
    """The base itself, or the image on it whose apt uses the archive, where the mirror has the release no more.

    A base built from this host follows the host's sources and is not asked. Raises BaseImageError where the archive
    does not give the release either, EngineError where the engine stops answering.
    """
    if base.origin is Origin.HOST or base.image_id in _there or _is_derived(client, base.reference):
        return base
    with engine_errors(f"the package sources of {base.official} were asked"):
        image = _current(base, client) or _derived(base, client, on_progress, network)
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
    """The image that was made of this base earlier: a release that left the mirrors does not come back."""
    try:
        image = client.images.get(_reference(base))
    except ImageNotFound:
        return None
    return image if image.labels.get(f"{fallback.LABEL}.fingerprint") == _fingerprint(base) else None


def _derived(base: Base, client: docker.DockerClient, on_progress: OnProgress, network: str) -> Image | None:
    on_progress(f"asking the package sources of {base.official} whether they still have its release")
    answer = ask(client, base.reference, {}, network)
    if not old_releases.has_missing_suites(answer.said):
        if answer.works:
            _there.add(base.image_id)
        return None
    missing = _listed(old_releases.missing_suites(answer.said))
    on_progress(f"the mirror no longer has {missing}: asking the archive of old releases")
    files, detail = _moved(base, answer, lambda sources: ask(client, base.reference, sources, network))
    on_progress(f"{base.official}: {detail}")
    return _build(base, client, files, detail)


def _listed(suites: Iterable[old_releases.Suite]) -> str:
    return ", ".join(sorted(map(str, suites)))


def _names(suites: Iterable[old_releases.Suite]) -> str:
    return ", ".join(sorted({suite.name for suite in suites}))


def _moved(base: Base, answer: Answer, again: Callable[[Files], Answer]) -> tuple[Files, str]:
    """Sources that work, and what a report says of them. BaseImageError where none do."""
    gone = old_releases.missing_suites(answer.said)
    files = {path: old_releases.move_to_archive(text, gone) for path, text in answer.sources.items()}
    files = {path: text for path, text in files.items() if text != answer.sources[path]}
    there = {replace(suite, address=old_releases.archive_of(suite.address)) for suite in gone}
    detail = (
        f"of its Debian release {_names(gone)} left the mirrors: packages of it come from the archive of old releases, "
        "whose lists are accepted although they are out of date"
    )
    second = again(files)
    if old := old_releases.expired_suites(second.said) & there:
        files = {path: old_releases.skip_signatures(text, old) for path, text in files.items()}
        detail += ", and unverified, as the key that signed them has expired"
        second = again(files)
    everything = {suite for text in answer.sources.values() for suite in old_releases.suites_of(text)}
    if lacking := old_releases.extension_suites(old_releases.missing_suites(second.said) & there, everything):
        files = {path: old_releases.remove_suites(text, lacking) for path, text in files.items()}
        detail += f"; the archive has no {_names(lacking)}, so that is left out"
        second = again(files)
    if not second.works:
        raise _no_archive(base, there, second.said)
    return files, detail


def _no_archive(base: Base, there: Iterable[old_releases.Suite], said: str) -> BaseImageError:
    tail = "\n".join(said.strip().splitlines()[-8:])
    return BaseImageError(
        f"the mirror no longer has the Debian release of {base.official}, and no archive gives it; apt said:\n{tail}",
        expected=f"an archive of old releases beside the mirror: {_listed(there)}",
        advice="let the engine's containers reach that address, or name a base image of a newer release; "
        "REPROLAB_BASES=host builds the base from this host's own release instead",
    )


def ask(client: docker.DockerClient, reference: str, files: Mapping[str, str], network: str = "bridge") -> Answer:
    """What ``apt-get update`` says in a container of an image, with ``files`` (path -> text) in place of its own."""
    container = client.containers.create(
        reference,
        entrypoint=["sh", "-c", ASK],
        user="0",
        network=network,
        mem_limit="512m",
        pids_limit=64,
        labels={"reprolab.object": "probe"},
    )
    try:
        if files:
            container.put_archive("/", packed(files))
        sources = dict(_sources(container))
        container.start()
        code = int(container.wait(timeout=CONTAINER_LIMIT)["StatusCode"])
        return Answer(code, container.logs().decode("utf-8", "replace"), sources)
    finally:
        container.remove(force=True)


def _sources(container: Container) -> Iterator[tuple[str, str]]:
    """The files of /etc/apt that name sources, as (path below /, text); none where there is no apt."""
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
    """A tar file of texts, each readable by all, as apt's own user is."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, text in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size = len(text.encode())
            tar.addfile(normalize_member(member), io.BytesIO(text.encode()))
    return packed.getvalue()


def _build(base: Base, client: docker.DockerClient, files: Files, detail: str) -> Image:
    """Lay the files over the base; nothing runs, so the image is the base in all else."""
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
        )
    except (BuildError, APIError) as error:
        raise BaseImageError(
            f"{_reference(base)} could not be built: {error}",
            expected="an engine with room for a copy of a few small files",
            advice="see what the engine says above",
        ) from error
    return image
