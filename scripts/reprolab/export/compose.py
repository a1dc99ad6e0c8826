"""The Compose model of a reproducer: the scenario's own, with a variant's factors put in and the lab taken out.

What stays a variable are the base images, for machines that cannot reach the registry, and the factors that the
control changes: `HANDLER=default ./run.sh` is the control.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from reprolab.core.errors import UsageError
from reprolab.export.spec import APP, Reproducer, beside, drives
from reprolab.scenario.model import FACTOR, Scenario, official_image
from reprolab.stack.compose import BASE_ARGUMENT, Model

DRIVE = "drive"
HARDENED = ("cap_drop", "security_opt", "pids_limit", "mem_limit")
# Where the drive starts the server itself, nothing is to reach it from outside, nor it anything.
INSIDE_KEPT = ("build", "image", "init", *HARDENED, "environment")
KEPT = (*INSIDE_KEPT, "network_mode", "depends_on", "volumes", "ports", "command")
IN_CONTAINER = ("python3", "-u", f"/{DRIVE}/drive.py")
DOCKERFILE = "Dockerfile"
# A volume's source: all before the first colon that is no part of a variable.
SOURCE = re.compile(r"(?:\$\{[^}]*\}|[^:])*")


@dataclass(frozen=True)
class Context:
    """What an image is built from: a directory, its place in the reproducer, and the Dockerfile in it."""

    directory: Path
    place: str
    dockerfile: str


class Resolver:
    """Puts factors into a scenario's Compose file; ``used`` are those that came to stand in it.

    ``factors`` are all of the scenario's with a variant's values, ``control`` those that stay variables.
    """

    def __init__(
        self, scenario: Scenario, reproducer: Reproducer, factors: Mapping[str, str], control: Mapping[str, str]
    ) -> None:
        self.scenario, self.reproducer = scenario, reproducer
        self.factors, self.control = factors, control
        self.images: dict[str, str] = {}
        self.used: set[str] = set()
        self.raw = raw(scenario.compose_file)

    def model(self) -> Model:
        """The file: of the services by role, and a client; or of the server alone, where the drive starts it."""
        return self._with_client() if beside(self.scenario) else {"services": {APP: self._alone()}}

    def _alone(self) -> Model:
        service = self._service(APP, INSIDE_KEPT)
        return service | {
            "environment": {**service.get("environment", {}), **self._read()},
            "network_mode": "none",
            "volumes": [f"./{DRIVE}:/{DRIVE}:ro"],
            "entrypoint": list(IN_CONTAINER),
        }

    def _with_client(self) -> Model:
        services = {role: self._service(role, KEPT) for role in self.reproducer.services}
        own = services[APP]
        services[DRIVE] = {
            "build": {"context": f"./{DRIVE}", "args": self._client_images()},
            # No init: it has one, that of the server, in whose process namespace it runs.
            **{key: own[key] for key in HARDENED if key in own},
            "environment": self._read(),
            "network_mode": f"service:{'proxy' if 'proxy' in services else APP}",
            "pid": f"service:{APP}",
            "depends_on": [*services],
            "volumes": [one for one in own.get("volumes", []) if not source(one).startswith(".")],
        }
        named = {source(volume) for service in services.values() for volume in service.get("volumes", [])}
        volumes = {name: self._walk(entry) for name, entry in (self.raw.get("volumes") or {}).items() if name in named}
        return {"services": services} | ({"volumes": volumes} if volumes else {})

    def contexts(self) -> list[Context]:
        """What each image of the case but the drive's is built from. Raises UsageError where that is not there."""
        services = {role: self._known(role) for role in self.reproducer.services}
        found = [self._context(role, service["build"]) for role, service in services.items() if "build" in service]
        places = {one.place: one.directory for one in found}
        for one in found:
            if places[one.place] != one.directory:
                raise UsageError(
                    f"export {self.scenario.name}: {one.directory} and {places[one.place]} have one place in it",
                    expected="directories with names that differ, for the images of a reproducer",
                )
        return found

    def mounted(self) -> list[str]:
        """The files beside the Compose file that services read, those of the control too.

        Raises UsageError where one is not there.
        """
        found: dict[str, None] = {}
        for role in self.reproducer.services:
            for volume in self._known(role).get("volumes") or []:
                for factors in (self.factors, {**self.factors, **self.control}):
                    path = self._fixed(source(volume), factors)
                    if path.startswith("./"):
                        self._check_file(role, path, "reads")
                        found[path.removeprefix("./")] = None
        return list(found)

    def _known(self, role: str) -> Model:
        known: Model = self.raw["services"][f"{self.scenario.name}-{role}"]
        return known

    def _context(self, role: str, build: Any) -> Context:
        known = {"context": build} if isinstance(build, str) else build
        texts = (known["context"], known.get("dockerfile") or DOCKERFILE)
        path, dockerfile = (self._fixed(text, self.factors) for text in texts)
        if [path, dockerfile] != [self._fixed(text, {**self.factors, **self.control}) for text in texts]:
            raise UsageError(
                f"export {self.scenario.name}: {role} is built from {'/'.join(texts)}, which the control changes",
                expected="a control that changes what a Dockerfile gets, not which one it is",
            )
        directory = (self.scenario.directory / path).resolve()
        self._check_file(role, f"{path}/{dockerfile}", "is built from")
        place = "." if directory == self.scenario.directory.resolve() else directory.name
        return Context(directory, place, dockerfile)

    def _fixed(self, text: str, factors: Mapping[str, str]) -> str:
        """A path with factors put in."""
        return FACTOR.sub(lambda found: found[0][: found[0].index("${")] + factors[found[1]], text).replace("$$", "$")

    def _check_file(self, role: str, path: str, does: str) -> None:
        if not (self.scenario.directory / path).is_file():
            raise UsageError(
                f"export {self.scenario.name}: {role} {does} {path}, which is no file",
                expected="a path from the scenario's directory that is there for the variant, and for the control",
            )

    def _service(self, role: str, kept: tuple[str, ...]) -> Model:
        """A service with the keys that the case needs, and its neighbours by role."""
        known = self._known(role)
        own = {key: self._walk(known[key]) for key in kept if key in known and key not in ("build", "environment")}
        if "build" in known:
            own = {"build": self._build(role, known["build"])} | {key: own[key] for key in own if key != "image"}
        if "environment" in known:
            own["environment"] = {
                name: str(value) for name, value in self._walk(self._ours(known["environment"])).items()
            }
        if str(own.get("network_mode", "")).startswith("service:"):
            own["network_mode"] = f"service:{self._role(own['network_mode'].partition(':')[2])}"
        if neighbours := [one for one in map(self._role, own.pop("depends_on", ())) if one in self.reproducer.services]:
            own["depends_on"] = neighbours
        return own

    def _role(self, service: str) -> str:
        return service.removeprefix(f"{self.scenario.name}-")

    def _ours(self, known: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments or variables without those that the lab alone uses."""
        return {name: value for name, value in known.items() if name not in self.reproducer.without}

    def _build(self, role: str, known: Any) -> Model:
        """Where an image is built from and with which arguments; base images may be named by the environment."""
        place = self._context(role, known).place
        # Walked for the factors that stand in it.
        self._walk(known if isinstance(known, str) else known["context"])
        rest = {} if isinstance(known, str) else dict(known)
        given = self._walk(self._ours(rest.pop("args", None) or {}))
        arguments = {
            name: self._image(name, value) if name.endswith(BASE_ARGUMENT) else value for name, value in given.items()
        }
        rest["context"] = place if place == "." else f"./{place}"
        return self._walk(rest) | ({"args": arguments} if arguments else {})  # type: ignore[no-any-return]

    def _client_images(self) -> dict[str, str]:
        """The base images of the drive's own Dockerfile."""
        text = (drives(self.scenario) / "Dockerfile").read_text(encoding="utf-8")
        found = re.findall(rf"^ARG (\w+{BASE_ARGUMENT})=(\S+)$", text, re.M)
        return {name: self._image(name, value) for name, value in found}

    def _image(self, name: str, official: str) -> str:
        """A base image as a variable; one variable cannot stand for two images."""
        if self.images.setdefault(name, official) != official:
            raise UsageError(
                f"{self.scenario.name}: {name} is both {self.images[name]} and {official} in a reproducer",
                expected="one base image for each name; leave one of the services out",
            )
        return f"${{{name}:-{official}}}"

    def _read(self) -> dict[str, str]:
        """The factors that the drive reads."""
        return {name: self._text(f"${{{name}}}") for name in self.reproducer.reads}

    def _walk(self, part: Any) -> Any:
        """A part of the model with its factors put in."""
        if isinstance(part, dict):
            return {key: self._walk(value) for key, value in part.items()}
        if isinstance(part, list):
            return [self._walk(value) for value in part]
        return self._text(part) if isinstance(part, str) else part

    def _text(self, value: str) -> str:
        return FACTOR.sub(self._factor, official_image(value))

    def _factor(self, found: re.Match[str]) -> str:
        # What stands before the brace may be pairs of dollars, which are none of ours.
        dollars, name = found[0][: found[0].index("${")], found[1]
        self.used.add(name)
        value = self.factors[name].replace("$", "$$")
        return dollars + (f"${{{name}:-{value}}}" if name in self.control else value)


def raw(file: Path) -> Model:
    """A Compose file as it is written, but each service has the keys of the service that it extends, too."""
    model: Model = yaml.safe_load(file.read_text(encoding="utf-8"))
    for name, service in model["services"].items():
        if extended := service.pop("extends", None):
            other = yaml.safe_load((file.parent / extended["file"]).read_text(encoding="utf-8"))["services"]
            model["services"][name] = other[extended["service"]] | service
    return model


def source(volume: object) -> str:
    """What a volume in the short form mounts. Raises UsageError for one in the long form."""
    if not isinstance(volume, str):
        raise UsageError(f"the volume {volume!r} is in the long form", expected="SOURCE:TARGET, in one text")
    found = SOURCE.match(volume)
    return found[0] if found else ""


def build_factors(scenario: Scenario) -> set[str]:
    """The factors that go into the server's image and nowhere else."""
    service = raw(scenario.compose_file)["services"][f"{scenario.name}-{APP}"]
    inside, outside = yaml.dump(service.pop("build", {})), yaml.dump(service)
    named = ({name for name, _ in FACTOR.findall(text)} for text in (inside, outside))
    return next(named) - next(named)
