"""Taking a stack down: done when nothing is left of it, whatever Compose says."""

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
    """An engine on which a container is still leaving its network: it stays for so many looks."""

    def __init__(self, looks: int) -> None:
        self.looks = looks
        self.containers = SimpleNamespace(list=self._containers)
        self.networks = SimpleNamespace(list=self._networks)

    def _containers(self, *, ignore_removed: bool = False, **_: Any) -> list[str]:
        """As the SDK does where a container goes between its listing and its inspection."""
        if not ignore_removed:
            raise NotFound("No such container")
        return []

    def _networks(self, **_: Any) -> list[str]:
        self.looks -= 1
        return ["its network"] if self.looks >= 0 else []


@pytest.mark.parametrize(("looks", "downs"), [(0, 1), (2, 3), (99, DOWN_TRIES)])
def test_a_network_that_stays_is_removed_again(
    looks: int, downs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compose ends with 0 where a network is still in use; the lab looks, and tries again so often."""
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> Finished:
        commands.append(command)
        return Finished(tuple(command), 0, "", "Network x  Resource is still in use")

    monkeypatch.setattr(stack, "run", run)
    monkeypatch.setattr(stack.time, "sleep", lambda _: None)
    model = {"name": "reprolab-blink-1", "services": {}}
    client: Any = Leaving(looks)
    Stack("blink", model, tmp_path / "c.json", client, ("compose",), TrialDirectory(tmp_path), {}).down()
    assert len(commands) == downs
