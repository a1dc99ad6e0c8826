"""The engines that a user names: sockets, docker contexts, machines behind ssh, virtual machines by their kernel."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from reprolab.core.command_text import option
from reprolab.core.errors import UsageError
from reprolab.core.subprocesses import CommandError, run
from reprolab.engine.apt import Machine
from reprolab.engine.elsewhere import on_another_machine
from reprolab.scenario.kernel_setting import TEXT

LOCAL = "local"
LIMIT = 20.0  # seconds for an answer of the docker command line
VM = "vm:"  # begins the name of an engine in a virtual machine, which has no address before it is started


@dataclass(frozen=True)
class NamedEngine:
    """An engine with the name of its worker. ``ssh`` has the words for ssh, if the worker is on another machine.

    ``environ`` is what the worker of an engine in a virtual machine has in its environment, as pairs.
    """

    name: str
    endpoint: str
    ssh: tuple[str, ...] = ()
    environ: tuple[tuple[str, str], ...] = ()

    @property
    def kernel(self) -> str:
        """The kernel of a virtual machine that is to be started, as the user wrote it; "" for other engines."""
        return self.endpoint.removeprefix(VM) if self.endpoint.startswith(VM) else ""

    def running(self, address: str, environ: Mapping[str, str]) -> NamedEngine:
        """The same engine, in a virtual machine that runs: with its address, and what its worker must know of it."""
        return replace(self, endpoint=address, environ=tuple(environ.items()))


def vm_name(kernel: str) -> str:
    """The name of the worker of a virtual machine."""
    return f"vm-{kernel}"


def engines_of_kernels(endpoint: str, kernels: Iterable[str]) -> tuple[NamedEngine, ...]:
    """The engine in use, which is at an address, and one in a virtual machine for each kernel.

    Raises UsageError for an engine on another machine that no worker can be started on.
    """
    return (_in_use(endpoint), *map(engine_of_kernel, kernels))


def engine_of_kernel(kernel: str) -> NamedEngine:
    """The engine in a virtual machine with this kernel, before it is started."""
    return NamedEngine(vm_name(kernel), f"{VM}{kernel}")


def _in_use(endpoint: str) -> NamedEngine:
    if not on_another_machine(endpoint):
        return NamedEngine(LOCAL, endpoint)
    if endpoint.startswith("ssh://"):
        return _of_endpoint(endpoint, endpoint, "")
    raise UsageError(
        f"the engine in use is on another machine ({endpoint}), so it cannot build images for virtual machines here",
        expected="an engine of this machine, or one behind ssh with a checkout of the lab beside it",
        advice="unset DOCKER_HOST, or choose another docker context",
    )


def read_engines(text: str, machine: Machine | None = None) -> tuple[NamedEngine, ...]:
    """The engines of a text such as "unix:///run/docker.sock ssh://lab2 my-context vm:6.12".

    Raises UsageError for an address that is none, a context that does not exist, an engine that is named twice, and an
    engine on another machine that is not reached by ssh.
    """
    machine = machine or Machine()
    words = text.replace(",", " ").split()
    engines = [_engine(word, machine) for word in words]
    places = [_place(engine) for engine in engines]
    for word, engine, place in zip(words, engines, places, strict=True):
        if places.count(place) > 1:
            raise UsageError(
                f"{option('engines')} names {engine.endpoint} twice ({word})",
                expected="each engine once: one worker runs several trials without load, and never two with load",
            )
    return tuple(_distinct(engines))


def _place(engine: NamedEngine) -> str:
    """What is the same for two addresses of one engine: /var/run is a link to /run on most machines."""
    scheme, _, path = engine.endpoint.partition("://")
    return f"{scheme}://{Path(path).resolve()}" if scheme == "unix" else engine.endpoint


def _engine(word: str, machine: Machine) -> NamedEngine:
    if word.startswith(VM):
        kernel = word.removeprefix(VM)
        if not TEXT.fullmatch(kernel):
            raise _no_engine(word, f"{kernel!r} is no kernel")
        return engine_of_kernel(kernel)
    if "://" in word:
        return _of_endpoint(word, word, "")
    return _of_endpoint(word, _context_endpoint(word, machine), word)


def _of_endpoint(word: str, endpoint: str, name: str) -> NamedEngine:
    """The engine at an address; ``word`` is what the user wrote. Raises UsageError."""
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise _no_engine(word, str(error)) from error
    if parts.scheme == "ssh" and host and not parts.path.strip("/"):
        destination = f"{parts.username}@{host}" if parts.username else host
        if not re.fullmatch(r"[\w][\w.:@-]*", destination):
            raise _no_engine(word, f"{destination!r} is no host")
        return NamedEngine(name or host, endpoint, (*(("-p", str(port)) if port else ()), destination))
    if parts.scheme in ("unix", "npipe") and parts.path:
        return NamedEngine(name or LOCAL, endpoint)
    if parts.scheme == "tcp" and host and not on_another_machine(endpoint):
        return NamedEngine(name or LOCAL, endpoint)
    if parts.scheme == "tcp" and host:
        raise _no_engine(word, "a worker must run on the engine's own machine, which it names and watches")
    raise _no_engine(word, "it is no address of an engine")


def _no_engine(word: str, reason: str) -> UsageError:
    return UsageError(
        f"{option('engines')}: {word}: {reason}",
        expected="unix:///PATH, ssh://[USER@]HOST[:PORT], the name of a docker context for one of these, or vm:KERNEL",
        advice=f"for another machine: ssh://HOST, or a worker there and {option('scheduler', 'tcp://HOST:8786')}",
    )


def _context_endpoint(name: str, machine: Machine) -> str:
    cli = machine.which("docker")
    template = "{{.Endpoints.docker.Host}}"
    try:
        command = [cli or "docker", "context", "inspect", "--format", template, "--", name]
        return run(command, env=machine.env, timeout=LIMIT).stdout.strip()
    except CommandError as error:
        raise UsageError(
            f"{option('engines')}: there is no docker context {name!r}",
            expected="an address such as unix:///run/docker.sock or ssh://HOST, or a context that exists",
            advice="docker context ls",
        ) from error


def _distinct(engines: Iterable[NamedEngine]) -> Iterable[NamedEngine]:
    """Give engines with the same name different ones: local, local-2."""
    seen: dict[str, int] = {}
    for engine in engines:
        seen[engine.name] = number = seen.get(engine.name, 0) + 1
        yield replace(engine, name=f"{engine.name}-{number}") if number > 1 else engine


def endpoints(engines: Iterable[NamedEngine]) -> dict[str, str]:
    """Name of a worker -> address of its engine."""
    return {engine.name: engine.endpoint for engine in engines}


def results_of(results: Path, engine: NamedEngine) -> Path:
    """The results directory of the worker of an engine on this machine."""
    return results / ".workers" / re.sub(r"[^\w.-]+", "-", engine.name)
