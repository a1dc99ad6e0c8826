"""Who owns a Docker object: labels by which the lab finds what it made, and nothing else.

A trial's objects name the process that made them; once that process is gone they are leftovers.
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
# The names that `load` gives to bases from a bundle begin so.
BUNDLED = "reprolab-bundled"


def process_identity(pid: int) -> str:
    """A process's name that is never used twice: boot id, pid, start time in clock ticks; "" if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
    state, *rest = stat.rpartition(")")[2].split()
    return "" if state == "Z" else f"{boot}:{pid}:{rest[18]}"


def own(scenario: str, run: str, kind: str = TRIAL) -> dict[str, str]:
    """The labels for what this process makes."""
    return {OBJECT: kind, SCENARIO: scenario, RUN: run, OWNER: process_identity(os.getpid())}


def owner_lives(labels: Mapping[str, str]) -> bool:
    """Whether the process that made an object still runs on this machine."""
    identity = labels.get(OWNER, "")
    parts = identity.split(":")
    return len(parts) == 3 and parts[1].isdigit() and process_identity(int(parts[1])) == identity


@dataclass(frozen=True)
class Removed:
    """How many objects a cleaning removed."""

    containers: int = 0
    networks: int = 0
    volumes: int = 0

    def __bool__(self) -> bool:
        return bool(self.containers or self.networks or self.volumes)

    def __str__(self) -> str:
        parts = (("container", self.containers), ("network", self.networks), ("volume", self.volumes))
        return ", ".join(f"{n} {name}{'s' if n != 1 else ''}" for name, n in parts if n) or "nothing"


def remove_leftovers(client: docker.DockerClient, *, by_hand: str = "") -> Removed:
    """Remove what dead runs left behind; with ``by_hand`` (a run label) also
    the stacks that ``make up-...`` started from one checkout.

    Objects of runs that are still going on are left alone.
    """

    def doomed(labels: Mapping[str, str] | None) -> bool:
        # The engine says null of a network or volume that has no label.
        known = labels or {}
        if known.get(OBJECT) == TRIAL:
            return not owner_lives(known)
        return bool(by_hand) and known.get(OBJECT) == HAND and known.get(RUN) == by_hand

    listed = client.containers.list(all=True, ignore_removed=True, filters={"label": OBJECT})
    containers = [container for container in listed if doomed(container.labels)]
    for container in containers:
        _gone(container.remove, force=True, v=True)
    networks = [n for n in client.networks.list(filters={"label": OBJECT}) if doomed(n.attrs.get("Labels"))]
    for network in networks:
        _gone(network.remove)
    volumes = [v for v in client.volumes.list(filters={"label": OBJECT}) if doomed(v.attrs.get("Labels"))]
    for volume in volumes:
        _gone(volume.remove, force=True)
    return Removed(len(containers), len(networks), len(volumes))


def _gone(remove: Callable[..., object], **options: bool) -> None:
    """Remove an object; that it is not there any more is fine."""
    try:
        remove(**options)
    except NotFound:
        pass
    except APIError as error:
        # Another run may be removing the same object at this moment.
        if error.status_code not in (404, 409):
            raise


def remove_images(client: docker.DockerClient) -> int:
    """Remove every image the lab built that no container uses; returns how many.

    Names that a bundle gave to bases go too, those of official images included, which themselves stay.
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
