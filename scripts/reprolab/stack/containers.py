"""The containers of a running stack by role, and commands in them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container

from reprolab.core.errors import InvalidTrial
from reprolab.core.subprocesses import CommandError, run
from reprolab.core.waiting import patient
from reprolab.engine import elsewhere
from reprolab.engine.containers import PAUSED, REMOVED, state_words
from reprolab.engine.detect import has_image
from reprolab.engine.events import engine_time_ns
from reprolab.engine.exec import LIMIT, Commands
from reprolab.engine.failures import raise_if_engine_gone
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.stack.compose import Model, services_by_role

TOOL_ROLES = ("wrk", "forensics", "client", "network")


@dataclass
class StackContainers:
    """The containers of one Compose project. A role is a service's name without the scenario's prefix.

    ``factors`` are the values of all factors; ``owner`` are labels for the containers that the lab adds to the stack.
    ``timeouts`` are the paths of the probes that had no answer within their limits. ``ends`` has the services that the
    experiment may end: the moment from which on, by the engine's clock (nanoseconds since the epoch), and why.
    ``may_fail`` are the services whose start may fail. ``side_by_side`` says whether other trials of the run may run
    at the same time.
    """

    scenario: str
    model: Model
    file: Path
    client: docker.DockerClient
    compose: tuple[str, ...]
    evidence: TrialDirectory
    owner: Mapping[str, str]
    factors: Mapping[str, str] = field(default_factory=dict)
    timeouts: list[str] = field(default_factory=list)
    ends: dict[str, tuple[int, str]] = field(default_factory=dict)
    may_fail: frozenset[str] = frozenset()
    side_by_side: bool = False
    _containers: dict[str, Container] = field(default_factory=dict)
    _commands: Commands = field(default_factory=Commands)

    @property
    def project(self) -> str:
        return str(self.model["name"])

    @property
    def is_elsewhere(self) -> bool:
        """Whether the engine's ports and files are those of another machine."""
        return elsewhere.ports_elsewhere(str(self.client.api.base_url))

    @property
    def roles(self) -> dict[str, str]:
        """Role -> service name, without the tools, which start on demand."""
        return {r: s for r, s in services_by_role(self.model, self.scenario).items() if r not in TOOL_ROLES}

    @property
    def front(self) -> str:
        """The role that gets requests and load: the proxy if there is one, otherwise the app."""
        return "proxy" if "proxy" in self.roles else "app"

    def container(self, role: str) -> Container:
        """The container in a role. Raises InvalidTrial if there is none."""
        if role not in self._containers:
            if role not in self.roles:
                raise InvalidTrial(f"no service in the role {role!r}; there are {', '.join(self.roles)}")
            containers = self.client.containers.list(
                all=True,
                ignore_removed=True,
                filters={
                    "label": [
                        f"com.docker.compose.project={self.project}",
                        f"com.docker.compose.service={self.roles[role]}",
                    ]
                },
            )
            if not containers:
                raise InvalidTrial(f"the service in the role {role!r} has no container")
            self._containers[role] = containers[0]
        return self._containers[role]

    def execute(self, role: str, command: Sequence[str], limit: float = LIMIT) -> tuple[int, str]:
        """Run a command in a container for at most ``limit`` seconds; its exit code and output, stderr last."""
        output = self._commands.run(self.container(role), command, limit, name=role)
        return output.code, output.out + output.err

    def exists(self, role: str, path: str) -> bool:
        """Whether a path exists in a container. Raises InvalidTrial if this cannot be checked."""
        code, printed = self.execute(role, ["test", "-e", path])
        if code not in (0, 1):
            raise InvalidTrial(f"could not look for {path} in {role}: exit code {code} {printed.strip()}")
        return code == 0

    def running(self, role: str) -> bool:
        """Whether the container's first process still runs."""
        container = self.container(role)
        container.reload()
        return bool(container.status == "running")

    def kill(self, role: str, pids: Sequence[int], signal: str = "KILL") -> None:
        """Send a signal to processes of a service, as the service's user. Processes that have ended are ignored."""
        self.execute(role, ["sh", "-c", f"kill -{signal} {' '.join(map(str, pids))} 2>/dev/null"])

    def may_end(self, role: str, why: str) -> None:
        """Declare that the experiment itself ends, stops, pauses or cuts off a service from now on.

        Without it a service to which that happens makes the trial invalid. ``why`` goes into the evidence.
        """
        self.container(role)
        if role not in self.ends:
            self.ends[role] = (engine_time_ns(self.client), why)

    def command(self, *arguments: str) -> list[str]:
        """Compose's command line for this project, without a progress display."""
        options = ["--project-name", self.project, "--file", str(self.file), "--progress", "quiet"]
        return [*self.compose, *options, *arguments]

    def _compose(self, *arguments: str, variables: Mapping[str, str], timeout: float = 120.0) -> None:
        try:
            run(self.command(*arguments), timeout=patient(timeout), env={**os.environ, **variables})
        except CommandError as error:
            raise_if_engine_gone(self.client)
            # If a service ended at once, its last lines tell more than Compose's error.
            self._fail_if_exited()
            lacking = f"; this engine does not have {lacks}" if (lacks := self._missing_images()) else ""
            raise InvalidTrial(f"compose {arguments[0]} failed{lacking}: {error.finished.tail}") from error

    def _missing_images(self) -> str:
        """The images of other projects that the stack needs and this engine lacks: Compose's error names no image."""
        images = dict.fromkeys(section.get("image", "") for section in self.model["services"].values())
        try:
            return ", ".join(image for image in images if image and not has_image(self.client, image))
        except DockerException:
            return ""

    def without_ids(self, text: str) -> str:
        """A text in which the containers have the names of their roles in place of their ids."""
        for role, container in self._containers.items():
            text = text.replace(str(container.id), role).replace(str(container.short_id), role)
        return text

    def _fail_if_exited(self, *, started: bool = False) -> None:
        """Raise InvalidTrial if a service has ended or cannot work: NotStarted, unless the stack has ``started``.

        A service that may end, or whose start may fail, is left out.
        """
        for role in self.roles:
            if role in self.ends or role in self.may_fail:
                continue
            try:
                container = self.container(role)
            except InvalidTrial:
                continue
            words = state_words(container)
            if container.status in ("exited", "dead"):
                code = container.attrs["State"].get("ExitCode")
                kind, what = (InvalidTrial, "has ended") if started else (NotStarted, "did not start")
                raise kind(f"{role} {what}: exit code {code}; last lines: {self._tail(role)}")
            if words in (PAUSED, REMOVED):
                raise InvalidTrial(f"{role} {words}")

    def _tail(self, role: str, lines: int = 8) -> str:
        try:
            return self.container(role).logs(tail=lines).decode("utf-8", "replace").strip()
        except (DockerException, InvalidTrial) as error:
            return f"({error})"


class NotStarted(InvalidTrial):
    """A service ended before the stack was up."""


def start_beside(
    client: docker.DockerClient,
    image: str,
    target: Container,
    owner: Mapping[str, str],
    failure: str,
    subject: str,
    **options: Any,
) -> Container:
    """Start a container of the lab in the network namespace of ``target``, without rights but those in ``options``.

    Raises InvalidTrial if that fails: ``failure``, and the engine's reason, or that ``subject`` is paused or has ended.
    """
    container = None
    try:
        container = client.containers.create(
            image,
            network_mode=f"container:{target.id}",
            labels=dict(owner),
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            init=True,
            **options,
        )
        container.start()
    except APIError as error:
        if container is not None:
            remove_container(container)
        words = state_words(target)
        raise InvalidTrial(f"{failure}: {f'{subject} {words}' if words else error.explanation}") from error
    return container


def remove_container(container: Container) -> None:
    """Kill and remove a container; it may be removed already."""
    try:
        container.remove(force=True, v=True)
    except NotFound:
        pass
    except APIError as error:
        if error.status_code != 409:  # 409: the engine is already removing it
            raise
