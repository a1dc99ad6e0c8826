"""The Compose model of a reproducer: the scenario's own, with a variant's factors put in and the lab taken out.

What stays a variable are the base images, for machines that cannot reach the registry, and the factors that the
control changes: `HANDLER=default ./run.sh` is the control.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from reprolab.composefile import BASE_ARGUMENT
from reprolab.errors import UsageError
from reprolab.reproducer import APP, Reproducer, drives
from reprolab.scenario import FACTOR, Scenario

DRIVE = "drive"
KEPT = (
    "build",
    "init",
    "cap_drop",
    "security_opt",
    "pids_limit",
    "mem_limit",
    "environment",
    "network_mode",
    "depends_on",
    "volumes",
    "ports",
    "command",
)
# No init: it has one, that of the server, in whose process namespace it runs.
HARDENED = ("cap_drop", "security_opt", "pids_limit", "mem_limit")
# Where the drive starts the server itself, nothing is to reach it from outside, nor it anything.
INSIDE_KEPT = tuple(key for key in KEPT if key not in ("network_mode", "depends_on", "volumes", "ports", "command"))
IN_CONTAINER = ("python3", "-u", f"/{DRIVE}/drive.py")

Model = dict[str, Any]


def stack(scenario: Scenario, reproducer: Reproducer, factors: Mapping[str, str], open_factors: set[str]) -> Model:
    """The services, by role, of a case whose drive has a container of its own."""
    raw = _raw(scenario)
    resolver = Resolver(scenario, reproducer, factors, open_factors)
    known = {role: raw["services"][f"{scenario.name}-{role}"] for role in reproducer.services}
    services = {role: resolver.service(service, KEPT) for role, service in known.items()}
    own = services[APP]
    front = "proxy" if "proxy" in services else APP
    services[DRIVE] = {
        "build": {"context": f"./{DRIVE}", "args": resolver.base_images(drives(scenario) / "Dockerfile")},
        **{key: own[key] for key in HARDENED if key in own},
        "environment": {name: resolver.text(f"${{{name}}}") for name in reproducer.reads},
        "network_mode": f"service:{front}",
        "pid": f"service:{APP}",
        "depends_on": [*services],
        "volumes": [one for one in own.get("volumes", []) if not one.startswith(".")],
    }
    named = {volume.partition(":")[0] for service in services.values() for volume in service.get("volumes", [])}
    volumes = {name: entry for name, entry in resolver.walk(raw.get("volumes") or {}).items() if name in named}
    return {"services": services} | ({"volumes": volumes} if volumes else {})


def inside(scenario: Scenario, reproducer: Reproducer, factors: Mapping[str, str], open_factors: set[str]) -> Model:
    """The one service of a case whose drive runs in the server's container and starts the server itself."""
    resolver = Resolver(scenario, reproducer, factors, open_factors)
    service = resolver.service(_raw(scenario)["services"][f"{scenario.name}-{APP}"], INSIDE_KEPT)
    read = {name: resolver.text(f"${{{name}}}") for name in reproducer.reads}
    service |= {
        "environment": {**service.get("environment", {}), **read},
        "network_mode": "none",
        "volumes": [f"./{DRIVE}:/{DRIVE}:ro"],
        "entrypoint": list(IN_CONTAINER),
    }
    return {"services": {APP: service}}


def contexts(scenario: Scenario, reproducer: Reproducer) -> dict[str, tuple[Path, str]]:
    """For each role: the directory that its image is built from, and that directory's place in the reproducer."""
    services = _raw(scenario)["services"]
    return {role: _context(scenario, services[f"{scenario.name}-{role}"]["build"]) for role in reproducer.services}


def mounted(scenario: Scenario, reproducer: Reproducer) -> Iterator[str]:
    """The configuration files that the services read from beside the Compose file."""
    for role in reproducer.services:
        for volume in _raw(scenario)["services"][f"{scenario.name}-{role}"].get("volumes") or []:
            source = str(volume).partition(":")[0]
            if source.startswith("./"):
                yield source.removeprefix("./")


def _raw(scenario: Scenario) -> Model:
    model: Model = yaml.safe_load(scenario.compose_file.read_text(encoding="utf-8"))
    return model


def _context(scenario: Scenario, build: Any) -> tuple[Path, str]:
    source = str(build if isinstance(build, str) else build["context"])
    directory = (scenario.directory / source).resolve()
    return directory, "." if directory == scenario.directory.resolve() else directory.name


class Resolver:
    """Puts the factors in, in every text of a model."""

    def __init__(
        self, scenario: Scenario, reproducer: Reproducer, factors: Mapping[str, str], open_factors: set[str]
    ) -> None:
        self.scenario, self.reproducer = scenario, reproducer
        self.factors, self.open = factors, open_factors
        self.images: dict[str, str] = {}

    def text(self, value: str) -> str:
        """One text with its factors; those that the control changes stay, with this variant's value as default."""
        return FACTOR.sub(self._factor, value)

    def _factor(self, found: re.Match[str]) -> str:
        # What stands before the brace may be pairs of dollars, which are none of ours.
        dollars, name = found[0][: found[0].index("${")], found[1]
        value = self.factors[name].replace("$", "$$")
        return dollars + (f"${{{name}:-{value}}}" if name in self.open else value)

    def walk(self, part: Any) -> Any:
        """The same for everything in a part of the model."""
        if isinstance(part, dict):
            return {key: self.walk(value) for key, value in part.items()}
        if isinstance(part, list):
            return [self.walk(value) for value in part]
        return self.text(part) if isinstance(part, str) else part

    def service(self, raw: Model, kept: tuple[str, ...]) -> Model:
        """A service with the keys that the case needs, and its neighbours by role."""
        own = {key: self.walk(raw[key]) for key in kept if key in raw}
        if "build" in own:
            own["build"] = self.build(raw["build"])
        if "environment" in own:
            known = own["environment"].items()
            own["environment"] = {name: str(value) for name, value in known if name not in self.reproducer.without}
        if str(own.get("network_mode", "")).startswith("service:"):
            own["network_mode"] = f"service:{self.role(own['network_mode'].partition(':')[2])}"
        if "depends_on" in own:
            own["depends_on"] = [one for one in map(self.role, own["depends_on"]) if one in self.reproducer.services]
            own = {key: value for key, value in own.items() if key != "depends_on" or value}
        return own

    def role(self, service: str) -> str:
        """A service's role: its name without the scenario's."""
        return service.removeprefix(f"{self.scenario.name}-")

    def build(self, raw: Any) -> Model:
        """Where an image is built from and with which arguments; base images may be named by the environment."""
        place = _context(self.scenario, raw)[1]
        rest = {} if isinstance(raw, str) else {key: self.walk(value) for key, value in raw.items()}
        arguments = {
            name: self.image(name, value) if name.endswith(BASE_ARGUMENT) else value
            for name, value in (rest.pop("args", None) or {}).items()
            if name not in self.reproducer.without
        }
        return {**rest, "context": place if place == "." else f"./{place}"} | ({"args": arguments} if arguments else {})

    def base_images(self, dockerfile: Path) -> dict[str, str]:
        """The base images of a Dockerfile that is the reproducer's own."""
        found = re.findall(rf"^ARG (\w+{BASE_ARGUMENT})=(\S+)$", dockerfile.read_text(encoding="utf-8"), re.M)
        return {name: self.image(name, value) for name, value in found}

    def image(self, name: str, official: str) -> str:
        """A base image as a variable; one variable cannot stand for two images."""
        if self.images.setdefault(name, official) != official:
            raise UsageError(
                f"{self.scenario.name}: {name} is both {self.images[name]} and {official} in a reproducer",
                expected="one base image for each name; leave one of the services out",
            )
        return f"${{{name}:-{official}}}"


def build_factors(scenario: Scenario) -> set[str]:
    """The factors that go into the server's image and nowhere else."""
    raw = _raw(scenario)["services"][f"{scenario.name}-{APP}"]
    inside, outside = yaml.dump(raw.pop("build", {})), yaml.dump(raw)
    named = ({name for name, _ in FACTOR.findall(text)} for text in (inside, outside))
    return next(named) - next(named)
