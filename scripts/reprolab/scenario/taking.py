"""Copies scenarios of the installed lab into a lab folder, where they run and may be changed."""

from __future__ import annotations

import shutil
from pathlib import Path

from reprolab.core import shared_files
from reprolab.core.config_file import hint
from reprolab.core.errors import UsageError
from reprolab.scenario import loader, scaffold

# What a run leaves beside the files, and the history of the verdicts in the lab's own repository.
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.jsonl")


def names() -> list[str]:
    """The names of the scenarios that the installed lab has."""
    return loader.names(shared_files.catalogue())


def take(root: Path, name: str) -> Path:
    """Copy a scenario into scenarios/NAME, with its include line; returns the directory, relative to the root.

    Raises UsageError for an unknown name, or one that the lab folder has.
    """
    if name not in names():
        raise UsageError(
            f"the installed lab has no scenario {name!r}{hint(name, names())}", expected="one of " + ", ".join(names())
        )
    directory = Path("scenarios", name)
    if (root / directory).exists():
        raise UsageError(f"{directory} is there already", expected="a scenario that this lab folder does not have")
    shutil.copytree(shared_files.catalogue() / directory, root / directory, ignore=LEFT_OUT)
    scaffold.include(root, name)
    return directory
