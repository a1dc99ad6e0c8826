"""Lays out a new scenario: a directory that runs as it is, to be changed into the documented case."""

from __future__ import annotations

import re
from pathlib import Path

from reprolab.core.errors import UsageError
from reprolab.core.templates import environment
from reprolab.scenario.loader import names

NAME = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
LONGEST = 40
FILES = (
    "compose.yaml",
    "Dockerfile",
    ".dockerignore",
    "requirements/gunicorn.txt",
    "app.py",
    "claims.py",
    "README.md",
    "upstream.yaml",
    "reproducer.yaml",
    "reproducer/drive.py",
    "demo.yaml",
)


def create(root: Path, name: str) -> list[Path]:
    """Write scenarios/NAME from the templates and its include line; returns the paths, relative to the root.

    Raises UsageError for a name that Compose or a shell would not take, or that is taken.
    """
    if not re.fullmatch(NAME, name) or len(name) > LONGEST:
        raise UsageError(
            f"{name!r} is no scenario name",
            expected=f"words of small letters and digits, with a dash between them, up to {LONGEST} characters",
        )
    if name in names(root) or (root / "scenarios" / name).exists():
        raise UsageError(f"scenarios/{name} is there already")
    templates = environment(__package__)
    texts = {
        file: templates.get_template(f"{Path(file).name.lstrip('.')}.j2").render(name=name, initials=_initials(name))
        for file in FILES
    }
    directory = root / "scenarios" / name
    for file, text in texts.items():
        (directory / file).parent.mkdir(parents=True, exist_ok=True)
        (directory / file).write_text(text, encoding="utf-8")
    include = root / "compose.yaml"
    listed = include.read_text(encoding="utf-8").rstrip("\n")
    include.write_text(f"{listed}\n  - scenarios/{name}/compose.yaml\n", encoding="utf-8")
    return [Path("scenarios", name, file) for file in FILES] + [Path("compose.yaml")]


def _initials(name: str) -> str:
    return "".join(part[0] for part in name.split("-")).upper()
