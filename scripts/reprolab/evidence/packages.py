"""The packages in a run's images: a compact form for the record, and the changes since the record.

A run lists all packages: image ("variant/service") -> kind ("deb", "pip", "built-with") -> name -> version.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reprolab.core import shared_files
from reprolab.scenario.model import Scenario

Kinds = Mapping[str, Mapping[str, str]]
Images = Mapping[str, Kinds]
Key = tuple[str, str]

LIKE = "like"
ABSENT = "—"


@dataclass(frozen=True)
class Change:
    """A package that differs from the record, and the images in which it does. The version of a missing one is ""."""

    kind: str
    name: str
    recorded: str
    now: str
    images: tuple[str, ...]


def compact(images: Images) -> dict[str, Any]:
    """Return a run's packages in the form of recorded.json.

    If a service has the same packages in several variants, only the first image is listed. An image that has most
    packages of an earlier one names that one as ``like`` and lists the differences, with null for a missing package.
    """
    entries: dict[str, Any] = {}
    listed: dict[str, dict[Key, str]] = {}
    for image, kinds in images.items():
        versions = _flatten(kinds)
        if any(
            versions == earlier and _service(image) == _service(earlier_image)
            for earlier_image, earlier in listed.items()
        ):
            continue
        entry: dict[str, Any] = {kind: dict(names) for kind, names in kinds.items()}
        closest = min(listed, key=lambda candidate: len(_differences(listed[candidate], versions)), default=None)
        if closest is not None and len(changes := _differences(listed[closest], versions)) < len(versions):
            entry = {LIKE: closest}
            for kind, name in changes:
                entry.setdefault(kind, {})[name] = versions.get((kind, name))
        entries[image], listed[image] = entry, versions
    return entries


def expand(recorded: Mapping[str, Any]) -> dict[str, Kinds]:
    """Return the images with all their packages, from the result of ``compact`` or from an older, full record."""
    images: dict[str, dict[str, dict[str, str]]] = {}
    for image, entry in recorded.items():
        kinds = {kind: dict(names) for kind, names in images.get(entry.get(LIKE, ""), {}).items()}
        for kind, names in entry.items():
            if kind != LIKE:
                versions = kinds.setdefault(kind, {}) | names
                kinds[kind] = {name: version for name, version in versions.items() if version is not None}
        images[image] = {kind: names for kind, names in kinds.items() if names}
    return dict(images)


def of_variant(images: Images, experiment: str, variant: str) -> dict[str, Kinds]:
    """Return service -> packages, for the images of a variant.

    The name of an image has no experiment if the scenario has only one, and in runs of older releases.
    """
    for name in (f"{experiment}/{variant}", variant):
        if services := {_service(image): kinds for image, kinds in images.items() if image.rpartition("/")[0] == name}:
            return services
    return {}


def find_changes(recorded: Images, variants: Iterable[str], run: Images) -> list[Change]:
    """Return each package in which a run differs from the record, once.

    ``recorded`` and ``variants`` are those of the record. A kind that one side does not list is not compared.
    """
    names = {name for variant in variants for name in (variant, variant.rpartition("/")[2])}
    changes: dict[tuple[Key, str, str], list[str]] = {}
    for image, kinds in run.items():
        before = _recorded_packages(recorded, image, kinds, names)
        for key in _differences(_flatten(before, kinds), _flatten(kinds, before)):
            change = (key, _flatten(before).get(key, ""), _flatten(kinds).get(key, ""))
            changes.setdefault(change, []).append(image)
    return [Change(*key, before, now, tuple(images)) for (key, before, now), images in sorted(changes.items())]


def _recorded_packages(recorded: Images, image: str, kinds: Kinds, variants: Iterable[str]) -> Kinds:
    """Return the recorded packages of an image, else those of the most similar recorded image of its service.

    The record has every set of packages that a service had, so it has one for each recorded variant. A variant that
    is not on record is not compared: its changes are intended.
    """
    # A record of an older release leaves the experiment out of the name.
    for name in (image, "/".join(image.split("/")[-2:])):
        if name in recorded:
            return recorded[name]
    if image.rpartition("/")[0] not in variants:
        return {}
    candidates = [packages for name, packages in recorded.items() if _service(name) == _service(image)]
    return min(
        candidates,
        key=lambda candidate: len(_differences(_flatten(candidate, kinds), _flatten(kinds, candidate))),
        default={},
    )


def named_in_dockerfiles(scenario: Scenario) -> set[str]:
    """Return the Debian packages that the Dockerfiles of a scenario and of the lab install by name."""
    folders = (scenario.directory, *shared_files.image_folders(scenario.root))
    texts = [path.read_text(encoding="utf-8") for folder in folders for path in folder.rglob("Dockerfile*")]
    commands = [
        arguments for text in texts for arguments in re.findall(r"apt-get install ([^&;|]*)", text.replace("\\\n", " "))
    ]
    words = [word.strip("\"'").partition("=")[0] for command in commands for word in command.split()]
    return {word for word in words if re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", word)}


def _service(image: str) -> str:
    return image.rpartition("/")[2]


def _flatten(kinds: Kinds, shared: Kinds | None = None) -> dict[Key, str]:
    """Return (kind, name) -> version, only for the kinds in ``shared`` if it is given."""
    return {
        (kind, name): version
        for kind, names in kinds.items()
        if shared is None or kind in shared
        for name, version in names.items()
    }


def _differences(left: Mapping[Key, str], right: Mapping[Key, str]) -> list[Key]:
    return sorted(key for key in left.keys() | right.keys() if left.get(key) != right.get(key))
