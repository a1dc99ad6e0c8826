"""Brings the files that services mount to the same place in a virtual machine that the lab has started."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import docker

from reprolab.engine.helpers import NO_LOG
from reprolab.stack.compose import Model
from reprolab.stack.containers import remove_container

MACHINE = "/machine"  # where the container has the root directory of the machine


def bring(client: docker.DockerClient, model: Model, owner: Mapping[str, str]) -> None:
    """Write what the model's services mount from this machine into the machine of the engine.

    An engine makes an empty directory where a mounted file is missing. The container that does it is never started.
    """
    sources = sorted(set(mounted(model)))
    if not sources:
        return
    image = next(service["image"] for service in model["services"].values())
    container = client.containers.create(
        image,
        volumes={"/": {"bind": MACHINE, "mode": "rw"}},
        network_mode="none",
        log_config=NO_LOG,
        labels=dict(owner),
    )
    try:
        container.put_archive(MACHINE, packed(sources))
    finally:
        remove_container(container)


def mounted(model: Model) -> Iterator[str]:
    """The paths of this machine that services mount."""
    for service in model["services"].values():
        for volume in service.get("volumes") or ():
            if volume.get("type") == "bind":
                yield str(volume["source"])


def packed(paths: list[str]) -> bytes:
    """Files and directories as a tar archive, each with its whole path."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path in paths:
            archive.add(path, arcname=str(Path(path).relative_to("/")))
    return stream.getvalue()
