"""The stacks by hand on the engine: of which lab folder each one is, and which folders are gone.

The commands of a folder see only its own stacks. A folder that was deleted or moved leaves its stacks up, and no
command of another folder names them.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import docker

from reprolab.core.command_text import command
from reprolab.core.foreign_text import plain
from reprolab.engine.labels import FOLDER, HAND, OBJECT, PLACE, RUN, SCENARIO
from reprolab.engine.owner import own_place


@dataclass(frozen=True)
class HandStack:
    """A stack by hand. ``run`` is the run label of its folder; ``here`` tells whether it came up on this machine."""

    scenario: str
    folder: Path
    run: str
    here: bool

    @property
    def is_left(self) -> bool:
        """Whether its folder is no lab folder any more. What was started elsewhere may have a folder there."""
        return self.here and not ((self.folder / "scenarios").is_dir() and (self.folder / "compose.yaml").is_file())


def folder_label(root: Path) -> dict[str, str]:
    """The label that names the lab folder of a stack by hand."""
    return {FOLDER: quote(str(root.resolve()))}


def on_engine(client: docker.DockerClient) -> list[HandStack]:
    """The stacks by hand that name their folder, of all folders, each once."""
    filters: dict[str, Any] = {"label": [f"{OBJECT}={HAND}", FOLDER]}
    containers = client.containers.list(all=True, ignore_removed=True, filters=filters)
    stacks = {
        HandStack(marks[SCENARIO], Path(unquote(marks[FOLDER])), marks[RUN], marks.get(PLACE) == own_place())
        for marks in (container.labels for container in containers)
    }
    return sorted(stacks, key=lambda stack: (str(stack.folder), stack.scenario))


def of_folder(client: docker.DockerClient, folder: Path) -> str:
    """The run label of the stacks by hand of a folder, which may be gone; "" if none is up."""
    wanted = folder.resolve()
    return next((stack.run for stack in on_engine(client) if stack.folder == wanted), "")


def left_lines(client: docker.DockerClient) -> Iterator[str]:
    """A line for each folder that is gone and whose stacks are up, with the command that takes them down."""
    left: dict[Path, list[str]] = {}
    for stack in on_engine(client):
        if stack.is_left:
            left.setdefault(stack.folder, []).append(stack.scenario)
    for folder, scenarios in left.items():
        option = f"--folder {shlex.quote(str(folder))}"
        removal = command(f"clean {option}", f'clean ARGS="{option}"')
        names = ", ".join(scenarios)
        yield plain(
            f"still up by hand: {names} of {folder}, which is no lab folder any more; `{removal}` takes it down"
        )
