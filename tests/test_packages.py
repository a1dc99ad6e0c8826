"""The packages of a run: their compact form on record, and the changes since the record."""

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
    """Return the packages and variants of a record of a run with these images."""
    variants = {image.partition("/")[0]: {} for image in run}
    return json.loads(json.dumps({"packages": packages.compact(run), "variants": variants}))  # type: ignore[no-any-return]


def changed(record: Any, run: Any) -> list[packages.Change]:
    """Return the changes of a run with these images."""
    return packages.find_changes(packages.expand(record["packages"]), record["variants"], run)


def upgraded(images: Any, **versions: str) -> dict[str, Any]:
    """Return the images with these versions of the Debian packages that they have."""
    content: dict[str, Any] = json.loads(json.dumps(images))
    for kinds in content.values():
        debs = kinds.get("deb", {})
        debs.update({name: version for name, version in versions.items() if name in debs})
    return content


def test_the_compact_form_can_be_expanded() -> None:
    """Every distinct set of packages of a service is restored."""
    expanded = packages.expand(recorded()["packages"])
    assert expanded == {image: RUN[image] for image in ("documented/app", "documented/proxy", "newer/app", "empty/wrk")}


def test_equal_packages_are_kept_once() -> None:
    """An image lists only its differences from a similar one, also from one of another service."""
    compacted = packages.compact(RUN)
    assert compacted["newer/app"] == {"like": "documented/app", "pip": {"gunicorn": "21.2.0"}}
    assert compacted["documented/proxy"]["like"] == "documented/app"
    assert compacted["documented/proxy"]["deb"] == {"h2o": "2.2.5", "libpython": None}
    assert len(json.dumps(compacted)) < 1.1 * len(json.dumps(APP))


def test_an_older_record_is_read() -> None:
    """It has only the packages of pip, so only those are compared."""
    before = {"packages": {"documented/app": {"pip": APP["pip"]}}, "variants": {"documented": {}, "more-workers": {}}}
    assert changed(before, RUN) == []
    other = RUN | {"documented/app": NEWER}
    (change,) = changed(before, other)
    assert (change.kind, change.name, change.recorded, change.now) == ("pip", "gunicorn", "20.0.4", "21.2.0")


def test_a_changed_package_is_listed_once() -> None:
    """It has all images, also those whose packages are recorded under another variant."""
    assert changed(recorded(), RUN) == []
    (change,) = changed(recorded(), upgraded(RUN, h2o="2.2.6"))
    assert (change.kind, change.name, change.recorded, change.now) == ("deb", "h2o", "2.2.5", "2.2.6")
    assert change.images == ("documented/proxy", "more-workers/proxy", "newer/proxy")


def test_a_partial_run_is_compared_with_the_most_similar_image() -> None:
    """The record has this variant's packages under another variant. That is not a change."""
    part = {image: kinds for image, kinds in RUN.items() if image.startswith(("more-workers/", "newer/"))}
    assert changed(recorded(), part) == []
    changes = changed(recorded(), upgraded(part, lib7="8"))
    assert [(change.name, change.now) for change in changes] == [("lib7", "8")]


def test_a_custom_variant_is_not_compared() -> None:
    """The changes of --set are intended."""
    assert changed(recorded(), {"custom/app": NEWER}) == []


def test_a_package_that_came_or_went_is_a_change() -> None:
    """Its version is empty on the side that does not have it."""
    less = json.loads(json.dumps(RUN))
    for kinds in less.values():
        kinds.get("deb", {}).pop("h2o", None)
    (gone,) = changed(recorded(), less)
    (come,) = changed(recorded(less), RUN)
    assert (gone.recorded, gone.now, come.recorded, come.now) == ("2.2.5", "", "", "2.2.5")


def test_the_packages_that_dockerfiles_name(tmp_path: Path) -> None:
    """With and without a version, over continued lines; options are not names."""
    scenario = load(tmp_path)
    lines = [
        "RUN apt-get update \\",
        "&& apt-get install --yes \\",
        '  "nginx-light=${NGINX}" gcc && rm -rf /var/lib/apt',
    ]
    (scenario.directory / "Dockerfile").write_text("\n".join(lines), encoding="utf-8")
    assert {"nginx-light", "gcc"} <= packages.named_in_dockerfiles(scenario)
    assert "--yes" not in packages.named_in_dockerfiles(scenario)
    assert {"h2o", "wrk", "gcc"} <= packages.named_in_dockerfiles(loader.load(ROOT, "socket-vanish"))
