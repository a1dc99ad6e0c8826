"""The contents of a bundle, as manifest.json has them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reprolab.bundle.members import RUN_NAME, SCENARIO_NAME

SCHEMA = 1


@dataclass(frozen=True)
class BundledCase:
    """What a bundle has of a scenario: image tags by variant and service, and the name of a run or None."""

    images: Mapping[str, Mapping[str, str]]
    run: str | None


@dataclass(frozen=True)
class BundledBase:
    """A base image in a bundle: its name there and its id."""

    reference: str
    id: str


@dataclass(frozen=True)
class Manifest:
    """The contents of a bundle. ``images`` is tag -> image id, ``bases`` official name -> image."""

    schema: object
    created: str
    architecture: str
    scenarios: Mapping[str, BundledCase]
    images: Mapping[str, str]
    bases: Mapping[str, BundledBase]

    @property
    def runs(self) -> list[str]:
        """The runs, as SCENARIO/RUN."""
        return [f"{name}/{case.run}" for name, case in self.scenarios.items() if case.run]


def read_manifest(text: bytes) -> Manifest:
    """Parse manifest.json. Raises ValueError that names what is wrong."""
    content = _mapping(json.loads(text), "its content")
    if content.get("schema") != SCHEMA:
        # The caller names the schema; nothing else is known of such a file.
        return Manifest(content.get("schema"), "", "", {}, {}, {})
    return Manifest(
        SCHEMA,
        _text(content.get("created"), "created"),
        _text(content.get("architecture"), "architecture"),
        {name: _case(name, part) for name, part in _mapping(content.get("scenarios"), "scenarios").items()},
        _texts(content.get("images"), "images"),
        {name: _base(name, part) for name, part in _mapping(content.get("bases"), "bases").items()},
    )


def _case(name: str, part: Any) -> BundledCase:
    content = _mapping(part, f"scenarios.{name}")
    run = content.get("run")
    if not re.fullmatch(SCENARIO_NAME, name):
        raise ValueError(f"{name!r} is no name of a scenario")
    if run is not None and not re.fullmatch(RUN_NAME, _text(run, f"scenarios.{name}.run")):
        raise ValueError(f"{run!r} is no name of a run")
    images = _mapping(content.get("images"), f"scenarios.{name}.images")
    return BundledCase({variant: _texts(tags, f"scenarios.{name}.images") for variant, tags in images.items()}, run)


def _base(name: str, part: Any) -> BundledBase:
    content = _texts(part, f"bases.{name}")
    return BundledBase(_text(content.get("reference"), f"bases.{name}"), _text(content.get("id"), f"bases.{name}"))


def _mapping(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{place} is no mapping")
    return value


def _texts(value: Any, place: str) -> Mapping[str, str]:
    return {name: _text(text, place) for name, text in _mapping(value, place).items()}


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{place} is no text")
    return value
