"""A running stack: one Compose project with a network, and the operations on it for experiments."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import requests
from docker.errors import DockerException
from docker.models.containers import Container

from reprolab.core import interrupts
from reprolab.core.command_text import command
from reprolab.core.errors import EngineError, InvalidTrial
from reprolab.core.files import write_json
from reprolab.core.subprocesses import CommandError, run
from reprolab.core.waiting import wait_until
from reprolab.engine.containers import REMOVED, state_words
from reprolab.engine.failures import engine_errors, raise_if_engine_gone
from reprolab.engine.leftovers import remove_project
from reprolab.evidence.run_dir import LOG_LABEL
from reprolab.logs import capture as log_capture
from reprolab.stack.connections import StackConnections
from reprolab.stack.containers import remove_container
from reprolab.stack.hidden import hide
from reprolab.stack.load import StackLoad
from reprolab.stack.looks import StackLooks

READY_LIMIT = 60.0
HOLD = 10.0  # seconds
READY_LABEL = "reprolab.ready"


@dataclass
class Stack(StackLoad, StackLooks, StackConnections):
    """The containers of one trial. Experiments get this object.

    Here it starts, ends and saves its evidence. The base classes send requests, put load on it and inspect it.
    """

    on_hold: Callable[[str, float, float], None] | None = None
    """In a demonstration: shows a text with the time since a moment of the monotonic clock, for some seconds."""
    _captured: bool = False
    _capturing: Lock = field(default_factory=Lock)

    def hold(self, text: str, begun: float, seconds: float = HOLD) -> None:
        """In a demonstration, show ``text`` with the time since ``begun`` (time.monotonic()), for some seconds.

        In any other run this does nothing. A drive calls it where it would else go on before an audience has seen it.
        """
        if self.on_hold is not None:
            self.on_hold(text, begun, seconds)

    def command(self, *arguments: str) -> list[str]:
        """Compose's command line for this project, without a progress display."""
        options = ["--project-name", self.project, "--file", str(self.file), "--progress", "quiet"]
        return [*self.compose, *options, *arguments]

    def _compose(self, *arguments: str, variables: Mapping[str, str], timeout: float = 120.0) -> None:
        try:
            run(self.command(*arguments), timeout=timeout, env={**os.environ, **variables})
        except CommandError as error:
            raise_if_engine_gone(self.client)
            # If a service ended at once, its last lines tell more than Compose's error.
            self._fail_if_exited()
            raise InvalidTrial(f"compose {arguments[0]} failed: {error.finished.tail}") from error

    def up(self) -> None:
        """Start all services and wait until the stack answers. Raises InvalidTrial if it does not."""
        shown, secrets = hide(self.model)
        write_json(self.file, shown)
        interrupts.stands(self._title)
        self._compose("up", "--detach", "--no-build", *self.roles.values(), variables=secrets)
        self.wait_ready()

    def wait_ready(self, limit: float = READY_LIMIT) -> None:
        """Wait until a GET to the front has a status below 500. Raises InvalidTrial after ``limit`` seconds.

        The path is in the front's label ``reprolab.ready``; by default it is ``/``.
        """
        labels = self.model["services"][self.roles[self.front]].get("labels") or {}
        path = str(labels.get(READY_LABEL) or "/")
        answer = "none yet"

        def ready() -> bool:
            nonlocal answer
            self._fail_if_exited()
            try:
                status = self.get(path, timeout=5).status_code
            except requests.RequestException as error:
                answer = type(error).__name__
                return False
            answer = f"status {status}"
            return status < 500

        def state() -> str:
            return f"{answer}; app's last lines: {self._tail('app')}"

        wait_until(f"the stack is healthy: GET {path} gets less than 500", ready, limit, state=state)

    def down(self) -> None:
        """Remove the project's containers, network and volumes; they may be removed already.

        A signal waits for the end of it. Raises EngineError with the names of what the engine did not remove.
        """
        with interrupts.deferred():
            raise_if_engine_gone(self.client)
            with engine_errors(f"the stack {self.project} was removed"):
                try:
                    self.remove_inspectors()
                finally:
                    left = remove_project(self.client, self.project)
            if left:
                raise EngineError(
                    f"left on the engine: {'; '.join(left)}",
                    expected="an engine that removes all objects of a stack",
                    advice=f"`{command('clean', 'clean')}` and the next run try again",
                )
            interrupts.is_gone(self._title)

    @property
    def _title(self) -> str:
        return f"stack {self.project}"

    def stays(self) -> None:
        """The stack may stay up when this process ends."""
        interrupts.is_gone(self._title)

    def remove_inspectors(self) -> None:
        """End all running commands in containers, and remove the containers of clients and of looks at processes."""
        self._commands.break_off()
        self.remove_clients()
        self.remove_network_helpers()
        for inspector in self._inspectors.values():
            if inspector.container is not None:
                remove_container(inspector.container)

    def remove_containers(self) -> None:
        """Remove all containers at once. A thread that uses them gets an error and ends."""
        self.remove_inspectors()
        label = f"com.docker.compose.project={self.project}"
        # Another thread may have removed a container meanwhile.
        for container in self.client.containers.list(all=True, ignore_removed=True, filters={"label": label}):
            # The evidence is saved. A graceful stop of an old server can take half a minute.
            remove_container(container)

    def capture(self, docker_cli: str) -> None:
        """Write every service's log and state into the trial's directory, once.

        One log that cannot be fetched does not prevent the others. Then raises its error, or InvalidTrial if the
        container was removed before its log was read.
        """
        with self._capturing:
            if self._captured:
                return
            self._captured = True
            states: dict[str, Any] = {}
            errors: list[Exception] = []
            removed: list[str] = []
            for role in self.roles:
                try:
                    container = self.container(role)
                except InvalidTrial as error:
                    states[role] = {"missing": str(error)}
                    continue
                try:
                    states[role] = self._capture_role(role, container, docker_cli)
                except (EngineError, DockerException, requests.RequestException) as error:
                    raise_if_engine_gone(self.client)
                    words = state_words(container)
                    states[role] = {"missing": f"its container {words}" if words == REMOVED else str(error)}
                    if words == REMOVED:
                        removed.append(role)
                    else:
                        errors.append(error)
            self.evidence.write("containers.json", states)
        if errors:
            raise errors[0]
        if removed:
            raise InvalidTrial(f"no log of {' and '.join(removed)}: the container {REMOVED}")

    def _capture_role(self, role: str, container: Container, docker_cli: str) -> dict[str, Any]:
        """Write the log of one service; returns the state of its container."""
        streams = self.evidence.log_path(role)
        if log_file := container.labels.get(LOG_LABEL):
            log_capture.capture_file(container, log_file, streams)
            streams = self.evidence.streams_path(role)
        log_capture.capture(docker_cli, str(container.id), streams)
        container.reload()
        state: dict[str, Any] = container.attrs["State"]
        return state | {"Image": container.image.id if container.image else ""}
