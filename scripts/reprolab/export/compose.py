"""The Compose model of a reproducer: the scenario's own model, with a variant's factors and without the lab's parts.

Two kinds of variables stay in it: the base images, for machines that cannot reach the registry, and the factors that
the control changes. `HANDLER=default ./run.sh` is the control.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from reprolab.core import shared_files
from reprolab.core.errors import UsageError
from reprolab.export.spec import APP, Reproducer, drive_directory, has_client_container
from reprolab.scenario.model import FACTOR, Scenario, official_image
from reprolab.stack.compose import BASE_ARGUMENT, Model

DRIVE = "drive"
HARDENED = ("cap_drop", "security_opt", "pids_limit", "mem_limit")
# Where the drive starts the server in its own container, the container has no network.
SERVER_ONLY_KEYS = ("build", "image", "init", *HARDENED, "environment")
SERVICE_KEYS = (*SERVER_ONLY_KEYS, "network_mode", "depends_on", "volumes", "ports", "command")
DRIVE_COMMAND = ("python3", "-u", f"/{DRIVE}/drive.py")
DOCKERFILE = "Dockerfile"
# A volume's source: the text before the first colon that is not part of a variable.
VOLUME_SOURCE = re.compile(r"(?:\$\{[^}]*\}|[^:])*")


@dataclass(frozen=True)
class Context:
    """The build context of an image: a directory, its path in the reproducer, and the Dockerfile in it."""

    directory: Path
    place: str
    dockerfile: str


class Resolver:
    """Puts factors into a scenario's Compose file; ``used`` holds the names of the factors that the file refers to.

    ``factors`` are all of the scenario's factors with a variant's values. ``control`` holds those that stay variables.
    """

    def __init__(
        self, scenario: Scenario, reproducer: Reproducer, factors: Mapping[str, str], control: Mapping[str, str]
    ) -> None:
        self.scenario, self.reproducer = scenario, reproducer
        self.factors, self.control = factors, control
        self.images: dict[str, str] = {}
        self.used: set[str] = set()
        self.raw = read_compose(scenario.compose_file)

    def model(self) -> Model:
        """The services by role and a client; only the server where the drive starts it in its own container."""
        if has_client_container(self.scenario):
            return self._model_with_client()
        return {"services": {APP: self._server_with_drive()}}

    def _server_with_drive(self) -> Model:
        service = self._service(APP, SERVER_ONLY_KEYS)
        return service | {
            "environment": {**service.get("environment", {}), **self._drive_environment()},
            "network_mode": "none",
            "volumes": [f"./{DRIVE}:/{DRIVE}:ro"],
            "entrypoint": list(DRIVE_COMMAND),
        }

    def _model_with_client(self) -> Model:
        services = {role: self._service(role, SERVICE_KEYS) for role in self.reproducer.services}
        server = services[APP]
        services[DRIVE] = {
            "build": {"context": f"./{DRIVE}", "args": self._client_images()},
            # No init: the client runs in the server's process namespace, which has an init.
            **{key: server[key] for key in HARDENED if key in server},
            "environment": self._drive_environment(),
            "network_mode": f"service:{'proxy' if 'proxy' in services else APP}",
            # A process namespace ends with its first process, and the drive with it.
            **({} if APP in self.reproducer.stops else {"pid": f"service:{APP}"}),
            "depends_on": [*services],
            "volumes": [volume for volume in server.get("volumes", []) if not volume_source(volume).startswith(".")],
        }
        sources = {volume_source(volume) for service in services.values() for volume in service.get("volumes", [])}
        volumes = {
            name: self._resolve(entry) for name, entry in (self.raw.get("volumes") or {}).items() if name in sources
        }
        return {"services": services} | ({"volumes": volumes} if volumes else {})

    def contexts(self) -> list[Context]:
        """The build context of each image except the client's. Raises UsageError where its Dockerfile is missing."""
        services = {role: self._raw_service(role) for role in self.reproducer.services}
        contexts = [self._context(role, service["build"]) for role, service in services.items() if "build" in service]
        directories = {context.place: context.directory for context in contexts}
        for context in contexts:
            if directories[context.place] != context.directory:
                raise UsageError(
                    f"export {self.scenario.name}: {context.directory} and {directories[context.place]} "
                    "would have the same path in the reproducer",
                    expected="directories with different names for the images of a reproducer",
                )
        return contexts

    def mounted_files(self) -> list[str]:
        """The files of the scenario's directory that services mount, in the variant and in the control.

        Raises UsageError where one is missing.
        """
        files: dict[str, None] = {}
        for role in self.reproducer.services:
            for volume in self._raw_service(role).get("volumes") or []:
                for factors in (self.factors, {**self.factors, **self.control}):
                    path = self._path(volume_source(volume), factors)
                    if path.startswith("./"):
                        self._check_file(role, path, "mounts")
                        files[path.removeprefix("./")] = None
        return list(files)

    def _raw_service(self, role: str) -> Model:
        service: Model = self.raw["services"][f"{self.scenario.name}-{role}"]
        return service

    def _context(self, role: str, build: Any) -> Context:
        section = {"context": build} if isinstance(build, str) else build
        texts = (section["context"], section.get("dockerfile") or DOCKERFILE)
        path, dockerfile = (self._path(text, self.factors) for text in texts)
        if [path, dockerfile] != [self._path(text, {**self.factors, **self.control}) for text in texts]:
            raise UsageError(
                f"export {self.scenario.name}: {role} is built from {'/'.join(texts)}, which the control changes",
                expected="a control that changes the build arguments of a Dockerfile, but not its path",
            )
        directory = (self.scenario.directory / path).resolve()
        self._check_file(role, f"{path}/{dockerfile}", "is built from")
        place = "." if directory == self.scenario.directory.resolve() else directory.name
        return Context(directory, place, dockerfile)

    def _path(self, text: str, factors: Mapping[str, str]) -> str:
        """A path of the Compose file with its factors put in."""

        def put(match: re.Match[str]) -> str:
            return match[0][: match[0].index("${")] + factors[match[1]]

        return FACTOR.sub(put, text).replace("$$", "$")

    def _check_file(self, role: str, path: str, verb: str) -> None:
        if not (self.scenario.directory / path).is_file():
            raise UsageError(
                f"export {self.scenario.name}: {role} {verb} {path}, but there is no such file",
                expected="a path in the scenario's directory that exists for the variant and for the control",
            )

    def _service(self, role: str, keys: tuple[str, ...]) -> Model:
        """A service with these of its keys; it names the other services by role."""
        section = self._raw_service(role)
        service = {
            key: self._resolve(section[key]) for key in keys if key in section and key not in ("build", "environment")
        }
        if "build" in section:
            service.pop("image", None)
            service = {"build": self._build(role, section["build"])} | service
        if "environment" in section:
            variables = self._resolve(self._without_lab_names(section["environment"]))
            service["environment"] = {name: self._with_roles(str(value)) for name, value in variables.items()}
        if str(service.get("network_mode", "")).startswith("service:"):
            service["network_mode"] = f"service:{self._role(service['network_mode'].partition(':')[2])}"
        dependencies = [self._role(name) for name in service.pop("depends_on", ())]
        if kept := [name for name in dependencies if name in self.reproducer.services]:
            service["depends_on"] = kept
        return service

    def _role(self, service: str) -> str:
        return service.removeprefix(f"{self.scenario.name}-")

    def _with_roles(self, text: str) -> str:
        """A text with the names that the reproducer's services have in its network."""
        roles = "|".join(map(re.escape, self.reproducer.services))
        return re.sub(rf"\b{re.escape(self.scenario.name)}-({roles})\b", r"\1", text)

    def _without_lab_names(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Build arguments or variables without those that only the lab uses."""
        return {name: value for name, value in values.items() if name not in self.reproducer.without}

    def _build(self, role: str, build: Any) -> Model:
        """The build section of an image; the environment may name other base images."""
        place = self._context(role, build).place
        # The result is dropped: this call adds the context's factors to ``used``.
        self._resolve(build if isinstance(build, str) else build["context"])
        section = {} if isinstance(build, str) else dict(build)
        resolved = self._resolve(self._without_lab_names(section.pop("args", None) or {}))
        arguments = {
            name: self._image(name, value) if name.endswith(BASE_ARGUMENT) else value
            for name, value in resolved.items()
        }
        section["context"] = place if place == "." else f"./{place}"
        return self._resolve(section) | ({"args": arguments} if arguments else {})  # type: ignore[no-any-return]

    def _client_images(self) -> dict[str, str]:
        """The base images of the client's Dockerfile, by build argument."""
        text = (drive_directory(self.scenario) / "Dockerfile").read_text(encoding="utf-8")
        arguments = re.findall(rf"^ARG (\w+{BASE_ARGUMENT})=(\S+)$", text, re.M)
        return {name: self._image(name, value) for name, value in arguments}

    def _image(self, name: str, official: str) -> str:
        """A base image as a variable. Raises UsageError if the variable already names another image."""
        if self.images.setdefault(name, official) != official:
            raise UsageError(
                f"{self.scenario.name}: {name} is both {self.images[name]} and {official} in a reproducer",
                expected="one base image for each name; leave one of the services out",
            )
        return f"${{{name}:-{official}}}"

    def _drive_environment(self) -> dict[str, str]:
        """The factors that the drive reads, with their values."""
        return {name: self._resolve_text(f"${{{name}}}") for name in self.reproducer.reads}

    def _resolve(self, value: Any) -> Any:
        """A part of the model with its factors put in."""
        if isinstance(value, dict):
            return {key: self._resolve(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [self._resolve(entry) for entry in value]
        return self._resolve_text(value) if isinstance(value, str) else value

    def _resolve_text(self, text: str) -> str:
        return FACTOR.sub(self._factor, official_image(text))

    def _factor(self, match: re.Match[str]) -> str:
        # The match may begin with pairs of dollars, which are escaped dollars and stay as they are.
        dollars, name = match[0][: match[0].index("${")], match[1]
        self.used.add(name)
        value = self.factors[name].replace("$", "$$")
        return dollars + (f"${{{name}:-{value}}}" if name in self.control else value)


def read_compose(file: Path) -> Model:
    """A scenario's Compose file as it is written; each service also has the keys of the service that it extends.

    Paths of shared images are the places of these images.
    """
    text = shared_files.with_places(file.read_text(encoding="utf-8"), file.parent.parent.parent)
    model: Model = yaml.safe_load(text)
    for name, service in model["services"].items():
        if extended := service.pop("extends", None):
            other = yaml.safe_load((file.parent / extended["file"]).read_text(encoding="utf-8"))["services"]
            model["services"][name] = other[extended["service"]] | service
    return model


def volume_source(volume: object) -> str:
    """The source of a volume in the short form. Raises UsageError for the long form."""
    if not isinstance(volume, str):
        raise UsageError(f"the volume {volume!r} is in the long form", expected="the short form, SOURCE:TARGET")
    match = VOLUME_SOURCE.match(volume)
    return match[0] if match else ""


def build_factors(scenario: Scenario) -> set[str]:
    """The names of the factors that only the build of the server's image uses."""
    service = read_compose(scenario.compose_file)["services"][f"{scenario.name}-{APP}"]
    build, rest = yaml.dump(service.pop("build", {})), yaml.dump(service)
    in_build, in_rest = ({name for name, _ in FACTOR.findall(text)} for text in (build, rest))
    return in_build - in_rest
