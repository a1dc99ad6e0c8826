"""Lays out a lab folder: a place of one's own with a first scenario, which the installed lab runs."""

from __future__ import annotations

import os
from pathlib import Path

from reprolab.core.errors import UsageError
from reprolab.core.templates import environment
from reprolab.scenario import scaffold

FIRST = "first-case"
# The files of the folder itself, each with its template.
FILES = {"compose.yaml": "lab-compose.yaml.j2", "README.md": "lab-README.md.j2", ".gitignore": "lab-gitignore.j2"}


def create(folder: Path, name: str = FIRST) -> list[Path]:
    """Write a lab folder with one scenario that has all additions; returns the paths, relative to the folder.

    The folder may exist, and may hold other files. Raises UsageError, before anything is written, for a file of its own
    that is there already, or a name that is no scenario's.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is no directory", expected="the name of a new or of an empty folder")
    present = [entry for entry in (*FILES, "scenarios") if os.path.lexists(folder / entry)]
    if present:
        raise UsageError(
            f"{folder} has {' and '.join(present)} already; nothing was written",
            expected="a folder without them, since the lab writes its own",
            advice=f"name a new folder below it: {folder / 'lab'}",
        )
    scaffold.check_name(name)
    templates = environment(__package__)
    texts = {file: templates.get_template(template).render(name=name) for file, template in FILES.items()}
    try:
        (folder / "scenarios").mkdir(parents=True)
    except FileNotFoundError as error:  # in a file system of the kernel
        raise UsageError(f"{folder} cannot be made", expected="a folder that can be written to") from error
    for file, text in texts.items():
        (folder / file).write_text(text, encoding="utf-8")
    written = scaffold.create(folder, name)
    added, _ = scaffold.add(folder, name, scaffold.ADDITIONS)
    return [*map(Path, FILES), *(path for path in written if path.name not in FILES or len(path.parts) > 1), *added]
