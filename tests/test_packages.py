"""The packages of a run: small on record, whole when read, and what has changed since."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cases import ROOT, load
from reprolab.evidence import packages
from reprolab.scenario import loader

SYSTEM = {f"lib{n}": f"{n}.1-2+deb12u3" for n in range(150)}
APP = {"deb": {**SYSTEM, "libpython": "3.11"}, "pip": {"gunicorn": "20.0.4", "flask": "1.0"}}
NEWER = {"deb": APP["deb"], "pip": {"gunicorn": "21.2.0", "flask": "1.0"}}
PROXY = {"deb": {**SYSTEM, "h2o": "2.2.5"}, "built-with": {"gcc": "12.2"}}
RUN = {
    "documented/app": APP,
    "documented/proxy": PROXY,
    "more-workers/app": APP,
    "more-workers/proxy": PROXY,
    "newer/app": NEWER,
    "newer/proxy": PROXY,
    "empty/wrk": {},
}


def recorded(run: Any = RUN) -> dict[str, Any]:
    """What accept() keeps of a run with these images, as it comes back from the file."""
    variants = {image.partition("/")[0]: {} for image in run}
    return json.loads(json.dumps({"packages": packages.compact(run), "variants": variants}))  # type: ignore[no-any-return]


def changed(record: Any, run: Any) -> list[packages.Change]:
    """What a run with these images has otherwise than the record."""
    return packages.find_changes(packages.expand(record["packages"]), record["variants"], run)


def upgraded(images: Any, **versions: str) -> dict[str, Any]:
    """The same images, each Debian package of these names in another version where it is there."""
    content: dict[str, Any] = json.loads(json.dumps(images))
    for kinds in content.values():
        debs = kinds.get("deb", {})
        debs.update({name: version for name, version in versions.items() if name in debs})
    return content


def test_what_is_kept_can_be_read_back() -> None:
    """Every distinct set of packages of a service is whole again, what an image lacks of another included."""
    whole = packages.expand(recorded()["packages"])
    assert whole == {image: RUN[image] for image in ("documented/app", "documented/proxy", "newer/app", "empty/wrk")}


def test_what_is_alike_is_kept_once() -> None:
    """An image's 150 packages of the system cost one line in the next image, whatever its service."""
    kept = packages.compact(RUN)
    assert kept["newer/app"] == {"like": "documented/app", "pip": {"gunicorn": "21.2.0"}}
    assert kept["documented/proxy"]["like"] == "documented/app"
    assert kept["documented/proxy"]["deb"] == {"h2o": "2.2.5", "libpython": None}
    assert len(json.dumps(kept)) < 1.1 * len(json.dumps(APP))


def test_a_record_from_before_is_read() -> None:
    """It lists pip's packages alone, each image whole: those are compared, and nothing is said of Debian's."""
    before = {"packages": {"documented/app": {"pip": APP["pip"]}}, "variants": {"documented": {}, "more-workers": {}}}
    assert changed(before, RUN) == []
    other = RUN | {"documented/app": NEWER}
    (one,) = changed(before, other)
    assert (one.kind, one.name, one.recorded, one.now) == ("pip", "gunicorn", "20.0.4", "21.2.0")


def test_a_package_that_changed_is_told_once() -> None:
    """With all images that have it so, those included for which another variant's stands on record."""
    assert changed(recorded(), RUN) == []
    (one,) = changed(recorded(), upgraded(RUN, h2o="2.2.6"))
    assert (one.kind, one.name, one.recorded, one.now) == ("deb", "h2o", "2.2.5", "2.2.6")
    assert one.images == ("documented/proxy", "more-workers/proxy", "newer/proxy")


def test_a_part_of_a_run_is_compared_with_what_stands_for_it() -> None:
    """One variant ran, and the record names it under another variant alone: its release is not taken for a change."""
    part = {image: kinds for image, kinds in RUN.items() if image.startswith(("more-workers/", "newer/"))}
    assert changed(recorded(), part) == []
    changes = changed(recorded(), upgraded(part, lib7="8"))
    assert [(one.name, one.now) for one in changes] == [("lib7", "8")]


def test_a_variant_of_ones_own_is_not_compared() -> None:
    """What --set changes is what the user asked for."""
    assert changed(recorded(), {"custom/app": NEWER}) == []


def test_a_package_that_came_or_went_is_a_change() -> None:
    """Its version is empty on the side where it is not."""
    less = json.loads(json.dumps(RUN))
    for kinds in less.values():
        kinds.get("deb", {}).pop("h2o", None)
    (gone,) = changed(recorded(), less)
    (come,) = changed(recorded(less), RUN)
    assert (gone.recorded, gone.now, come.recorded, come.now) == ("2.2.5", "", "", "2.2.5")


def test_what_the_dockerfiles_install_is_known_by_name(tmp_path: Path) -> None:
    """Whether a version is pinned beside it or not, and over continued lines; options are no names."""
    found = load(tmp_path)
    lines = [
        "RUN apt-get update \\",
        "&& apt-get install --yes \\",
        '  "nginx-light=${NGINX}" gcc && rm -rf /var/lib/apt',
    ]
    (found.directory / "Dockerfile").write_text("\n".join(lines), encoding="utf-8")
    assert packages.named_in_dockerfiles(found) == {"nginx-light", "gcc"}
    assert {"h2o", "wrk", "gcc"} <= packages.named_in_dockerfiles(loader.load(ROOT, "socket-vanish"))
