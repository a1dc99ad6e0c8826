"""Lays out a new scenario: a directory that runs as it is, to be changed into the documented case."""

from __future__ import annotations

import re
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from reprolab.errors import UsageError
from reprolab.scenario import names

FILES = ("compose.yaml", "Dockerfile", ".dockerignore", "app.py", "claims.py", "README.md")


def create(root: Path, name: str) -> list[Path]:
    """Write scenarios/NAME from the templates and its include line; returns the paths, relative to the root.

    Raises UsageError for a name that Compose or a shell would not take, or that is taken.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]{1,40}", name):
        raise UsageError(f"{name!r} is no scenario name", expected="small letters, digits and dashes")
    if name in names(root) or (root / "scenarios" / name).exists():
        raise UsageError(f"scenarios/{name} is there already")
    templates = Environment(
        loader=PackageLoader("reprolab", "templates"), undefined=StrictUndefined, keep_trailing_newline=True
    )
    directory = root / "scenarios" / name
    directory.mkdir(parents=True)
    for file in FILES:
        text = templates.get_template(f"{file.lstrip('.')}.j2").render(name=name, initials=_initials(name))
        (directory / file).write_text(text, encoding="utf-8")
    include = root / "compose.yaml"
    with include.open("a", encoding="utf-8") as stream:
        stream.write(f"  - scenarios/{name}/compose.yaml\n")
    return [Path("scenarios", name, file) for file in FILES] + [Path("compose.yaml")]


def _initials(name: str) -> str:
    return "".join(part[0] for part in name.split("-")).upper()
