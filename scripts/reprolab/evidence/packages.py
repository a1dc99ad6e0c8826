"""The packages in a run's images: kept small on record, and what has changed of them since.

A run lists all of them: image ("variant/service") -> kind ("deb", "pip", "built-with") -> name -> version.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reprolab.scenario.model import Scenario

Kinds = Mapping[str, Mapping[str, str]]
Images = Mapping[str, Kinds]
Key = tuple[str, str]

LIKE = "like"
ABSENT = "—"


@dataclass(frozen=True)
class Change:
    """A package that is not as recorded, in the images that have it so; a version is empty where it is not there."""

    kind: str
    name: str
    recorded: str
    now: str
    images: tuple[str, ...]


def kept(images: Images) -> dict[str, Any]:
    """A run's packages as recorded.json holds them.

    Of variants whose service has the same packages, the first stands for all. An image that has much of an earlier one
    names it as ``like`` and lists what differs, with null for what it lacks.
    """
    found: dict[str, Any] = {}
    whole: dict[str, dict[Key, str]] = {}
    for image, kinds in images.items():
        own = _flat(kinds)
        if any(own == known and _service(image) == _service(other) for other, known in whole.items()):
            continue
        entry: dict[str, Any] = {kind: dict(names) for kind, names in kinds.items()}
        near = min(whole, key=lambda other: len(_differing(whole[other], own)), default=None)
        if near is not None and len(changes := _differing(whole[near], own)) < len(own):
            entry = {LIKE: near}
            for kind, name in changes:
                entry.setdefault(kind, {})[name] = own.get((kind, name))
        found[image], whole[image] = entry, own
    return found


def expanded(recorded: Mapping[str, Any]) -> dict[str, Kinds]:
    """What ``kept`` made, or an older record that lists each image whole: the images with all their packages."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for image, entry in recorded.items():
        kinds = {kind: dict(names) for kind, names in found.get(entry.get(LIKE, ""), {}).items()}
        for kind, names in entry.items():
            if kind != LIKE:
                own = kinds.setdefault(kind, {}) | names
                kinds[kind] = {name: version for name, version in own.items() if version is not None}
        found[image] = {kind: names for kind, names in kinds.items() if names}
    return dict(found)


def of_variant(images: Images, experiment: str, variant: str) -> dict[str, Kinds]:
    """service -> packages of a variant's images.

    Where a scenario has one experiment, and in runs of older releases, its name is not in the images' names.
    """
    for name in (f"{experiment}/{variant}", variant):
        if own := {_service(image): kinds for image, kinds in images.items() if image.rpartition("/")[0] == name}:
            return own
    return {}


def changed(known: Images, variants: Iterable[str], run: Images) -> list[Change]:
    """Each package that a run has otherwise than the record, once, with the images in which it is so.

    ``known`` and ``variants`` are of the record. Kinds that one of the two does not list are not compared.
    """
    names = {name for variant in variants for name in (variant, variant.rpartition("/")[2])}
    where: dict[tuple[Key, str, str], list[str]] = {}
    for image, kinds in run.items():
        before = _recorded(known, image, kinds, names)
        for key in _differing(_flat(before, kinds), _flat(kinds, before)):
            versions = [_flat(one).get(key, "") for one in (before, kinds)]
            where.setdefault((key, versions[0], versions[1]), []).append(image)
    return [Change(*key, before, now, tuple(images)) for (key, before, now), images in sorted(where.items())]


def _recorded(known: Images, image: str, kinds: Kinds, variants: Iterable[str]) -> Kinds:
    """The recorded packages of an image, or of the one that stands for it: of its service, the one most like it.

    Every set of packages that a service had is on record, so what stands for a recorded variant is there. Of a variant
    that is not on record nothing is: what it changes is its own wish.
    """
    # A record of an older release leaves the experiment out of the name.
    for name in (image, "/".join(image.split("/")[-2:])):
        if name in known:
            return known[name]
    if image.rpartition("/")[0] not in variants:
        return {}
    same = [other for name, other in known.items() if _service(name) == _service(image)]
    return min(same, key=lambda other: len(_differing(_flat(other, kinds), _flat(kinds, other))), default={})


def named(scenario: Scenario) -> set[str]:
    """The Debian packages that the images of a scenario, and the lab's own, install by name."""
    lab = scenario.directory.parent.parent / "images"
    texts = [
        path.read_text(encoding="utf-8")
        for path in (*scenario.directory.rglob("Dockerfile*"), *lab.rglob("Dockerfile*"))
    ]
    commands = [one for text in texts for one in re.findall(r"apt-get install ([^&;|]*)", text.replace("\\\n", " "))]
    words = [word.strip("\"'").partition("=")[0] for command in commands for word in command.split()]
    return {word for word in words if re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", word)}


def _service(image: str) -> str:
    return image.rpartition("/")[2]


def _flat(kinds: Kinds, shared: Kinds | None = None) -> dict[Key, str]:
    """(kind, name) -> version; only of the kinds in ``shared``, where that is given."""
    return {
        (kind, name): version
        for kind, names in kinds.items()
        if shared is None or kind in shared
        for name, version in names.items()
    }


def _differing(one: Mapping[Key, str], other: Mapping[Key, str]) -> list[Key]:
    return sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))
