"""Code that a service mounts and its image lacks: a stack for work on the files has its application so.

A scenario mounts nothing of the host, so such code becomes part of the image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from reprolab.adopt.copies import Copies
from reprolab.core.errors import UsageError
from reprolab.stack import dockerfile

CODE = "*.py"


@dataclass(frozen=True)
class BuiltContext:
    """A build context that was copied: its directory, its place in the scenario, the build's arguments and target."""

    source: Path
    place: str
    arguments: Mapping[str, str]
    target: str = ""

    def lacks(self, directory: Path, recipe: Path) -> bool:
        """Whether a directory has code of which the Dockerfile ``recipe`` copies nothing, as far as it can be read."""
        if self.target or not any(directory.rglob(CODE)):
            return False
        try:
            stages = dockerfile.stages(recipe.read_text(encoding="utf-8"), self.arguments, recipe.name)
        except UsageError:
            return False
        copied = [source for stage in stages for source, _ in stage.copies]
        return not any(self._covers(source, directory) for source in copied)

    def _covers(self, source: str, directory: Path) -> bool:
        if set(source) & set("[$*?") or "://" in source:
            return True
        path = (self.source / source.lstrip("/")).resolve()
        return directory.is_relative_to(path) or (path.is_dir() and path.is_relative_to(directory))


def add(context: BuiltContext, copies: Copies, directory: Path, target: str, where: str) -> None:
    """Make a directory part of the image at ``target``, with a line at the end of the copied Dockerfile."""
    name = "."
    if directory.resolve() != context.source.resolve():
        name = f"mounted{PurePosixPath(target)}".replace("/", "-")
        copies.mounted(directory, f"{context.place}/{name}", where)
        ignore = copies.target / context.place / ".dockerignore"
        if ignore.is_file():
            _append(ignore, f"!{name}")
    _append(copies.target / context.place / "Dockerfile", f"# What the stack mounted here.\nCOPY {name} {target}")


def _append(file: Path, text: str) -> None:
    file.write_text(f"{file.read_text(encoding='utf-8').rstrip()}\n{text}\n", encoding="utf-8")
