"""Packages that are built from a commit, and installed by a scenario's Dockerfile like any release.

A Dockerfile installs NAME==VERSION with pip. For a version that stands for a commit, the Python base image of the build
is replaced by one derived from it. There the source of the commit was built into a wheel of this version, and pip finds
it (PIP_FIND_LINKS). So no Dockerfile changes, and the images of releases keep their names.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass

import docker
from docker.errors import APIError, ImageNotFound
from docker.errors import BuildError as DockerBuildError

from reprolab.baseimage.fallback import SILENCE_LIMIT
from reprolab.baseimage.rootfs import normalize_member
from reprolab.core.errors import BuildError, UsageError
from reprolab.core.progress import OnProgress
from reprolab.engine import labels
from reprolab.engine.failures import engine_errors
from reprolab.stack.builds import EXCERPT_LINES
from reprolab.stack.compose import Model, image_name
from reprolab.stack.relabel import SCRIPT

RECIPE = 1  # raise it when what goes into the derived images changes
PYTHON_ARGUMENT = "PYTHON_IMAGE"
WHEELS = "/usr/local/share/reprolab/wheels"
# Old setup files import what later releases of setuptools do not have.
CONSTRAINT = "setuptools<72\n"
DOCKERFILE = """\
FROM {base} AS built
COPY source.tar relabel.py constraint.txt /srv/commit/
RUN python -m tarfile -e /srv/commit/source.tar /srv/commit/source \\
    && (pip wheel --no-deps --wheel-dir {wheels} /srv/commit/source \\
        || PIP_CONSTRAINT=/srv/commit/constraint.txt pip wheel --no-deps --wheel-dir {wheels} /srv/commit/source) \\
    && python /srv/commit/relabel.py {wheels} '{version}'
FROM {base}
COPY --from=built {wheels} {wheels}
ENV PIP_FIND_LINKS={wheels}
"""

Identity = tuple[str, str]  # the reference of an image, and its id


@dataclass(frozen=True)
class SourcePackage:
    """A package of a commit: ``version`` is that by which pip knows it, ``archive`` a tar file of its source."""

    name: str
    version: str
    archive: bytes

    def digest(self, base_id: str) -> str:
        """A digest of all that goes into the derived image."""
        parts = [RECIPE, base_id, self.name, self.version, hashlib.sha256(self.archive).hexdigest()]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def with_sources(
    model: Model,
    packages: Mapping[str, SourcePackage],
    bases: Iterable[Identity],
    derive: Callable[[str, SourcePackage], Identity],
) -> Model:
    """The prepared model, with the builds that install one of the packages (version -> package) on derived images.

    ``bases`` are those of the model. ``derive`` gets the reference of a base image and a package. Raises UsageError
    for a build without a Python base image.
    """
    if not packages:
        return model
    changed = deepcopy(model)
    for name, service in changed["services"].items():
        arguments = (service.get("build") or {}).get("args") or {}
        package = next((packages[value] for value in arguments.values() if value in packages), None)
        if package is None:
            continue
        if PYTHON_ARGUMENT not in arguments:
            raise UsageError(
                f"{name} has no Python base image, so {package.name} cannot be built from a commit for it",
                expected=f"a build argument {PYTHON_ARGUMENT}",
            )
        derived = derive(arguments[PYTHON_ARGUMENT], package)
        arguments[PYTHON_ARGUMENT] = derived[0]
        service["image"] = image_name(service["build"], name, [*bases, derived])
    return changed


def derived_base(
    reference: str, package: SourcePackage, client: docker.DockerClient, on_progress: OnProgress
) -> Identity:
    """The image derived from a base image for a package; it is built if it is not there.

    Raises BuildError with the last lines of the log if the commit cannot be built, EngineError if the engine stops
    answering.
    """
    with engine_errors(f"{package.name} {package.version} was built"):
        digest = package.digest(str(client.images.get(reference).id))
        tag = f"reprolab/{package.name.lower()}-source:{digest[:16]}"
        try:
            return tag, str(client.images.get(tag).id)
        except ImageNotFound:
            on_progress(f"building {package.name} {package.version} from its commit")
            return tag, _build(client, reference, tag, package)


def _build(client: docker.DockerClient, reference: str, tag: str, package: SourcePackage) -> str:
    try:
        image, _ = client.images.build(
            fileobj=io.BytesIO(context(reference, package)),
            custom_context=True,
            tag=tag,
            labels={labels.OBJECT: labels.IMAGE},
            rm=True,
            forcerm=True,
            timeout=SILENCE_LIMIT,
        )
    except DockerBuildError as error:
        log = "".join(str(line.get("stream") or "") for line in error.build_log)
        reason = "\n".join(log.rstrip().splitlines()[-EXCERPT_LINES:]) or str(error)
        raise BuildError(f"{package.name} {package.version} did not build from its commit:\n{reason}") from error
    except APIError as error:
        raise BuildError(f"{package.name} {package.version} did not build from its commit: {error}") from error
    return str(image.id)


def context(reference: str, package: SourcePackage) -> bytes:
    """The build context of the derived image, as a tar file."""
    files = {
        "Dockerfile": DOCKERFILE.format(base=reference, wheels=WHEELS, version=package.version).encode(),
        "source.tar": package.archive,
        "relabel.py": SCRIPT.encode(),
        "constraint.txt": CONSTRAINT.encode(),
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            tar.addfile(normalize_member(member), io.BytesIO(content))
    return buffer.getvalue()
