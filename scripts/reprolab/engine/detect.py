"""Find a Docker Engine with Compose and buildx, or set one up, and describe it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import docker
from docker.errors import DockerException, ImageNotFound

from reprolab.core.errors import EngineError, UsageError
from reprolab.core.progress import OnProgress
from reprolab.core.subprocesses import CommandError, run
from reprolab.core.versions import at_least
from reprolab.engine import install
from reprolab.engine.apt import Machine
from reprolab.engine.dialed import dialed_client
from reprolab.engine.elsewhere import on_another_machine
from reprolab.engine.failures import plain_reason
from reprolab.engine.plugins import BUILDX, COMPOSE, ask_versions, ensure_plugins

MINIMUM_ENGINE = "20.10"
PROBE_LIMIT = 10.0  # seconds for the answer to one probe
CLIENT_LIMIT = 60.0  # seconds for one request of the SDK, which is its default


@dataclass(frozen=True)
class Engine:
    """The engine in use, as the evidence of every run records it."""

    version: str
    api: str
    compose: str
    buildx: str
    docker: str
    """Path of the docker command line."""
    kernel: str
    cgroup: str
    """Version and driver: ``v2 systemd``."""
    os: str
    host: str
    """The endpoint, from DOCKER_HOST or the current docker context."""
    started: bool
    """Whether this call started it."""
    architecture: str = ""
    """As the kernel names it: ``x86_64``."""


def ensure_engine(
    on_progress: OnProgress,
    environ: Mapping[str, str] = os.environ,
    *,
    machine: Machine | None = None,
) -> Engine:
    """Return a usable engine. If none answers, set one up where that is allowed and possible.

    ``on_progress`` is not called if everything is in place. ``machine`` is for tests. Raises EngineError.
    """
    machine = machine or Machine(environ=environ)
    _check_setting(machine)
    with ThreadPoolExecutor(max_workers=1) as pool:
        # The plugins take 0.1 s to print their versions: ask them at the same time as the engine.
        versions = pool.submit(ask_versions, machine)
        host = endpoint(machine)
        started = _start_if_silent(machine, on_progress, host)
        facts, info = _facts(machine, host)
    _check_engine(facts, host)
    plugins = ensure_plugins(machine, on_progress, versions.result())
    return Engine(
        version=facts["Version"],
        api=facts["ApiVersion"],
        compose=plugins[COMPOSE],
        buildx=plugins[BUILDX],
        docker=machine.which("docker"),
        kernel=info.get("KernelVersion", ""),
        cgroup=f"v{info.get('CgroupVersion', '1')} {info.get('CgroupDriver', '')}".strip(),
        os=info.get("OperatingSystem", ""),
        host=host,
        started=started,
        architecture=info.get("Architecture", ""),
    )


def client(environ: Mapping[str, str] = os.environ) -> docker.DockerClient:
    """Return an SDK client for the engine that the docker command line uses.

    Raises EngineError if the engine does not answer.
    """
    machine = Machine(environ=environ)
    host = endpoint(machine)
    try:
        return _connect(machine, host, CLIENT_LIMIT)
    except DockerException as error:
        raise _no_answer(host, _reason(error)) from error


def has_image(api: docker.DockerClient, reference: str) -> bool:
    """Whether the engine has an image of that name."""
    try:
        api.images.get(reference)
    except ImageNotFound:
        return False
    return True


def compose_command(engine: Engine) -> tuple[str, ...]:
    """Return the first words of every Compose command."""
    return (engine.docker, "compose")


def endpoint(machine: Machine) -> str:
    """Return the engine's address: DOCKER_HOST, else that of the current context, else the default socket."""
    host = machine.environ.get("DOCKER_HOST", "")
    if host:
        return host
    cli = machine.which("docker")
    if not cli:
        return _default_sockets(machine)[0]
    try:
        template = "{{.Endpoints.docker.Host}}"
        inspection = run([cli, "context", "inspect", "--format", template], env=machine.env, timeout=PROBE_LIMIT)
    except CommandError as error:
        raise EngineError(
            f"the current docker context cannot be read: {error}",
            expected="docker context inspect names an endpoint",
            advice="choose a context that exists (docker context ls; docker context use default), unset "
            "DOCKER_CONTEXT, or set DOCKER_HOST",
        ) from error
    return inspection.stdout.strip() or _default_sockets(machine)[0]


def _check_setting(machine: Machine) -> None:
    setting = machine.environ.get("REPROLAB_ENGINE", "")
    if setting not in ("", "auto", install.EXTERNAL):
        raise UsageError(
            f"REPROLAB_ENGINE={setting} is not known",
            expected=f"auto (the default) or {install.EXTERNAL} (never install or start Docker)",
        )


def _default_sockets(machine: Machine) -> tuple[str, ...]:
    return tuple(f"unix://{machine.root / name}" for name in ("var/run/docker.sock", "run/docker.sock"))


def _connect(machine: Machine, host: str, limit: float) -> docker.DockerClient:
    """Connect and ask for the version. Raises DockerException if no answer comes within ``limit`` seconds."""
    if on_another_machine(host):
        if not (command := machine.which("docker")):
            raise DockerException("the docker command line, which makes the connections to it, is not on PATH")
        return dialed_client(command, machine.env, int(limit))
    return docker.from_env(environment={**machine.environ, "DOCKER_HOST": host}, timeout=int(limit))


def _probe_failure(machine: Machine, host: str) -> str:
    """Return the reason why the engine does not answer; "" if it answers."""
    try:
        _connect(machine, host, PROBE_LIMIT).close()
    except DockerException as error:
        return _reason(error)
    return ""


def _reason(error: DockerException | OSError) -> str:
    """Return the message without what the libraries put around it."""
    return plain_reason(error).removeprefix("Error while fetching server API version: ")


def _start_if_silent(machine: Machine, on_progress: OnProgress, host: str) -> bool:
    """Start an engine if none answers; return whether one was started."""
    reason = _probe_failure(machine, host)
    if not reason:
        return False
    if host not in _default_sockets(machine):
        raise _no_answer(host, reason)
    if "Permission denied" in reason:
        raise EngineError(
            f"the engine at {host} refuses this user: {reason}",
            expected="a user who may use Docker",
            advice="run as root or as a member of the group docker (usermod -aG docker NAME, log in again)",
        )
    install.require_permission(machine, f"no Docker Engine answers at {host} ({reason})")
    with install.setup_lock(machine, on_progress):
        return _set_up(machine, on_progress, host)


def _set_up(machine: Machine, on_progress: OnProgress, host: str) -> bool:
    def answers() -> bool:
        return not _probe_failure(machine, host)

    if answers():  # another lab has set it up while this one waited for the lock
        return False
    install.install_engine(machine, on_progress)
    if not answers():  # the package's own scripts may have started it already
        install.start_engine(machine, on_progress, answers)
    return True


def _no_answer(host: str, reason: str) -> EngineError:
    return EngineError(
        f"no Docker Engine answers at {host}: {reason}",
        expected="a Docker Engine >= 20.10 behind DOCKER_HOST or the current docker context",
        advice="start that engine, or unset DOCKER_HOST (docker context use default) to use the local one; "
        "for TLS set DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH; for ssh, `docker version` must answer "
        "without a question: a known host, and a key without a passphrase or in an agent",
    )


def _facts(machine: Machine, host: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the engine's answers to /version and /info."""
    try:
        sdk = _connect(machine, host, PROBE_LIMIT)
        try:
            return sdk.version(), sdk.info()
        finally:
            sdk.close()
    except (DockerException, OSError) as error:  # the errors of requests are OSErrors
        raise _no_answer(host, _reason(error)) from error


def _check_engine(facts: Mapping[str, Any], host: str) -> None:
    if not at_least(facts["Version"], MINIMUM_ENGINE):
        raise EngineError(
            f"the Docker Engine at {host} is too old: {facts['Version']}",
            expected=f"{MINIMUM_ENGINE} or later",
            advice="upgrade it, or point DOCKER_HOST at a newer engine",
        )
