"""What is wrong with the engine or its disk ends the run; what is wrong with one stack makes its trial invalid."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from docker.errors import APIError
from reprolab.core.errors import EngineError, Exit, InvalidTrial
from reprolab.core.subprocesses import CommandError, Finished
from reprolab.engine import failures
from reprolab.engine.failures import engine_fault, guarded, raise_if_disk_full

CLIENT: Any = SimpleNamespace(ping=lambda: True)
FULL = (
    "Error response from daemon: mkdir /var/lib/docker/overlay2/8e5f-init: no space left on device",
    "the engine's disk is full",
)
OLD = (
    "Error response from daemon: client version 1.99 is too new. Maximum supported API version is 1.41",
    "the engine refuses the API version of the docker command line",
)
BROKEN = (
    "Error response from daemon: mkdir /var/lib/docker/containers/1: read-only file system",
    "the engine cannot write to its disk",
)
FAULTS = pytest.mark.parametrize(("text", "what"), [FULL, OLD, BROKEN], ids=["full", "version", "read-only"])


def of_compose(text: str) -> InvalidTrial:
    """As the stack reports a failure of Compose, with the last lines of a service in its own text."""
    error = InvalidTrial("compose up failed")
    error.__cause__ = CommandError(Finished(("docker", "compose", "up"), 1, "", f"Container x  Creating\n{text}"))
    return error


@FAULTS
def test_a_fault_of_the_engine_ends_the_run(text: str, what: str) -> None:
    """Whether Compose or the SDK tells it: exit status 4, the engine's own line, and what to do."""

    def api_error() -> NoReturn:
        raise APIError("500 Server Error", explanation=text)

    def compose_error() -> NoReturn:
        raise of_compose(text)

    for action in (api_error, compose_error):
        with pytest.raises(EngineError) as caught:
            guarded(action, CLIENT)
        assert caught.value.exit_status == Exit.LAB_FAILED
        message = str(caught.value)
        assert message.startswith(f"{what}: ") and text in message.splitlines()[0] and "to do:" in message


@pytest.mark.parametrize(
    "text",
    [
        "Error response from daemon: Conflict. The container name is already in use",
        'OCI runtime create failed: error mounting "/x" to rootfs at "/y": mkdirat: read-only file system: unknown',
        "dependency failed to start: container x exited (1)",
    ],
)
def test_a_fault_of_one_stack_makes_its_trial_invalid(text: str) -> None:
    """Other trials can run."""

    def compose_error() -> NoReturn:
        raise of_compose(text)

    assert engine_fault(text) is None
    with pytest.raises(InvalidTrial):
        guarded(compose_error, CLIENT)


def test_the_last_lines_of_a_service_tell_nothing_of_the_engine() -> None:
    """A server whose own small disk is full prints the same words."""

    def action() -> NoReturn:
        raise InvalidTrial("app did not start: exit code 1; last lines: OSError: No space left on device")

    with pytest.raises(InvalidTrial):
        guarded(action, CLIENT)


@pytest.mark.parametrize(("free", "full"), [(0, True), (4096, True), (1 << 30, False), (None, False)])
def test_a_full_disk_is_seen_though_the_engine_says_nothing(
    free: int | None, full: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It drops lines of logs. A directory that cannot be seen tells nothing."""

    def statvfs(path: Any) -> SimpleNamespace:
        if free is None:
            raise FileNotFoundError(path)
        return SimpleNamespace(f_bfree=free, f_frsize=1)

    monkeypatch.setattr(failures.os, "statvfs", statvfs)
    client: Any = SimpleNamespace(
        info=lambda: {"DockerRootDir": "/srv/engine"}, api=SimpleNamespace(base_url="http+docker://localhost")
    )
    if full:
        with pytest.raises(EngineError, match=r"the engine's disk is full: .* below /srv/engine"):
            raise_if_disk_full(client)
    else:
        raise_if_disk_full(client)
