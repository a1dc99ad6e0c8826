"""Failures of the engine, told from those of what runs on it."""

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
    """Turn what Docker's library raises into EngineError: "the engine failed while <doing>"."""
    try:
        yield
    except (DockerException, requests.RequestException) as error:
        raise EngineError(
            f"the engine failed while {doing}: {error}",
            expected="an engine that answers",
            advice="`docker info` shows whether it does",
        ) from error


def raise_if_engine_gone(client: docker.DockerClient) -> None:
    """Raise EngineError unless the engine answers: what failed was then not the stack's doing."""
    try:
        client.ping()
    except (DockerException, requests.RequestException) as error:
        raise EngineError(
            "the Docker Engine stopped answering in mid-run",
            expected="an engine that keeps running; the evidence so far is kept",
            advice=f"start it again (`{command_text.command('doctor', 'doctor')}` shows its state) and repeat the run; "
            "leftovers go with it",
        ) from error


def guarded(action: Callable[[], Result], client: docker.DockerClient) -> Result:
    """Run one stage of a trial; tell a failing engine (EngineError) from a failing trial (InvalidTrial)."""
    try:
        return action()
    except (LabError, InvalidTrial):
        raise
    except (DockerException, requests.RequestException, json.JSONDecodeError) as error:
        raise_if_engine_gone(client)
        raise InvalidTrial(f"{type(error).__name__}: {error}") from error
