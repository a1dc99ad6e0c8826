"""Removing a stack: it ends when nothing is left; what stays is named; a signal waits for the end of it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from docker.errors import APIError, NotFound
from reprolab.core import interrupts, subprocesses
from reprolab.core.errors import EngineError
from reprolab.engine import failures, leftovers
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.stack.stack import Stack


class Leaving:
    """An engine whose network exists for so many removals, since a container is still leaving it."""

    def __init__(self, removals: int) -> None:
        self.refusals, self.removed = removals, 0
        self.there = True
        self.containers = SimpleNamespace(list=self._containers)
        self.networks = SimpleNamespace(list=self._networks)
        self.volumes = SimpleNamespace(list=lambda **_: [])

    def ping(self) -> bool:
        return True

    def _containers(self, *, ignore_removed: bool = False, **_: Any) -> list[str]:
        """As the SDK does if a container is removed between its listing and its inspection."""
        if not ignore_removed:
            raise NotFound("No such container")
        return []

    def _networks(self, **_: Any) -> list[Any]:
        return [SimpleNamespace(name="its-network", attrs={"Labels": None}, remove=self._remove)] if self.there else []

    def _remove(self) -> None:
        self.removed += 1
        if self.refusals >= self.removed:
            raise APIError("no", explanation="network has active endpoints")
        self.there = False


def stack(client: Any, tmp_path: Path) -> Stack:
    """A stack without services on a fake engine."""
    model = {"name": "reprolab-blink-1", "services": {}}
    return Stack("blink", model, tmp_path / "c.json", client, ("compose",), TrialDirectory(tmp_path), {})


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two tries the engine needs time; the fake one does not."""
    monkeypatch.setattr(leftovers, "PAUSE", 0)


@pytest.mark.parametrize("refusals", [0, 2])
def test_a_network_that_stays_is_removed_again(refusals: int, tmp_path: Path) -> None:
    """The engine refuses while a container is leaving it."""
    client = Leaving(refusals)
    stack(client, tmp_path).down()
    assert not client.there and client.removed == refusals + 1


def test_what_stays_is_named(tmp_path: Path) -> None:
    """With the engine's reason, and what removes it later."""
    interrupts.stands("stack reprolab-blink-1")
    with pytest.raises(EngineError, match=r"left on the engine: network its-network: network has active endpoints"):
        stack(Leaving(99), tmp_path).down()
    assert interrupts.standing() == ["stack reprolab-blink-1"]
    stack(Leaving(0), tmp_path).down()
    assert interrupts.standing() == []


def test_removing_a_stack_starts_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no further file can be opened, none can be started; but the stack has to go."""

    def none_left(*_: Any, **__: Any) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(subprocesses.subprocess, "Popen", none_left)
    client = Leaving(0)
    stack(client, tmp_path).down()
    assert not client.there


def test_an_engine_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stack is not asked to go object by object: each request would wait for its whole limit."""
    monkeypatch.setattr(failures, "PING_LIMIT", 0.1)
    client = Leaving(0)
    client.ping = lambda: bool(time.sleep(5))  # type: ignore[method-assign]
    with pytest.raises(EngineError, match=r"no answer within 0\.1 s"):
        stack(client, tmp_path).down()
    assert client.there


def test_an_engine_that_fails_in_the_middle(tmp_path: Path) -> None:
    """The message names the stack."""
    client = Leaving(0)

    def fail(**_: Any) -> None:
        raise requests.ReadTimeout("it took too long")

    client.networks = SimpleNamespace(list=fail)
    with pytest.raises(EngineError, match="the engine failed while the stack reprolab-blink-1 was removed: it took"):
        stack(client, tmp_path).down()


def test_a_signal_waits_until_the_stack_is_gone(tmp_path: Path) -> None:
    """Ctrl-C in the middle of the removal."""
    interrupts.install()
    client = Leaving(2)
    refuse = client._remove

    def remove() -> None:
        if not client.removed:
            os.kill(os.getpid(), signal.SIGINT)
        refuse()

    client._remove = remove  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        stack(client, tmp_path).down()
    assert not client.there


def test_a_look_that_still_goes_on_does_not_stop_the_removal(tmp_path: Path) -> None:
    """On a busy machine the look at a failed stack takes longer than its limit, and inspects one service more."""
    client = Leaving(0)
    looked_at: Any = stack(client, tmp_path)

    def remove(**_: Any) -> None:
        looked_at._inspectors["proxy"] = SimpleNamespace(container=None)

    looked_at._inspectors["app"] = SimpleNamespace(container=SimpleNamespace(remove=remove))
    looked_at.down()
    assert not client.there
