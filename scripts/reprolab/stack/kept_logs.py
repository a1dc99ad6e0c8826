"""Saves the logs and the states of a stack's containers as evidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import requests
from docker.errors import DockerException
from docker.models.containers import Container

from reprolab.core.errors import EngineError, InvalidTrial
from reprolab.engine.containers import REMOVED, state_words
from reprolab.engine.failures import raise_if_engine_gone
from reprolab.evidence.run_dir import LOG_LABEL
from reprolab.evidence.wire_file import write_log
from reprolab.logs import capture as log_capture
from reprolab.stack.containers import StackContainers


@dataclass
class StackLogs(StackContainers):
    """Saves what the containers of a stack leave.

    A container that was started again has one log of all its lives. One that was made anew has a log of its own: those
    of the containers before it are named after their number, as app.1.
    """

    _captured: bool = False
    _capturing: Lock = field(default_factory=Lock)
    _former: dict[str, dict[str, Any]] = field(default_factory=dict)

    def capture(self, docker_cli: str) -> None:
        """Write every service's log and state into the trial's directory, once.

        One log that cannot be fetched does not prevent the others. Then raises its error, or InvalidTrial if the
        container was removed before its log was read.
        """
        with self._capturing:
            if self._captured:
                return
            self._captured = True
            states: dict[str, Any] = dict(self._former)
            errors: list[Exception] = []
            removed: list[str] = []
            for role in self.roles:
                try:
                    container = self.container(role)
                except InvalidTrial as error:
                    states[role] = {"missing": str(error)}
                    continue
                try:
                    states[role] = self._capture_container(role, container, docker_cli)
                except (EngineError, DockerException, requests.RequestException) as error:
                    raise_if_engine_gone(self.client)
                    words = state_words(container)
                    states[role] = {"missing": f"its container {words}" if words == REMOVED else str(error)}
                    if words == REMOVED:
                        removed.append(role)
                    else:
                        errors.append(error)
            write_log(self.evidence.path)
            self.evidence.write("containers.json", states)
        if errors:
            raise errors[0]
        if removed:
            raise InvalidTrial(f"no log of {' and '.join(removed)}: the container {REMOVED}")

    def _capture_former(self, role: str, container: Container) -> None:
        """Save the log and the state of a container that another one replaces, and keep it under its number."""
        name = f"{role}.{1 + sum(known.rpartition('.')[0] == role for known in self._former)}"
        with self._capturing:
            self._former[name] = self._capture_container(name, container, self.compose[0])
        self._containers[name] = container

    def _capture_container(self, name: str, container: Container, docker_cli: str) -> dict[str, Any]:
        """Write the log of one container under a name; returns the container's state."""
        streams = self.evidence.log_path(name)
        if log_file := container.labels.get(LOG_LABEL):
            log_capture.capture_file(container, log_file, streams)
            streams = self.evidence.streams_path(name)
        log_capture.capture(docker_cli, str(container.id), streams)
        container.reload()
        state: dict[str, Any] = container.attrs["State"]
        return state | {"Image": container.image.id if container.image else ""}
