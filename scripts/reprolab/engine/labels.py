"""Labels that mark the lab's Docker objects. The lab removes only objects that have them.

The objects of a trial, and the lab's own helper containers, name the process that created them. When that process has
ended, they are leftovers (`engine/leftovers.py`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import docker
from docker.errors import APIError

from reprolab.engine.images import listed_images
from reprolab.engine.owner import IDENTITY_PARTS, Owner, own_place, owner_state
from reprolab.engine.owner import own_identity as own_identity
from reprolab.engine.owner import process_identity as process_identity

OBJECT = "reprolab.object"
SCENARIO = "reprolab.scenario"
RUN = "reprolab.run"
OWNER = "reprolab.owner"
# A label of its own: earlier releases take an owner with more parts for one that has ended.
PLACE = "reprolab.owner-place"
# The lab folder of a stack by hand, as a quoted URL path: Compose would replace a `$`.
FOLDER = "reprolab.folder"
TRIAL = "trial"
HAND = "by-hand"
IMAGE = "image"
# The first part of the names that `load` gives to base images from a bundle.
BUNDLED = "reprolab-bundled"


def object_labels(scenario: str, run: str, kind: str = TRIAL) -> dict[str, str]:
    """Return the labels for an object that this process creates."""
    return {
        OBJECT: kind,
        SCENARIO: scenario,
        RUN: run,
        OWNER: process_identity(os.getpid()),
        PLACE: own_place(),
    }


def of_run(run: str, process: str) -> list[str]:
    """The labels of the objects of a run; ``process`` is its identity in run.json.

    The name of a run is not enough: one in other results that began in the same second has it too.
    """
    return [f"{RUN}={run}", f"{OWNER}={':'.join(process.split(':')[:IDENTITY_PARTS])}"]


def object_owner(labels: Mapping[str, str]) -> Owner:
    """What is known of the process that created an object."""
    place = labels.get(PLACE, "")
    return owner_state(labels.get(OWNER, "") + (f":{place}" if place else ""))


def owner_lives(labels: Mapping[str, str]) -> bool:
    """Whether the process that created an object still runs, or may run where it cannot be seen from here."""
    return object_owner(labels) is not Owner.ENDED


def remove_bundled_names(client: docker.DockerClient) -> list[str]:
    """Remove the names that `load` gave to base images of bundles, and return them; the images stay."""
    names = []
    for image in listed_images(client, name=f"{BUNDLED}/*"):
        for tag in image.tags:
            if tag.startswith(f"{BUNDLED}/"):
                client.images.remove(tag, noprune=True)
                names.append(tag)
    return names


def remove_images(client: docker.DockerClient) -> int:
    """Remove every image that the lab built and no container uses; return their number.

    The names that `load` gave to base images of a bundle are removed too. Official images stay.
    """
    remove_bundled_names(client)
    count = 0
    for image in listed_images(client, filters={"label": OBJECT}):
        try:
            client.images.remove(image.id, force=True)
            count += 1
        except APIError as error:
            if error.status_code not in (404, 409):
                raise
    return count
