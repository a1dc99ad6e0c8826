"""Separate failures of the engine from failures of the stack that runs on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import docker
import requests
from docker.errors import DockerException

from reprolab.core import command_text
from reprolab.core.errors import EngineError, InvalidTrial, LabError

Result = TypeVar("Result")


@contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Turn errors of the Docker SDK into an EngineError "the engine failed while <doing>"."""
    try:
        yield
    except (DockerException, requests.RequestException) as error:
        raise EngineError(
            f"the engine failed while {doing}: {error}",
            expected="an engine that answers",
            advice="`docker info` shows whether it does",
        ) from error


def raise_if_engine_gone(client: docker.DockerClient) -> None:
    """Raise EngineError if the engine does not answer. Called after a failure, to find its cause."""
    try:
        client.ping()
    except (DockerException, requests.RequestException) as error:
        raise EngineError(
            "the Docker Engine stopped answering during the run",
            expected="an engine that keeps running; the evidence so far is kept",
            advice=f"start it again (`{command_text.command('doctor', 'doctor')}` shows its state) and repeat the run; "
            "that also removes leftovers",
        ) from error


def guarded(action: Callable[[], Result], client: docker.DockerClient) -> Result:
    """Run one stage of a trial. Raises EngineError if the engine fails, InvalidTrial if the trial fails."""
    try:
        return action()
    except (LabError, InvalidTrial):
        raise
    except (DockerException, requests.RequestException, json.JSONDecodeError) as error:
        raise_if_engine_gone(client)
        raise InvalidTrial(f"{type(error).__name__}: {error}") from error
