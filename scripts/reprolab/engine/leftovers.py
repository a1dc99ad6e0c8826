"""Removes what killed runs left on the engine, and says what it had to leave there."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import docker
from docker.errors import DockerException, NotFound

from reprolab.core.command_text import command
from reprolab.core.number_words import plural
from reprolab.engine.failures import engine_errors
from reprolab.engine.labels import HAND, OBJECT, OWNER, RUN, TRIAL, object_owner
from reprolab.engine.owner import Owner
from reprolab.logs.timestamps import moment_ns

TRIES = 8
PAUSE = 0.5  # seconds; the engine needs a moment to take a container off its network
KINDS = ("container", "network", "volume")
EXAMPLE_AGE = "2h"
# The helper containers of earlier releases had this kind and no owner.
OLD_HELPER = "probe"


@dataclass(frozen=True)
class DockerObject:
    """A container, network or volume of the lab."""

    kind: str
    name: str
    labels: Mapping[str, str]
    created: str
    remove: Callable[[], object]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Removed:
    """Numbers of removed objects; the objects that could not be removed; the objects whose owner cannot be seen."""

    containers: int = 0
    networks: int = 0
    volumes: int = 0
    left: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.containers or self.networks or self.volumes)

    def __str__(self) -> str:
        return _count_words((self.containers, self.networks, self.volumes)) or "nothing"

    def messages(self) -> Iterator[str]:
        """A line for each thing that the user must know."""
        if self:
            yield f"removed the leftovers of an earlier run that was killed: {self}"
        yield from self.remarks()

    def remarks(self) -> Iterator[str]:
        """The lines about what was not removed."""
        if self.left:
            again = command("clean", "clean")
            yield f"could not be removed: {'; '.join(self.left)} (`{again}` and the next run try again)"
        if self.unseen:
            numbers = [sum(name.startswith(kind) for name in self.unseen) for kind in KINDS]
            yield (
                f"{_count_words(numbers)} of a run whose process cannot be seen from here, since it is in another pid "
                f"namespace, on another machine or of another user: left alone. If no such run is at work, "
                f"`{by_force()}` removes them"
            )


def by_force() -> str:
    """The command that also removes what cannot be seen from here."""
    options = f"--force --older-than {EXAMPLE_AGE}"
    return command(f"clean {options}", f'clean ARGS="{options}"')


def _count_words(numbers: Sequence[int]) -> str:
    parts = zip(KINDS, numbers, strict=True)
    return ", ".join(plural(number, name) for name, number in parts if number)


def remove_leftovers(client: docker.DockerClient, *, by_hand: str = "", unseen_age: float | None = None) -> Removed:
    """Remove the objects of runs whose process has ended, but not those of active runs.

    ``by_hand`` is the run label of a checkout. If given, the stacks that `reprolab up` started from it are removed
    too. ``unseen_age``: remove also what is older than so many seconds and has an owner that cannot be seen from here.
    Raises EngineError if the engine fails; an object that it does not remove is in the result.
    """
    unseen: list[str] = []

    def leftovers() -> list[DockerObject]:
        states = [(item, _state(item, by_hand, unseen_age)) for item in lab_objects(client)]
        unseen[:] = [str(item) for item, state in states if state is Owner.UNSEEN]
        return [item for item, state in states if state is Owner.ENDED]

    with engine_errors("looking for what killed runs left"):
        gone, left = remove_all(leftovers)
    kinds = [item.kind for item in gone]
    return Removed(kinds.count("container"), kinds.count("network"), kinds.count("volume"), left, tuple(unseen))


def remove_project(client: docker.DockerClient, project: str) -> tuple[str, ...]:
    """Remove a Compose project's containers, networks and volumes; what is left, with the reasons.

    Raises requests' exceptions if the engine fails.
    """
    return remove_all(lambda: list(lab_objects(client, f"com.docker.compose.project={project}")))[1]


def remove_all(find: Callable[[], list[DockerObject]]) -> tuple[list[DockerObject], tuple[str, ...]]:
    """Remove what ``find`` returns until it returns nothing: the objects that are gone, and the names of the others.

    No program is started and no file is opened, since this must be possible where the machine has no room for more.
    """
    at_first: dict[str, DockerObject] = {}
    reasons: dict[str, str] = {}
    for attempt in range(TRIES):
        objects = find()
        if not attempt:
            at_first = {str(item): item for item in objects}
        if not objects or attempt == TRIES - 1:
            break
        if attempt:
            time.sleep(PAUSE)
        reasons = dict(_refused(objects))
    left = {str(item): reasons.get(str(item), "") for item in objects}
    texts = tuple(f"{name}: {reason}" if reason else name for name, reason in left.items())
    return [item for name, item in at_first.items() if name not in left], texts


def _state(item: DockerObject, by_hand: str, unseen_age: float | None) -> Owner:
    """ENDED for a leftover."""
    kind = item.labels.get(OBJECT)
    if kind == OLD_HELPER and OWNER not in item.labels:
        state = Owner.UNSEEN
    elif kind == TRIAL or (kind == HAND and by_hand and item.labels.get(RUN) == by_hand):
        # The process that made a stack by hand has ended; one that lives is a run with KEEP=1.
        state = object_owner(item.labels)
    else:
        return Owner.LIVES
    return Owner.ENDED if state is Owner.UNSEEN and unseen_age is not None and _age(item) >= unseen_age else state


def _age(item: DockerObject) -> float:
    """The seconds since an object was created; 0 if the engine does not tell."""
    # The engine writes its own zone for volumes.
    zone = re.search(r"([+-])(\d\d):(\d\d)$", item.created)
    offset = (int(zone[2]) * 60 + int(zone[3])) * (60 if zone[1] == "+" else -60) if zone else 0
    try:
        created = moment_ns(re.sub(r"[+-]\d\d:\d\d$", "Z", item.created)) / 1e9 - offset
    except ValueError:
        return 0.0
    return max(0.0, time.time() - created)


def lab_objects(client: docker.DockerClient, label: str | Sequence[str] = OBJECT) -> Iterator[DockerObject]:
    """All containers, networks and volumes with a label, or with all of several, in the order of their removal."""
    filters: dict[str, Any] = {"label": label}
    for container in client.containers.list(all=True, ignore_removed=True, filters=filters):
        created, remove = str(container.attrs.get("Created", "")), partial(container.remove, force=True, v=True)
        yield DockerObject("container", str(container.name), container.labels, created, remove)
    for network in client.networks.list(filters=filters):
        # The engine returns null for a network or volume without labels.
        labels, created = network.attrs.get("Labels") or {}, str(network.attrs.get("Created", ""))
        yield DockerObject("network", str(network.name), labels, created, network.remove)
    for volume in client.volumes.list(filters=filters):
        labels, created = volume.attrs.get("Labels") or {}, str(volume.attrs.get("CreatedAt", ""))
        yield DockerObject("volume", str(volume.name), labels, created, partial(volume.remove, force=True))


def _refused(objects: Sequence[DockerObject]) -> Iterator[tuple[str, str]]:
    """Remove the objects. For each that was not removed: its kind and name, and the reason."""
    for item in objects:
        try:
            item.remove()
        except NotFound:
            # Another run may be removing the same object.
            continue
        except DockerException as error:
            yield str(item), str(getattr(error, "explanation", None) or error).strip()
