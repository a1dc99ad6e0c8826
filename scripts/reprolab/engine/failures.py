"""Separate failures of the engine from failures of the stack that runs on it."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import TypeVar

import docker
import requests
from docker.errors import DockerException

from reprolab.core import command_text
from reprolab.core.errors import EngineError, InvalidTrial, LabError
from reprolab.core.subprocesses import CommandError
from reprolab.engine.elsewhere import ports_elsewhere

Result = TypeVar("Result")
PING_LIMIT = 10.0  # seconds
# Where the engine has just not answered, the steps that end a run must not wait so long again and again.
REMEMBERED, SHORT_LIMIT = 30.0, 2.0  # seconds
_hung_until = 0.0
LEAST_FREE = 1 << 20  # bytes

# Words of the engine and its command line for what fails in every trial -> what is wrong, expected, and to do.
FAULTS = {
    re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE): (
        "the engine's disk is full",
        "space for images, containers and their logs below the engine's data directory",
        "free some (`docker system df` shows what uses it) and repeat the run",
    ),
    # A container with a read-only file system of its own fails in the OCI runtime.
    re.compile(r"^(?!.*OCI runtime).*(read-only file system|input/output error)", re.IGNORECASE | re.MULTILINE): (
        "the engine cannot write to its disk",
        "a data directory of the engine that can be read and written",
        "see the kernel's log (`dmesg`) and the engine's log, repair the disk, and repeat the run",
    ),
    re.compile(r"client version \S+ is too (new|old)|client is newer than server", re.IGNORECASE): (
        "the engine refuses the API version of the docker command line",
        "a version that both know",
        "unset DOCKER_API_VERSION; if it is not set, install a docker command line that fits the engine",
    ),
}


@contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Turn errors of the Docker SDK into an EngineError "the engine failed while <doing>"."""
    try:
        yield
    except (DockerException, requests.RequestException) as error:
        raise EngineError(
            f"the engine failed while {doing}: {plain_reason(error)}",
            expected="an engine that answers",
            advice="`docker info` shows whether it does",
        ) from error


def plain_reason(error: BaseException) -> str:
    """The text of the system's error, such as "Connection refused", which the libraries wrap several times.

    Of an error of the lab it would lose what the lab says: this is for errors of the Docker SDK and of requests.
    """
    inner: BaseException | None = error
    while inner:
        cause, reasons = inner, (getattr(inner, "reason", None), *inner.args, inner.__cause__)
        inner = next((reason for reason in reasons if isinstance(reason, BaseException)), None)
    return (isinstance(cause, OSError) and cause.strerror) or str(error)


def raise_if_engine_gone(client: docker.DockerClient) -> None:
    """Raise EngineError if the engine does not answer within PING_LIMIT. Called after a failure, to find its cause."""
    if reason := no_answer(client):
        raise EngineError(
            f"the Docker Engine stopped answering during the run: {reason}",
            expected="an engine that keeps running; the evidence so far is kept",
            advice="start it again, or continue it if it was stopped (kill -CONT); "
            f"`{command_text.command('doctor', 'doctor')}` shows its state. Then repeat the run; "
            "that also removes leftovers",
        )


def no_answer(client: docker.DockerClient, limit: float | None = None) -> str:
    """Why the engine does not answer a ping, "" if it does. An engine that hangs accepts requests and never answers."""
    global _hung_until
    if limit is None:
        limit = PING_LIMIT if time.monotonic() > _hung_until else SHORT_LIMIT
    reasons: list[str] = []

    def ping() -> None:
        try:
            client.ping()
            reasons.append("")
        except (DockerException, requests.RequestException) as error:
            reasons.append(plain_reason(error))

    # The client's own limit is that of its longest request.
    asking = Thread(target=ping, name="ping", daemon=True)
    asking.start()
    asking.join(limit)
    if reasons:
        return reasons[0]
    _hung_until = time.monotonic() + REMEMBERED
    return f"no answer within {limit:g} s"


def engine_fault(text: str) -> EngineError | None:
    """The error for a message of the engine or its command line that tells a fault of the engine or its disk."""
    for pattern, (what, expected, advice) in FAULTS.items():
        if match := pattern.search(text):
            start = text.rfind("\n", 0, match.start()) + 1
            line = text[start:].partition("\n")[0].strip()
            return EngineError(f"{what}: {line}", expected=expected, advice=advice)
    return None


def raise_if_engine_fault(error: BaseException | None) -> None:
    """Raise EngineError if the engine's answer that led to this error tells a fault of the engine or its disk.

    The text of an InvalidTrial itself is not read: it may have the last lines of a service.
    """
    while error is not None:
        text = error.finished.tail if isinstance(error, CommandError) else str(error)
        if isinstance(error, CommandError | DockerException) and (fault := engine_fault(text)):
            raise fault from error
        error = error.__cause__


def raise_if_disk_full(client: docker.DockerClient) -> None:
    """Raise EngineError if there is no space left below the data directory of an engine on this machine.

    An engine whose disk is full drops the lines that containers print, and reports nothing.
    """
    if ports_elsewhere(client.api.base_url):
        # This machine may have such a directory too.
        return
    directory = Path(client.info()["DockerRootDir"])
    with suppress(OSError):  # this user may not see its directory
        disk = os.statvfs(directory)
        free = disk.f_bfree * disk.f_frsize  # with the blocks that only root may use: the engine is root
        if free < LEAST_FREE and (fault := engine_fault(f"no space left on device: {free} bytes below {directory}")):
            raise fault


def guarded(action: Callable[[], Result], client: docker.DockerClient) -> Result:
    """Run one stage of a trial. Raises EngineError if the engine fails, InvalidTrial if the trial fails."""
    try:
        return action()
    except InvalidTrial as error:
        raise_if_engine_fault(error)
        raise
    except LabError:
        raise
    except (DockerException, requests.RequestException, json.JSONDecodeError) as error:
        raise_if_engine_gone(client)
        raise_if_engine_fault(error)
        raise InvalidTrial(f"{type(error).__name__}: {error}") from error
