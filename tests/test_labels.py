"""Labels of Docker objects: which objects are removed as leftovers, and which stay."""

from __future__ import annotations

import os
import subprocess
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import APIError, NotFound
from reprolab.engine import labels
from reprolab.engine.labels import (
    HAND,
    IMAGE,
    OBJECT,
    OWNER,
    Removed,
    object_labels,
    owner_lives,
    process_identity,
    remove_leftovers,
)

DEAD = {OBJECT: "trial", OWNER: "00000000-0000:1:1"}


# -- owners ----------------------------------------------------------------------------------


def test_this_process_is_alive() -> None:
    """Its objects are not leftovers."""
    mine = object_labels("blink", "20260101T000000Z")
    assert set(mine) == {OBJECT, labels.SCENARIO, labels.RUN, OWNER}
    assert mine[OBJECT] == "trial"
    assert owner_lives(mine)
    assert object_labels("blink", "by-hand", HAND)[OBJECT] == HAND


def test_an_ended_process_is_not_alive() -> None:
    """This holds for a zombie too."""
    process = subprocess.Popen(["sleep", "60"])
    theirs = {OWNER: process_identity(process.pid)}
    assert owner_lives(theirs)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not owner_lives(theirs)
    process.wait()
    assert not owner_lives(theirs)
    assert process_identity(process.pid) == ""


def test_a_reused_pid_is_another_process() -> None:
    """The identity has boot id and start time: after a reboot, or when pids wrap, an old object is a leftover."""
    boot, pid, start = process_identity(os.getpid()).split(":")
    assert not owner_lives({OWNER: f"{boot}:{pid}:{int(start) + 1}"})
    assert not owner_lives({OWNER: f"{boot[::-1]}:{pid}:{start}"})


@pytest.mark.parametrize("identity", ["", "1", "a:b", "a:b:c", ":::", "a:1:2:3", "a:-1:2"])
def test_a_malformed_owner_is_not_alive(identity: str) -> None:
    """Neither is a missing one."""
    assert not owner_lives({OWNER: identity})
    assert not owner_lives({})


def test_a_program_name_with_brackets(tmp_path: Any) -> None:
    """The kernel prints the name in brackets. The start time is found for any name."""
    program = tmp_path / "a) R 1 (b"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([str(program), "60"])
    try:
        boot, pid, start = process_identity(process.pid).split(":")
        assert (pid, start.isdigit(), len(boot)) == (str(process.pid), True, 36)
        assert int(start) >= int(process_identity(os.getpid()).split(":")[2])
    finally:
        process.kill()
        process.wait()


# -- cleaning -------------------------------------------------------------------------------------


class Thing:
    """A container, network, volume or image that records its removal."""

    def __init__(self, marks: dict[str, str] | None, error: Exception | None = None) -> None:
        self.labels = marks
        self.attrs = {"Labels": marks}
        self.id = f"id-{id(self)}"
        self.error = error
        self.removed = False
        self.tags: list[str] = []

    def remove(self, **options: bool) -> None:
        """Record the removal, or raise the given error."""
        self.options = options
        if self.error:
            raise self.error
        self.removed = True


class Kind:
    """One kind of object on a fake engine."""

    def __init__(self, *things: Thing) -> None:
        self.things = things
        self.queries: list[dict[str, Any]] = []

    def list(self, **options: Any) -> list[Thing]:
        """Return the objects with the label, as the engine would."""
        self.queries.append(options)
        return [thing for thing in self.things if OBJECT in (thing.labels or {})]

    def remove(self, identity: str, force: bool) -> None:
        """Remove an image by its id."""
        next(thing for thing in self.things if thing.id == identity).remove(force=force)


def engine(**kinds: Kind) -> Any:
    """A fake engine."""
    return SimpleNamespace(
        **{name: kinds.get(name, Kind()) for name in ("containers", "networks", "volumes", "images")}
    )


def conflict(code: int) -> APIError:
    """An error of the engine with a status code."""
    return APIError("no", response=SimpleNamespace(status_code=code, reason="", url=""))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["containers", "networks", "volumes"])
@pytest.mark.parametrize("by_hand", ["", "by-hand-1"])
def test_exactly_the_leftovers_go(kind: str, by_hand: str) -> None:
    """A dead run's objects go; a live run's, a stranger's and an image's stay; stacks by hand only on request,
    and never another checkout's."""
    dead, live, hand = (
        Thing(DEAD),
        Thing(object_labels("blink", "run")),
        Thing(object_labels("blink", "by-hand-1", HAND)),
    )
    other = Thing(object_labels("blink", "by-hand-2", HAND))
    stranger, bare, image = Thing({"some": "one"}), Thing(None), Thing({OBJECT: IMAGE})
    api = engine(**{kind: Kind(dead, live, hand, other, stranger, bare, image)})
    removed = remove_leftovers(api, by_hand=by_hand)
    assert dead.removed
    assert hand.removed is bool(by_hand)
    assert not any(thing.removed for thing in (live, other, stranger, bare, image))
    assert sum((removed.containers, removed.networks, removed.volumes)) == 1 + bool(by_hand)
    assert api.containers.queries[0]["filters"] == {"label": OBJECT}


def test_stopped_containers_and_their_volumes_go_too() -> None:
    """A stopped container is a leftover too; its anonymous volumes are removed with it."""
    dead = Thing(DEAD)
    containers = Kind(dead)
    remove_leftovers(engine(containers=containers))
    assert containers.queries[0]["all"] is True
    assert dead.options == {"force": True, "v": True}


def test_a_container_may_be_removed_during_the_listing() -> None:
    """The client inspects each container; one that another run has just removed must not be an error."""
    containers = Kind()
    remove_leftovers(engine(containers=containers))
    assert containers.queries[0]["ignore_removed"] is True


@pytest.mark.parametrize("error", [NotFound("gone"), conflict(404), conflict(409)])
def test_another_run_may_remove_the_same_object(error: Exception) -> None:
    """Two runs can clean at the same time."""
    later = Thing(DEAD)
    remove_leftovers(engine(containers=Kind(Thing(DEAD, error), later)))
    assert later.removed


def test_another_error_is_raised() -> None:
    """A failure of the engine is not ignored."""
    with pytest.raises(APIError):
        remove_leftovers(engine(volumes=Kind(Thing(DEAD, conflict(500)))))


def test_the_text_of_removed() -> None:
    """It has numbers with nouns. An empty one is false."""
    assert str(Removed(1, 2, 0)) == "1 container, 2 networks"
    assert str(Removed(volumes=1)) == "1 volume"
    assert str(Removed()) == "nothing"
    assert Removed(0, 0, 1)
    assert not Removed()


def test_the_names_of_a_bundle_are_removed() -> None:
    """An official image that came in a bundle stays; the name that `load` gave it is removed."""
    official = Thing({})
    official.tags = ["python:3.12.1-slim-bookworm", "reprolab-bundled/python-3.12.1-slim-bookworm:abc"]
    removed: list[str] = []
    images: Any = SimpleNamespace(
        list=lambda **filters: [official] if filters.get("name") == "reprolab-bundled/*" else [],
        remove=lambda name, **_: removed.append(name),
    )
    assert labels.remove_images(engine(images=images)) == 0
    assert removed == ["reprolab-bundled/python-3.12.1-slim-bookworm:abc"]


def test_used_images_stay() -> None:
    """The engine refuses to remove them. The others are removed and counted."""
    used, free = Thing({OBJECT: IMAGE}, conflict(409)), Thing({OBJECT: IMAGE})
    assert labels.remove_images(engine(images=Kind(used, free))) == 1
    assert free.removed
    with pytest.raises(APIError):
        labels.remove_images(engine(images=Kind(Thing({OBJECT: IMAGE}, conflict(500)))))
