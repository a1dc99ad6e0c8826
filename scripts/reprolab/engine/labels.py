"""Labels that mark the lab's Docker objects. The lab removes only objects that have them.

The objects of a trial name the process that created them. When that process has ended, they are leftovers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import APIError, NotFound

OBJECT = "reprolab.object"
SCENARIO = "reprolab.scenario"
RUN = "reprolab.run"
OWNER = "reprolab.owner"
TRIAL = "trial"
HAND = "by-hand"
IMAGE = "image"
# The first part of the names that `load` gives to base images from a bundle.
BUNDLED = "reprolab-bundled"


def process_identity(pid: int) -> str:
    """Return a unique name of a process: boot id, pid, start time in clock ticks; "" if it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
    state, *rest = stat.rpartition(")")[2].split()
    return "" if state == "Z" else f"{boot}:{pid}:{rest[18]}"


def object_labels(scenario: str, run: str, kind: str = TRIAL) -> dict[str, str]:
    """Return the labels for an object that this process creates."""
    return {OBJECT: kind, SCENARIO: scenario, RUN: run, OWNER: process_identity(os.getpid())}


def owner_lives(labels: Mapping[str, str]) -> bool:
    """Whether the process that created an object still runs on this machine."""
    identity = labels.get(OWNER, "")
    parts = identity.split(":")
    return len(parts) == 3 and parts[1].isdigit() and process_identity(int(parts[1])) == identity


@dataclass(frozen=True)
class Removed:
    """Numbers of removed objects."""

    containers: int = 0
    networks: int = 0
    volumes: int = 0

    def __bool__(self) -> bool:
        return bool(self.containers or self.networks or self.volumes)

    def __str__(self) -> str:
        parts = (("container", self.containers), ("network", self.networks), ("volume", self.volumes))
        return ", ".join(f"{n} {name}{'s' if n != 1 else ''}" for name, n in parts if n) or "nothing"


def remove_leftovers(client: docker.DockerClient, *, by_hand: str = "") -> Removed:
    """Remove the objects of runs whose process has ended, but not those of active runs.

    ``by_hand`` is the run label of a checkout. If given, the stacks that ``make up-...`` started from it
    are removed too.
    """

    def is_leftover(labels: Mapping[str, str] | None) -> bool:
        # The engine returns null for a network or volume without labels.
        labels = labels or {}
        if labels.get(OBJECT) == TRIAL:
            return not owner_lives(labels)
        return bool(by_hand) and labels.get(OBJECT) == HAND and labels.get(RUN) == by_hand

    all_containers = client.containers.list(all=True, ignore_removed=True, filters={"label": OBJECT})
    containers = [container for container in all_containers if is_leftover(container.labels)]
    for container in containers:
        _remove_object(container.remove, force=True, v=True)
    networks = [n for n in client.networks.list(filters={"label": OBJECT}) if is_leftover(n.attrs.get("Labels"))]
    for network in networks:
        _remove_object(network.remove)
    volumes = [v for v in client.volumes.list(filters={"label": OBJECT}) if is_leftover(v.attrs.get("Labels"))]
    for volume in volumes:
        _remove_object(volume.remove, force=True)
    return Removed(len(containers), len(networks), len(volumes))


def _remove_object(remove: Callable[..., object], **options: bool) -> None:
    """Remove an object, unless it is gone already."""
    try:
        remove(**options)
    except NotFound:
        pass
    except APIError as error:
        # Another run may be removing the same object at this moment.
        if error.status_code not in (404, 409):
            raise


def remove_images(client: docker.DockerClient) -> int:
    """Remove every image that the lab built and no container uses; return their number.

    The names that `load` gave to base images of a bundle are removed too. Official images stay.
    """
    for image in client.images.list(name=f"{BUNDLED}/*"):
        for tag in image.tags:
            if tag.startswith(f"{BUNDLED}/"):
                client.images.remove(tag, noprune=True)
    count = 0
    for image in client.images.list(all=False, filters={"label": OBJECT}):
        try:
            client.images.remove(str(image.id), force=True)
            count += 1
        except APIError as error:
            if error.status_code not in (404, 409):
                raise
    return count
