"""Removing a stack: it ends when nothing is left, whatever Compose reports."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import NotFound
from reprolab.core.subprocesses import Finished
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.stack import stack
from reprolab.stack.stack import DOWN_TRIES, Stack


class Leaving:
    """An engine whose network exists for so many listings, since a container is still leaving it."""

    def __init__(self, listings: int) -> None:
        self.listings = listings
        self.containers = SimpleNamespace(list=self._containers)
        self.networks = SimpleNamespace(list=self._networks)

    def _containers(self, *, ignore_removed: bool = False, **_: Any) -> list[str]:
        """As the SDK does if a container is removed between its listing and its inspection."""
        if not ignore_removed:
            raise NotFound("No such container")
        return []

    def _networks(self, **_: Any) -> list[str]:
        self.listings -= 1
        return ["its network"] if self.listings >= 0 else []


@pytest.mark.parametrize(("listings", "downs"), [(0, 1), (2, 3), (99, DOWN_TRIES)])
def test_a_network_that_stays_is_removed_again(
    listings: int, downs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compose ends with 0 also if a network is still in use; the lab checks, and repeats the command."""
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> Finished:
        commands.append(command)
        return Finished(tuple(command), 0, "", "Network x  Resource is still in use")

    monkeypatch.setattr(stack, "run", run)
    monkeypatch.setattr(stack.time, "sleep", lambda _: None)
    model = {"name": "reprolab-blink-1", "services": {}}
    client: Any = Leaving(listings)
    Stack("blink", model, tmp_path / "c.json", client, ("compose",), TrialDirectory(tmp_path), {}).down()
    assert len(commands) == downs
