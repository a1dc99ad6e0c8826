"""Reads lists of packages: requirements files, `pip freeze`, `pip list`, the locks of poetry, uv, pdm and pipenv."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from reprolab.diagnose.settings import Release, Unread

# Packages that a signature or a factor may ask for. A project's other packages are of no use here.
ASKED_NAMES = "gunicorn uwsgi pyuwsgi uvicorn hypercorn bottle django fastapi requests httptools uvloop gevent eventlet"
ASKED = frozenset(ASKED_NAMES.split())
LISTED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s+(\d[\w.!+]*)\s*")
OPTIONS = re.compile(r"\s+--?[a-z].*$|\s*\\$|\s+#.*$")


def read(text: str, name: str) -> list[Release | Unread]:
    """The exact releases of a list. A range, or a list that another line names, is said to be unread."""
    if name.endswith((".lock", ".toml")):
        return _lock(text, name)
    return list(_lines(text, name))


def exact(text: str, source: str) -> list[Release | Unread]:
    """The release that a user gives as PACKAGE=VERSION or PACKAGE==VERSION."""
    package, _, version = text.partition("=")
    try:
        return [Release(canonicalize_name(package.strip()), str(Version(version.strip("= "))), source)]
    except InvalidVersion:
        return [Unread(source, "it is not PACKAGE=VERSION, such as gunicorn=19.6.0")]


def _lines(text: str, name: str) -> Iterator[Release | Unread]:
    for number, line in enumerate(text.splitlines(), 1):
        line, place = OPTIONS.sub("", line.strip()), f"{name}:{number}"
        if line.startswith(("-r", "--requirement", "-c", "--constraint")):
            yield Unread(place, "it names another list, which is not read")
        elif line and line[0] not in "#-":
            yield from _requirement(line, place)


def _requirement(line: str, place: str) -> Iterator[Release | Unread]:
    if listed := LISTED.fullmatch(line):
        if canonicalize_name(listed[1]) in ASKED:
            yield from exact(f"{listed[1]}={listed[2]}", place)
        return
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        return
    package = canonicalize_name(requirement.name)
    if package not in ASKED:
        return
    pins = [part for part in requirement.specifier if part.operator in ("==", "===") and "*" not in part.version]
    if pins:
        yield from exact(f"{package}={pins[0].version}", place)
    else:
        yield Unread(place, f"it names no exact release of {package}")


def _lock(text: str, name: str) -> list[Release | Unread]:
    try:
        content: Any = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        return [Unread(name, f"it is neither TOML nor JSON: {type(error).__name__}")]
    if not isinstance(content, dict):
        return [Unread(name, "it has no packages")]
    pairs = [*_tables(content), *_pipfile(content)]
    releases = [row for package, version in pairs for row in exact(f"{package}={version}", name) if _asked(package)]
    return releases or [Unread(name, "it locks none of the packages that matter here")]


def _tables(content: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """poetry.lock, uv.lock and pdm.lock have tables `package`, pylock.toml has `packages`."""
    for key in ("package", "packages"):
        rows = content.get(key)
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict) and isinstance(row.get("name"), str) and isinstance(row.get("version"), str):
                yield row["name"], row["version"]


def _pipfile(content: dict[str, Any]) -> Iterator[tuple[str, str]]:
    packages = content.get("default")
    for name, row in packages.items() if isinstance(packages, dict) else ():
        if isinstance(row, dict) and isinstance(row.get("version"), str):
            yield str(name), row["version"].lstrip("=")


def _asked(package: str) -> bool:
    return canonicalize_name(package) in ASKED
