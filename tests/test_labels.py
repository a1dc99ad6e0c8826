"""Labels of Docker objects: which objects are removed as leftovers, and which stay."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from cases import ROOT
from docker.errors import APIError, NotFound
from reprolab.core import process_info
from reprolab.core.errors import EngineError
from reprolab.engine import labels, leftovers, owner
from reprolab.engine.images import listed_images
from reprolab.engine.labels import HAND, IMAGE, OBJECT, OWNER, object_labels, owner_lives, process_identity
from reprolab.engine.leftovers import Removed, remove_leftovers
from reprolab.engine.owner import INITIAL_NAMESPACE, Owner, own_identity, owner_state


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two tries the engine needs time; the fake one does not."""
    monkeypatch.setattr(leftovers, "PAUSE", 0)


def test_a_machine_without_an_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most containers have none. An owner of an earlier boot may then be on another machine."""
    monkeypatch.setattr(process_info, "machine_id", lambda: "")
    boot, pid, ticks, *_ = own_identity().split(":")
    assert owner_state(own_identity()) is Owner.LIVES
    assert owner_state(f"0{boot}:{pid}:{ticks}:1:") is Owner.UNSEEN
    assert owner_state(f"0{boot}:{pid}:{ticks}") is Owner.ENDED, "an earlier release"


DEAD = {OBJECT: "trial", OWNER: "00000000-0000:1:1"}


# -- owners ----------------------------------------------------------------------------------


def test_this_process_is_alive() -> None:
    """Its objects are not leftovers."""
    mine = object_labels("blink", "20260101T000000Z")
    assert set(mine) == {OBJECT, labels.SCENARIO, labels.RUN, OWNER, labels.PLACE}
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


def changed(at: int, value: str) -> str:
    """The identity of this process with another part."""
    parts = own_identity().split(":")
    return ":".join([*parts[:at], value, *parts[at + 1 :]])


def test_a_reused_pid_is_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The identity has boot id and start time: after a reboot, or when pids wrap, an old object is a leftover."""
    monkeypatch.setattr(process_info, "machine_id", lambda: "abc")
    assert owner_state(own_identity()) is Owner.LIVES
    assert owner_state(changed(2, "1")) is Owner.ENDED
    assert owner_state(changed(0, "00000000-0000")) is Owner.ENDED


def test_the_owner_of_another_machine_cannot_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two machines use one engine; and a container without an id of its machine knows nothing of an earlier boot."""
    monkeypatch.setattr(process_info, "machine_id", lambda: "abc")
    boot, pid, ticks, namespace, _ = own_identity().split(":")
    assert owner_state(f"0{boot}:{pid}:{ticks}:{namespace}:def") is Owner.UNSEEN
    assert owner_state(f"0{boot}:{pid}:{ticks}:{namespace}:") is Owner.UNSEEN
    assert owner_lives({OWNER: f"0{boot}:{pid}:{ticks}:{namespace}:def"})


def test_an_identity_of_an_earlier_release_is_judged_as_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no namespace and no machine. Earlier releases must be able to read the present one."""
    monkeypatch.setattr(process_info, "shown_namespace", lambda: INITIAL_NAMESPACE)
    monkeypatch.setattr(process_info, "machine_id", lambda: "abc")
    assert len(object_labels("blink", "run")[OWNER].split(":")) == 3
    boot, pid, ticks, *_ = process_identity(os.getpid()).split(":")
    assert owner_state(f"{boot}:{pid}:{ticks}") is Owner.LIVES
    assert owner_state(f"{boot}:{pid}:{ticks}1") is Owner.ENDED
    assert owner_state(f"0{boot}:{pid}:{ticks}") is Owner.ENDED


def test_a_process_that_is_hidden_from_this_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """/proc may hide the processes of other users. That is not their end."""
    monkeypatch.setattr(process_info, "start_ticks", lambda pid: "")
    monkeypatch.setattr(process_info, "is_hidden", lambda pid: True)
    boot, namespace = process_info.boot_id(), process_info.shown_namespace()
    assert owner_state(f"{boot}:7:1:{namespace}:") is Owner.UNSEEN


STATE = """
import sys
from reprolab.engine.owner import owner_state
print(owner_state(sys.argv[1]).value)
"""
IDENTITY = """
import sys
from reprolab.engine.owner import own_identity
print(own_identity(), flush=True)
sys.stdin.read()
"""
UNSHARE = ("unshare", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc")


def test_a_real_pid_namespace() -> None:
    """Inside, the processes outside cannot be seen, whatever their pids; from outside the inner ones are found."""
    mine = own_identity()

    def seen_inside(identity: str) -> str:
        command = [*UNSHARE, sys.executable, "-c", STATE, identity]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert seen_inside(mine) == "unseen"
    assert seen_inside(":".join(mine.split(":")[:3])) == "unseen", "an old label has no namespace"
    inner = subprocess.Popen(
        [*UNSHARE, sys.executable, "-c", IDENTITY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert inner.stdin and inner.stdout
    theirs = inner.stdout.readline().strip()
    assert theirs.split(":")[1] == "1", "the lab is the first process there, as in a container"
    assert seen_inside(theirs) == "unseen", "another namespace beside it"
    outermost = process_info.shown_namespace() == INITIAL_NAMESPACE
    assert owner_state(theirs) is (Owner.LIVES if outermost else Owner.UNSEEN)
    inner.stdin.close()
    inner.wait(20)
    assert owner_state(theirs) is (Owner.ENDED if outermost else Owner.UNSEEN)


def test_a_namespace_whose_proc_is_that_of_the_outer_one() -> None:
    """Its own pid would name another process there."""
    command = ["unshare", "--map-root-user", "--pid", "--fork", "--kill-child", sys.executable, "-c", IDENTITY]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    boot, pid, _, namespace, _ = done.stdout.strip().split(":")
    assert boot == process_info.boot_id() and pid != "1"
    # Which namespace /proc shows can be read only with the rights of the outer one.
    assert namespace in ("", process_info.shown_namespace())
    assert owner_state(f"{boot}:1:1::") is Owner.UNSEEN


@pytest.mark.parametrize("identity", ["", "1", "a:b", "a:b:c", ":::", "a:1:2:3", "a:-1:2", "a:b:c:d:e", "1:2:3:4:5:6"])
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
        boot, pid, start, *_ = process_identity(process.pid).split(":")
        assert (pid, start.isdigit(), len(boot)) == (str(process.pid), True, 36)
        assert int(start) >= int(process_identity(os.getpid()).split(":")[2])
    finally:
        process.kill()
        process.wait()


# -- the code -------------------------------------------------------------------------------------

STARTS = {("containers", "run"), ("containers", "create"), ("api", "create_container"), ("client", "create_container")}


def container_starts(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Each call in a file that creates a container by the SDK, with its place."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
            if (name, node.func.attr) in STARTS:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def has_owner(call: ast.Call) -> bool:
    """Whether its labels are those of `object_labels`, or of the stack's or run's owner."""
    labels_given = [ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == "labels"]
    return any(re.search(r"object_labels\(|\bowner\b|self\.labels|\bmarks\b", text) for text in labels_given)


def test_every_container_that_the_lab_starts_has_an_owner() -> None:
    """Package lists, package sources, load, forensics, pins, benchmarks, and the browser of the tests."""
    files = [*(ROOT / "scripts").rglob("*.py"), *(ROOT / "scenarios").rglob("*.py"), ROOT / "tests" / "chromium.py"]
    starts = [start for path in sorted(files) for start in container_starts(path)]
    assert len(starts) >= 8, [place for place, _ in starts]
    assert [place for place, call in starts if not has_owner(call)] == []


def test_no_container_is_started_by_the_command_line() -> None:
    """`docker run` and `docker create` would need labels too. Compose gets its labels from the model."""
    program = re.compile(r"""docker["'], *["'](?:container["'], *["'])?(?:run|create)["']|docker (?:run|create) -""")
    files = [*(ROOT / "scripts" / "reprolab").rglob("*.py"), *(ROOT / "scripts").glob("*"), ROOT / "Makefile"]
    texts = {path: path.read_text(encoding="utf-8") for path in files if path.is_file()}
    assert [str(path) for path, text in texts.items() if program.search(text)] == []


# -- cleaning -------------------------------------------------------------------------------------


class Thing:
    """A container, network, volume or image that records its removal."""

    def __init__(self, marks: dict[str, str] | None, error: Exception | None = None, tries: int = 99) -> None:
        self.labels = marks
        self.attrs: dict[str, Any] = {"Labels": marks}
        self.id = f"id-{id(self)}"
        self.name = f"name-{id(self)}"
        self.error, self.tries = error, tries
        self.goes = False
        self.removed = False
        self.tags: list[str] = []

    def remove(self, **options: bool) -> None:
        """Record the removal, or raise the given error for so many tries."""
        self.options = options
        self.tries -= 1
        if self.error and self.tries >= 0:
            self.removed = self.goes
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
        return [thing for thing in self.things if OBJECT in (thing.labels or {}) and not thing.removed]

    def remove(self, identity: str, force: bool) -> None:
        """Remove an image by its id."""
        next(thing for thing in self.things if thing.id == identity).remove(force=force)


def engine(**kinds: Kind) -> Any:
    """A fake engine."""
    objects = {name: kinds.get(name, Kind()) for name in ("containers", "networks", "volumes", "images")}

    def rows(**what: Any) -> list[dict[str, Any]]:
        return [{"Id": image.id, "RepoTags": image.tags} for image in objects["images"].list(**what)]

    return SimpleNamespace(**objects, api=SimpleNamespace(images=rows))


def conflict(code: int) -> APIError:
    """An error of the engine with a status code."""
    return APIError(
        "no", response=SimpleNamespace(status_code=code, reason="", url=""), explanation="the engine's reason"
    )  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["containers", "networks", "volumes"])
@pytest.mark.parametrize("by_hand", ["", "by-hand-1"])
def test_exactly_the_leftovers_go(kind: str, by_hand: str) -> None:
    """A dead run's objects go; a live run's, a stranger's and an image's stay; stacks by hand only on request,
    and never another checkout's."""
    dead, live = Thing(DEAD), Thing(object_labels("blink", "run"))
    hand = Thing(DEAD | {OBJECT: HAND, labels.RUN: "by-hand-1"})
    # A run with KEEP=1 that is at work.
    keeps = Thing(object_labels("blink", "by-hand-1", HAND))
    other = Thing(DEAD | {OBJECT: HAND, labels.RUN: "by-hand-2"})
    stranger, bare, image = Thing({"some": "one"}), Thing(None), Thing({OBJECT: IMAGE})
    api = engine(**{kind: Kind(dead, live, hand, keeps, other, stranger, bare, image)})
    removed = remove_leftovers(api, by_hand=by_hand)
    assert dead.removed
    assert hand.removed is bool(by_hand)
    assert not any(thing.removed for thing in (live, keeps, other, stranger, bare, image))
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
    gone, later = Thing(DEAD, error), Thing(DEAD)
    gone.goes = True
    removed = remove_leftovers(engine(containers=Kind(gone, later)))
    assert later.removed and not removed.left


def test_what_cannot_be_removed_is_named() -> None:
    """With its kind, name and reason; the other objects go, and the next run tries again."""
    stuck, free = Thing(DEAD, conflict(500)), Thing(DEAD)
    removed = remove_leftovers(engine(networks=Kind(stuck), volumes=Kind(free)))
    assert free.removed and removed.volumes == 1 and removed.networks == 0
    assert removed.left == (f"network {stuck.name}: the engine's reason",)
    (first, second) = removed.messages()
    assert first == "removed the leftovers of an earlier run that was killed: 1 volume"
    assert second.startswith(f"could not be removed: network {stuck.name}: the engine's reason (`")


def test_a_network_that_a_container_is_still_leaving_is_removed_at_the_next_try() -> None:
    """The engine refuses at first."""
    stuck = Thing(DEAD, conflict(403), tries=1)
    removed = remove_leftovers(engine(networks=Kind(stuck)))
    assert stuck.removed and removed.networks == 1 and not removed.left


def test_an_engine_that_fails() -> None:
    """It is an error of the engine, with a message."""

    def fail(**_: Any) -> None:
        raise requests.ConnectionError("it hangs")

    broken: Any = SimpleNamespace(containers=SimpleNamespace(list=fail))
    with pytest.raises(EngineError, match="the engine failed while looking for what killed runs left: it hangs"):
        remove_leftovers(broken)


ELSEWHERE = {OBJECT: "trial", OWNER: f"{process_info.boot_id()}:1:1", labels.PLACE: "1:"}
HELPER = {OBJECT: "probe"}


@pytest.mark.parametrize("marks", [ELSEWHERE, HELPER])
def test_who_cannot_see_an_owner_leaves_its_objects_alone(marks: dict[str, str], monkeypatch: Any) -> None:
    """They are counted and named; with an age they go, if they are old enough."""
    monkeypatch.setattr(owner, "INITIAL_NAMESPACE", "")
    now = datetime.now(UTC)
    old, young = Thing(marks), Thing(marks)
    old.attrs["Created"] = (now - timedelta(hours=3)).isoformat()
    young.attrs["Created"] = (now - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.123456789Z")
    removed = remove_leftovers(engine(networks=Kind(old, young)))
    assert not old.removed and not young.removed and len(removed.unseen) == 2
    (line,) = removed.messages()
    assert line.startswith("2 networks of a run whose process cannot be seen from here")
    assert "`reprolab clean --force --older-than 2h` removes them" in line
    removed = remove_leftovers(engine(networks=Kind(old, young)), unseen_age=7200)
    assert old.removed and not young.removed and removed.networks == 1 and len(removed.unseen) == 1


@pytest.mark.parametrize("zone", ["+02:00", "-05:30"])
def test_the_age_of_a_volume_of_an_engine_in_another_zone(zone: str) -> None:
    """The engine writes its own zone; what has no time has no age."""
    hours, minutes = int(zone[:3]), int(zone[0] + zone[4:])
    local = datetime.now(UTC) + timedelta(hours=hours, minutes=minutes) - timedelta(hours=3)

    def age(created: str) -> float:
        return leftovers._age(leftovers.DockerObject("volume", "v", {}, created, print))

    assert abs(age(local.strftime("%Y-%m-%dT%H:%M:%S") + zone) - 3 * 3600) < 5
    assert age("") == age("yesterday") == 0


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
        list=lambda filters: [] if filters else [official],
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


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", ["1", "2", "3"]),
        ("reprolab/app", ["1"]),
        ("reprolab/app:old", ["1"]),
        ("reprolab/*", ["1", "2"]),
        ("reprolab/ap", []),
    ],
)
def test_images_are_chosen_by_name_and_keep_all_tags(name: str, expected: list[str]) -> None:
    """Of the repository, or with the tag too. Other tags of such an image stay: who removes one must know them."""
    rows = [
        {"Id": "1", "RepoTags": ["reprolab/app:old", "mine:1"], "Labels": None},
        {"Id": "2", "RepoTags": ["reprolab/proxy:new"], "Labels": {"a": "b"}},
        {"Id": "3", "RepoTags": None, "Labels": None},
    ]
    client: Any = SimpleNamespace(api=SimpleNamespace(images=lambda filters: rows))
    images = listed_images(client, name)
    assert [image.id for image in images] == expected
    assert [image.tags for image in images if image.id == "1"] in ([], [("reprolab/app:old", "mine:1")])
