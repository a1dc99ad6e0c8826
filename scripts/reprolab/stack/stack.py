"""A running stack: one Compose project on its own network, and what an experiment may do to it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import requests
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container
from requests.adapters import HTTPAdapter
from wrk_wrapper import Wrk, WrkError, WrkResult

from reprolab.core import command_text
from reprolab.core.errors import EngineError, InvalidTrial, LabError
from reprolab.core.files import write_json
from reprolab.core.subprocesses import CommandError, run
from reprolab.engine.exec import LIMIT, Commands
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.logs import capture as log_capture
from reprolab.logs import timestamps
from reprolab.processes.inspector import Forensics, Onlooker, look
from reprolab.processes.snapshot import Snapshot
from reprolab.stack.compose import Model, services_by_role

AGENT = "reprolab-probe"
SCRIPT_DIRECTORY = "/usr/share/wrk_wrapper"
TOOL_ROLES = ("wrk", "forensics")
READY_LIMIT = 60.0
DOWN_TRIES = 5
LOG_LABEL = "reprolab.log"
READY_LABEL = "reprolab.ready"


@dataclass(frozen=True)
class Load:
    """One wrk run and when it ran, by the engine's clock (nanoseconds since the epoch)."""

    result: WrkResult
    started_ns: int
    finished_ns: int

    def to_json(self) -> dict[str, Any]:
        """Everything, as wrk.json keeps it."""
        return {"started_ns": self.started_ns, "finished_ns": self.finished_ns, **self.result.to_json()}

    def summary(self) -> dict[str, Any]:
        """What an observation needs of it; wrk's printed text stays in the trial's wrk.txt."""
        return {name: value for name, value in self.to_json().items() if name != "text"}


@dataclass
class Stack:
    """Handle on one trial's containers; roles are the service names without the scenario's prefix."""

    scenario: str
    model: Model
    file: Path
    client: docker.DockerClient
    compose: tuple[str, ...]
    evidence: TrialDirectory
    owner: Mapping[str, str]
    factors: Mapping[str, str] = field(default_factory=dict)
    ready_path: str = ""
    loads: list[Load] = field(default_factory=list)
    _containers: dict[str, Container] = field(default_factory=dict)
    _commands: Commands = field(default_factory=Commands)
    _onlookers: dict[str, Onlooker] = field(default_factory=dict)

    # -- life -----------------------------------------------------------------------------------

    @property
    def project(self) -> str:
        """The Compose project's name."""
        return str(self.model["name"])

    @property
    def roles(self) -> dict[str, str]:
        """Role -> service name, without the tools that only run on demand."""
        return {r: s for r, s in services_by_role(self.model, self.scenario).items() if r not in TOOL_ROLES}

    @property
    def front(self) -> str:
        """The role that requests and load go to: the proxy, where there is one, else the server itself."""
        return "proxy" if "proxy" in self.roles else "app"

    def command(self, *arguments: str) -> list[str]:
        """Compose's command line for this project, its progress display off."""
        place = ["--project-name", self.project, "--file", str(self.file), "--progress", "quiet"]
        return [*self.compose, *place, *arguments]

    def _compose(self, *arguments: str, timeout: float = 120.0) -> None:
        try:
            run(self.command(*arguments), timeout=timeout)
        except CommandError as error:
            raise_if_engine_gone(self.client)
            # A service that ended at once may fail Compose in many ways; its own last words say why.
            self._fail_if_exited()
            raise InvalidTrial(f"compose {arguments[0]} failed: {error.finished.tail}") from error

    def up(self) -> None:
        """Start all services and wait until the stack answers. Raises InvalidTrial if it does not."""
        write_json(self.file, self.model)
        self._compose("up", "--detach", "--no-build", *self.roles.values())
        self.wait_ready()

    def down(self) -> None:
        """Remove the project's containers, network and volumes; never raises because they are gone already."""
        down = self.command("down", "--volumes", "--timeout", "1", "--remove-orphans")
        for _ in range(DOWN_TRIES):
            self.remove_containers()
            # Compose calls it a success where a network stayed because a container was still leaving it, as one does
            # that another thread removes after an interrupt.
            if run(down, timeout=120, check=False).code == 0 and not self._networks():
                return
            time.sleep(0.5)

    def _networks(self) -> list[Any]:
        filters = {"label": f"com.docker.compose.project={self.project}"}
        return list(self.client.networks.list(filters=filters))

    def remove_containers(self) -> None:
        """Remove what runs, at once; whoever works with it in another thread meets an error and ends."""
        self._commands.break_off()
        for onlooker in self._onlookers.values():
            if onlooker.container is not None:
                remove_container(onlooker.container)
        own: dict[str, str | list[str] | bool] = {"label": f"com.docker.compose.project={self.project}"}
        # One that another thread has removed meanwhile is what was wanted, not an error.
        for container in self.client.containers.list(all=True, ignore_removed=True, filters=own):
            # Evidence is safe by now; a graceful stop of an old server may take half a minute.
            remove_container(container)

    def wait_ready(self, limit: float = READY_LIMIT) -> None:
        """Wait until the stack answers with less than 500; InvalidTrial at the limit (seconds).

        It is asked for ``ready_path``, or the path in the front's label ``reprolab.ready``, or ``/``.
        """
        path = self.ready_path or self._label(self.front, READY_LABEL) or "/"
        end = time.monotonic() + limit
        state = "no answer yet"
        while time.monotonic() < end:
            self._fail_if_exited()
            try:
                answer = self.get(path, timeout=5)
                if answer.status_code < 500:
                    return
                state = f"status {answer.status_code}"
            except requests.RequestException as error:
                state = type(error).__name__
            time.sleep(0.05)
        raise InvalidTrial(
            f"not healthy after {limit:g} s: GET {path} through the stack, last state: {state}; "
            f"app's last lines: {self._tail('app')}"
        )

    def _label(self, role: str, name: str) -> str:
        labels = self.model["services"][self.roles[role]].get("labels") or {}
        return str(labels.get(name, ""))

    def _fail_if_exited(self) -> None:
        for role in self.roles:
            try:
                container = self.container(role)
            except InvalidTrial:
                continue
            container.reload()
            if container.status in ("exited", "dead"):
                code = container.attrs["State"].get("ExitCode")
                raise InvalidTrial(f"{role} did not start: exit code {code}; last lines: {self._tail(role)}")

    def _tail(self, role: str, lines: int = 8) -> str:
        try:
            return self.container(role).logs(tail=lines).decode("utf-8", "replace").strip()
        except (DockerException, InvalidTrial) as error:
            return f"({error})"

    # -- containers -----------------------------------------------------------------------------

    def container(self, role: str) -> Container:
        """The container in a role. Raises InvalidTrial if there is none."""
        if role not in self._containers:
            if role not in self.roles:
                raise InvalidTrial(f"no service in the role {role!r}; there are {', '.join(self.roles)}")
            found = self.client.containers.list(
                all=True,
                ignore_removed=True,
                filters={
                    "label": [
                        f"com.docker.compose.project={self.project}",
                        f"com.docker.compose.service={self.roles[role]}",
                    ]
                },
            )
            if not found:
                raise InvalidTrial(f"the service in the role {role!r} has no container")
            self._containers[role] = found[0]
        return self._containers[role]

    def execute(self, role: str, command: Sequence[str], limit: float = LIMIT) -> tuple[int, str]:
        """Run a command inside a container, for so many seconds; its exit code and what it printed, errors last."""
        done = self._commands.run(self.container(role), command, limit)
        return done.code, done.out + done.err

    def exists(self, role: str, path: str) -> bool:
        """Whether a path exists, seen from inside a container. Raises InvalidTrial if it cannot be looked at."""
        code, printed = self.execute(role, ["test", "-e", path])
        if code not in (0, 1):
            raise InvalidTrial(f"could not look for {path} in {role}: exit code {code} {printed.strip()}")
        return code == 0

    def running(self, role: str) -> bool:
        """Whether the container's first process still runs."""
        container = self.container(role)
        container.reload()
        return bool(container.status == "running")

    # -- requests and load ----------------------------------------------------------------------

    def url(self, path: str = "/", role: str = "") -> str:
        """The address of a service from this machine: its first published port on 127.0.0.1.

        Here and below, no ``role`` means the front: the proxy, where there is one, else the app.
        """
        role = role or self.front
        container = self.container(role)
        ports = container.attrs["NetworkSettings"]["Ports"] or {}
        bindings = [b for published in ports.values() for b in published or []]
        if not bindings:
            container.reload()
            ports = container.attrs["NetworkSettings"]["Ports"] or {}
            bindings = [b for published in ports.values() for b in published or []]
        if not bindings:
            raise InvalidTrial(f"{role} publishes no port")
        return f"http://127.0.0.1:{bindings[0]['HostPort']}{path}"

    def port(self, role: str = "") -> int:
        """The first port that a service publishes, as it is inside. Raises InvalidTrial if there is none."""
        published = self.model["services"][self.roles[role or self.front]].get("ports") or []
        if not published:
            raise InvalidTrial(f"{role or self.front} publishes no port")
        return int(published[0]["target"])

    def get(self, path: str = "/", role: str = "", **options: Any) -> requests.Response:
        """One GET on a connection of its own, past any proxy the environment names; never retried."""
        with requests.Session() as session:
            session.trust_env = False
            session.mount("http://", HTTPAdapter(max_retries=0))
            session.headers.update({"User-Agent": AGENT, "Connection": "close"})
            return session.get(self.url(path, role), **({"timeout": 10} | options))

    def probe(self, path: str = "/", role: str = "", timeout: float = 10.0) -> str:
        """What a plain client gets: a status code as text, or the name of the failure."""
        try:
            return str(self.get(path, role, timeout=timeout).status_code)
        except requests.Timeout:
            return "timeout"
        except requests.ConnectionError:
            return "refused"

    def wrk(self, path: str = "/", *, port: int = 0, role: str = "", **options: Any) -> Load:
        """Load a service with wrk from inside its own network namespace, so that no bridge is measured.

        ``port``: where it listens there; without one, the first that it publishes. ``options`` are wrk_wrapper.Wrk's
        (threads, connections, duration in s ...). Raises InvalidTrial if the load did not run: target down at the
        start, no request made, wrk failed.
        """
        tool = Wrk(script_dir=SCRIPT_DIRECTORY, **options)
        url = f"http://127.0.0.1:{port or self.port(role)}{path}"
        container = self._start_wrk(tool.command(url), role)
        try:
            code = container.wait(timeout=tool.duration + tool.timeout + 30)["StatusCode"]
            out = container.logs(stdout=True, stderr=False).decode("utf-8", "replace")
            err = container.logs(stdout=False, stderr=True).decode("utf-8", "replace")
            container.reload()
            state = container.attrs["State"]
        except requests.RequestException as error:
            raise_if_engine_gone(self.client)
            raise InvalidTrial(f"wrk did not end within its limit: {error}") from error
        finally:
            remove_container(container)
        self.evidence.write_text("wrk.txt", f"$ {' '.join(tool.command(url))}\n{out}{err}")
        try:
            result = tool.parse(out, err, code, url)
        except WrkError as error:
            raise InvalidTrial(f"the load did not run: {error}") from error
        load = Load(result, timestamps.moment_ns(state["StartedAt"]), timestamps.moment_ns(state["FinishedAt"]))
        self.loads.append(load)
        self.evidence.write("wrk.json", load.to_json())
        return load

    def _start_wrk(self, command: Sequence[str], role: str) -> Container:
        service = self.model["services"].get("wrk")
        if service is None:
            raise InvalidTrial("wrk is no part of this stack: an experiment that puts load on it must not be PARALLEL")
        container = self.client.containers.create(
            service["image"],
            entrypoint=[command[0]],
            command=list(command[1:]),
            network_mode=f"container:{self.container(role or self.front).id}",
            labels=dict(self.owner),
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            pids_limit=256,
            mem_limit="512m",
            init=True,
        )
        try:
            container.start()
        except APIError as error:
            remove_container(container)
            raise InvalidTrial(f"wrk's container did not start: {error.explanation}") from error
        return container

    # -- processes ------------------------------------------------------------------------------

    def _onlooker(self, role: str) -> Onlooker:
        if role not in self._onlookers:
            image = self.model["services"]["forensics"]["image"]
            self._onlookers[role] = Onlooker(self.client, image, self.container(role), self.owner, self._commands)
        return self._onlookers[role]

    def processes(self, role: str = "app") -> Snapshot:
        """Every process of a service: state, signals, what each thread waits for, files. Raises InvalidTrial."""
        return self._onlooker(role).snapshot()[0]

    def forensics(self, role: str = "app", name: str = "forensics", title: str = "") -> Forensics:
        """The same with Python stacks, kept as evidence below ``name`` with a summary under ``title``."""
        return look(self._onlooker(role), self.evidence, name, title)

    def kill(self, role: str, pids: Sequence[int], signal: str = "KILL") -> None:
        """Send a signal to processes of a service, as its own user; those that are gone already don't matter."""
        self.execute(role, ["sh", "-c", f"kill -{signal} {' '.join(map(str, pids))} 2>/dev/null"])

    def printed(self, role: str) -> list[str]:
        """The lines a service has written to its standard streams so far."""
        return self.container(role).logs().decode("utf-8", "replace").splitlines()

    def wait_printed(self, pattern: str, times: int = 1, role: str = "app", limit: float = 60.0) -> list[str]:
        """Wait until a service has printed a pattern so often; returns its lines. InvalidTrial at the limit (s)."""
        end = time.monotonic() + limit
        while True:
            lines = self.printed(role)
            seen = len(re.findall(pattern, "\n".join(lines)))
            if seen >= times:
                return lines
            self._fail_if_exited()
            if time.monotonic() > end:
                raise InvalidTrial(
                    f"{role} printed {pattern!r} {seen} of {times} times within {limit:g} s; "
                    f"its last lines: {self._tail(role)}"
                )
            time.sleep(0.05)

    # -- evidence -------------------------------------------------------------------------------

    def capture(self, docker_cli: str) -> None:
        """Write every service's log and state into the trial's directory."""
        states: dict[str, Any] = {}
        for role in self.roles:
            try:
                container = self.container(role)
            except InvalidTrial as error:
                states[role] = {"missing": str(error)}
                continue
            streams = self.evidence.log_path(role)
            if own_log := container.labels.get(LOG_LABEL):
                log_capture.capture_file(container, own_log, streams)
                streams = self.evidence.streams_path(role)
            log_capture.capture(docker_cli, str(container.id), streams)
            container.reload()
            states[role] = container.attrs["State"] | {"Image": container.image.id if container.image else ""}
        self.evidence.write("containers.json", states)


def remove_container(container: Container) -> None:
    """Kill and remove; not there any more is fine."""
    try:
        container.remove(force=True, v=True)
    except NotFound:
        pass
    except APIError as error:
        if error.status_code != 409:  # 409: its removal is already under way
            raise


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


def guarded(action: Callable[[], Any], client: docker.DockerClient) -> Any:
    """Run one stage of a trial; tell a failing engine (EngineError) from a failing trial (InvalidTrial)."""
    try:
        return action()
    except (LabError, InvalidTrial):
        raise
    except (DockerException, requests.RequestException, json.JSONDecodeError) as error:
        raise_if_engine_gone(client)
        raise InvalidTrial(f"{type(error).__name__}: {error}") from error
