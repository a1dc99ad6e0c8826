"""Brings the files that services mount to an engine that is not on this machine."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import docker

from reprolab.core.errors import EngineError, UsageError
from reprolab.engine.containers import PROJECT
from reprolab.engine.helpers import NO_LOG
from reprolab.stack.compose import Model
from reprolab.stack.containers import remove_container

MACHINE = "/machine"  # where the container has the root directory of the machine, or the volume
FILES = "reprolab-files"  # ends the name of the volume
DECLARED = ("configs", "secrets")  # Compose mounts their files


def bring(client: docker.DockerClient, model: Model, owner: Mapping[str, str]) -> None:
    """Write what the model's services mount to the same place of a virtual machine, which has nothing else there.

    Raises UsageError for a file that is missing here.
    """
    if sources := sorted(set(mounted(model))):
        _write(client, model, owner, "/", sources)


def bring_beside(client: docker.DockerClient, model: Model, owner: Mapping[str, str]) -> Model:
    """The model with what its services mount in a volume of its project, on the machine of the engine.

    So no file of that machine is written over, and the files go with the project, also after a kill: the volume has its
    labels. Raises UsageError for a file that is missing here, and EngineError if the engine does not say where the
    volume is.
    """
    sources = sorted(set(mounted(model)))
    if not sources:
        return model
    project = str(model["name"])
    volume = client.volumes.create(name=f"{project}_{FILES}", labels={**owner, PROJECT: project})
    place = str(volume.attrs.get("Mountpoint") or "")
    if not place.startswith("/"):
        raise EngineError(
            f"services mount {', '.join(sources)}, and the engine does not say where its volume {volume.name} is",
            expected="an engine whose volumes are directories of its machine (driver local)",
            advice="run the lab on the engine's machine",
        )
    _write(client, model, owner, str(volume.name), sources)
    return moved(model, place)


def mounted(model: Model) -> Iterator[str]:
    """The paths of this machine that services mount."""
    for entry, key in _places(model):
        yield str(entry[key])


def moved(model: Model, place: str) -> Model:
    """A copy of a model in which services mount the same paths below a directory."""
    copy = deepcopy(model)
    for entry, key in _places(copy):
        entry[key] = f"{place}{entry[key]}"
    return copy


def packed(paths: list[str]) -> bytes:
    """Files and directories as a tar archive, each with its whole path. Raises UsageError for one that is missing.

    What is mounted by a link is the file behind it, as an engine here follows it. Links in a directory stay links.
    """
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path in paths:
            try:
                archive.add(Path(path).resolve(), arcname=str(Path(path).relative_to("/")))
            except OSError as error:
                raise UsageError(
                    f"a service mounts {path}, which cannot be read here: {error.strerror}",
                    expected="a file or a directory that the lab can bring to the machine of the engine",
                    advice="correct the mount in compose.yaml, or add the file",
                ) from error
    return stream.getvalue()


def _places(model: Model) -> Iterator[tuple[dict[str, Any], str]]:
    """Where a model names paths of this machine: an entry and its key."""
    for service in model["services"].values():
        for volume in service.get("volumes") or ():
            if volume.get("type") == "bind":
                yield volume, "source"
    for kind in DECLARED:
        for entry in (model.get(kind) or {}).values():
            if entry.get("file"):
                yield entry, "file"


def _write(
    client: docker.DockerClient, model: Model, owner: Mapping[str, str], target: str, sources: list[str]
) -> None:
    """Write files below a directory of the engine's machine or in a volume, by a container that is never started."""
    archive = packed(sources)
    # An image that the lab has built is there, any other may have to be pulled.
    service = min(model["services"].values(), key=lambda service: "build" not in service)
    container = client.containers.create(
        service["image"],
        volumes={target: {"bind": MACHINE, "mode": "rw"}},
        network_mode="none",
        log_config=NO_LOG,
        labels=dict(owner),
    )
    try:
        container.put_archive(MACHINE, archive)
    finally:
        remove_container(container)
