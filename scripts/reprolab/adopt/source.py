"""Reads the Compose file of a user's stack with Compose itself, so that extends, include, anchors and .env work."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reprolab.adopt.variables import variable_names
from reprolab.core.errors import UsageError
from reprolab.core.subprocesses import CommandError, run

LIMIT = 60.0  # seconds
# As Compose looks for them in a directory.
FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
WANTED = "a Compose file with services, such as docker-compose.yml"


@dataclass(frozen=True)
class Source:
    """A stack as its user has it.

    ``model`` is Compose's model with all variables filled in, ``written`` the same with the variables as they are
    written. ``values`` has the value of each variable that has one, from the environment or from .env.
    """

    file: Path
    model: Mapping[str, Any]
    written: Mapping[str, Any]
    values: Mapping[str, str]

    @property
    def folder(self) -> Path:
        """The directory of the file: relative paths begin there."""
        return self.file.parent

    @property
    def services(self) -> Mapping[str, Any]:
        services: Mapping[str, Any] = self.model["services"]
        return services


def compose_file(place: Path) -> Path:
    """The Compose file of a directory, as Compose looks for it; any other path stays as it is."""
    return next((path for name in FILES if (path := place / name).is_file()), place)


def read(file: Path, compose: tuple[str, ...], wanted: Collection[str] = ()) -> Source:
    """Read a Compose file, with the profiles of the services that are ``wanted``.

    Raises UsageError for a file that is missing, that Compose refuses, or without services.
    """
    file = compose_file(file.resolve())
    if not file.is_file():
        what = f"{file} has no {FILES[0]} or {FILES[2]}" if file.is_dir() else f"there is no file {file}"
        raise UsageError(what, expected=WANTED)
    command = [*compose, "--file", str(file)]
    model = _config(command, file)
    if profiles := _profiles(command, file, set(wanted) - set(model.get("services") or {})):
        command += [word for profile in profiles for word in ("--profile", profile)]
        model = _config(command, file)
    if not model.get("services"):
        raise UsageError(f"{file} has no services", expected=WANTED)
    written = _config([*command], file, "--no-interpolate")
    return Source(file, model, written, _values(variable_names(written), file, compose))


def _profiles(command: list[str], file: Path, missing: set[str]) -> list[str]:
    """The profiles of services that Compose leaves out where no profile is chosen."""
    if not missing:
        return []
    services = _config([*command, "--profile", "*"], file).get("services") or {}
    return sorted({profile for name in missing & services.keys() for profile in services[name].get("profiles") or ()})


def _config(command: list[str], file: Path, *options: str, stdin: str | None = None) -> dict[str, Any]:
    try:
        finished = run([*command, "config", *options, "--format", "json"], timeout=LIMIT, cwd=file.parent, stdin=stdin)
    except CommandError as error:
        raise UsageError(
            f"Compose refuses {file}:\n{error.finished.tail}",
            expected=WANTED,
            advice="`docker compose config` in its directory must succeed",
        ) from error
    content = json.loads(finished.stdout or "null")
    if not isinstance(content, dict):
        raise UsageError(f"{file} is no Compose file", expected=WANTED)
    return content


def _values(names: set[str], file: Path, compose: tuple[str, ...]) -> dict[str, str]:
    """The variables that have a value, as Compose knows them from the environment and from .env beside the file."""
    if not names:
        return {}
    probe = {name: f"${{{name}-}}" for name in sorted(names)}
    text = json.dumps({"name": "reprolab", "services": {"probe": {"image": "probe", "environment": probe}}})
    command = [*compose, "--project-directory", str(file.parent), "--file", "-"]
    entries = _config(command, file, stdin=text)["services"]["probe"]["environment"]
    # Compose writes every dollar of a value twice.
    return {name: str(value).replace("$$", "$") for name, value in entries.items() if value}
