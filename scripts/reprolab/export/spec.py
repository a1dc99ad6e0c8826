"""The description of a scenario's reproducer: reads and checks scenarios/NAME/reproducer.yaml.

A reproducer is a directory that `reprolab export` writes. It needs only Docker, and the exit status of its `run.sh`
says whether one sign shows. Nothing in this module talks to Docker.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from reprolab.core.config_file import hint, mapping, read_yaml
from reprolab.core.errors import UsageError
from reprolab.scenario.model import FACTOR, Claim, Experiment, Scenario
from reprolab.scenario.scaffold import how_to_add, how_to_write

FILE = "reproducer.yaml"
DRIVE_DIRECTORY = "reproducer"
APP = "app"
TEXTS = ("claim", "variant", "control", "title", "sign")
LISTS = ("services", "reads", "leave_out", "without", "stops")
OPTIONAL = (*LISTS, "expect", "lasts", "means", "venv")
VENV_KEYS = ("needs", "first", "install")
STEP_KEYS = ("packages", "when", "unless")


@dataclass(frozen=True)
class ReproducerStep:
    """Packages and requirement lists (`-r FILE`) that are installed together.

    ``when`` and ``unless`` are conditions on factors, NAME=PATTERN: at least one of ``when`` must hold, if there are
    any, and none of ``unless``.
    """

    packages: tuple[str, ...]
    when: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()

    def applies(self, factors: Mapping[str, str]) -> bool:
        """Whether the packages are installed with these factors."""
        wanted = any(_matches(condition, factors) for condition in self.when) or not self.when
        return wanted and not any(_matches(condition, factors) for condition in self.unless)


@dataclass(frozen=True)
class Venv:
    """How the server is installed without Docker.

    ``needs`` says in words what the machine must have, ``first`` are the build tools, installed before ``install``.
    """

    needs: str
    first: tuple[str, ...]
    install: tuple[ReproducerStep, ...]

    @property
    def factors(self) -> set[str]:
        """The names of the factors that decide what is installed."""
        conditions = [condition for step in self.install for condition in (*step.when, *step.unless)]
        texts = [*conditions, *(package for step in self.install for package in step.packages)]
        names = {condition.partition("=")[0] for condition in conditions}
        return names | {name for text in texts for name, _ in FACTOR.findall(text)}


@dataclass(frozen=True)
class Reproducer:
    """One sign of a scenario, the variant that shows it, and the control that differs in a factor.

    ``services`` are the roles that the reproducer needs, ``reads`` the factors that the drive itself reads.
    ``leave_out`` are files of the server's build that only the lab uses, ``without`` the names of build arguments and
    variables that only the lab uses. ``stops`` are the roles that the drive lets run.sh stop and start. ``means``
    explains each factor that the control changes and that is not part of the stack. ``venv`` is set for reproducers
    without a proxy, which can also run without Docker.
    """

    claim: Claim
    experiment: Experiment
    variant: str
    control: str
    title: str
    sign: str
    services: tuple[str, ...] = (APP,)
    reads: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()
    expect: str = ""
    lasts: str = ""
    means: Mapping[str, str] = field(default_factory=dict)
    venv: Venv | None = None


def load(scenario: Scenario) -> Reproducer:
    """Read a scenario's reproducer.yaml. Raises UsageError for a missing or malformed file."""
    where = f"scenarios/{scenario.name}/{FILE}"
    content = _read(scenario.directory / FILE, where)
    experiment, claim = _claim(scenario, content["claim"], where)
    for key in ("variant", "control"):
        check_variant(experiment, content[key], f"{where}, {key}")
    lists = {key: _texts(content.get(key, []), f"{where}, {key}") for key in LISTS}
    reproducer = Reproducer(
        claim=claim,
        experiment=experiment,
        variant=content["variant"],
        control=content["control"],
        title=content["title"].strip(),
        sign=content["sign"].strip(),
        services=lists["services"] or (APP,),
        reads=lists["reads"],
        leave_out=lists["leave_out"],
        without=lists["without"],
        stops=lists["stops"],
        expect=str(content.get("expect") or "").strip(),
        lasts=str(content.get("lasts") or "").strip(),
        means=_means(scenario, content.get("means", {}), f"{where}, means"),
        venv=_venv(content["venv"], f"{where}, venv") if "venv" in content else None,
    )
    _check(scenario, reproducer, where)
    return reproducer


def _read(path: Path, where: str) -> dict[str, Any]:
    if not path.is_file():
        raise UsageError(
            f"{where} is missing",
            expected="the sign to show, see " + how_to_write(path.parents[2]),
            advice=how_to_add(path.parent.name, "reproducer"),
        )
    content = mapping(read_yaml(path, where), (*TEXTS, *OPTIONAL), where)
    for key in TEXTS:
        text = content.get(key)
        if not isinstance(text, str) or not text.strip():
            raise UsageError(f"{where}: {key} is missing", expected="a line of text")
        # The texts are written into comments and quotes of the scripts.
        if re.search(r"[\n`$]", text.strip()):
            raise UsageError(f"{where}: {key} is {text!r}", expected="one line, without backticks and dollars")
    return content


def drive_directory(scenario: Scenario) -> Path:
    """The directory with the files that drive the server in a reproducer."""
    return scenario.directory / DRIVE_DIRECTORY


def has_client_container(scenario: Scenario) -> bool:
    """Whether the drive has its own container. Otherwise it runs in the server's container and starts the server."""
    return (drive_directory(scenario) / "Dockerfile").is_file()


def check_variant(experiment: Experiment, name: str, where: str) -> None:
    """Raise UsageError for a variant that the experiment does not have."""
    if name not in experiment.variants:
        raise UsageError(
            f"{where}: {experiment.name} has no variant {name!r}{hint(name, experiment.variants)}",
            expected="one of " + ", ".join(experiment.variants),
        )


def _claim(scenario: Scenario, name: str, where: str) -> tuple[Experiment, Claim]:
    for experiment in scenario.experiments.values():
        for claim in experiment.claims:
            if claim.id == name:
                return experiment, claim
    ids = [claim.id for claim in scenario.claims]
    raise UsageError(f"{where}: no claim {name!r}{hint(name, ids)}", expected="one of " + ", ".join(ids))


def _check(scenario: Scenario, reproducer: Reproducer, where: str) -> None:
    variants = reproducer.experiment.variants
    if variants[reproducer.variant] == variants[reproducer.control]:
        raise UsageError(
            f"{where}: {reproducer.control} has the same factors as {reproducer.variant}",
            expected="a control that differs from the variant in a factor",
        )
    _check_names(scenario, reproducer.reads, f"{where}, reads")
    services = yaml.safe_load(scenario.compose_file.read_text(encoding="utf-8"))["services"]
    roles = [name.removeprefix(f"{scenario.name}-") for name in services]
    for role in reproducer.services:
        if role not in roles:
            raise UsageError(f"{where}: no service {role!r}{hint(role, roles)}", expected="one of " + ", ".join(roles))
    if APP not in reproducer.services:
        raise UsageError(f"{where}: services lacks {APP}", expected="a list that names the server under test too")
    if not has_client_container(scenario) and not (drive_directory(scenario) / "drive.py").is_file():
        raise UsageError(
            f"scenarios/{scenario.name}/{DRIVE_DIRECTORY}/ has neither drive.py nor a Dockerfile",
            expected="drive.py, or a Dockerfile of a container that drives the server from outside",
        )
    for role in reproducer.stops:
        if role not in reproducer.services or not has_client_container(scenario):
            raise UsageError(
                f"{where}: stops names {role!r}",
                expected=f"roles of services, for a drive with a container of its own ({DRIVE_DIRECTORY}/Dockerfile)",
            )
    if reproducer.venv and (has_client_container(scenario) or reproducer.services != (APP,)):
        raise UsageError(
            f"{where}: venv is set for a reproducer that needs more than the server",
            expected="venv only with drive.py, and with no other service than the server",
        )
    if reproducer.venv:
        _check_names(scenario, reproducer.venv.factors, f"{where}, venv")


def _check_names(scenario: Scenario, names: Iterable[str], where: str) -> None:
    """Raise UsageError for a name that no factor has. The value does not matter here, so it is the documented one."""
    scenario.check_factors({name: scenario.factors.get(name) or "any" for name in names}, where)


def _venv(content: object, where: str) -> Venv:
    content = mapping(content, VENV_KEYS, where)
    steps = content.get("install")
    if not isinstance(steps, list) or not steps:
        raise UsageError(f"{where}: install is {steps!r}", expected="a list of packages or of {packages, when, unless}")
    return Venv(
        needs=str(content.get("needs") or "").strip(),
        first=_texts(content.get("first", []), f"{where}, first"),
        install=tuple(_step(step, f"{where}, install") for step in steps),
    )


def _means(scenario: Scenario, content: object, where: str) -> dict[str, str]:
    explanations = mapping(content, scenario.factors, where)
    if not all(isinstance(text, str) and text.strip() for text in explanations.values()):
        raise UsageError(f"{where} is {content!r}", expected="a line of text for each factor")
    return {name: text.strip() for name, text in explanations.items()}


def _step(content: object, where: str) -> ReproducerStep:
    if isinstance(content, str):
        return ReproducerStep((content,))
    content = mapping(content, STEP_KEYS, where)
    return ReproducerStep(**{key: _texts(content.get(key, []), f"{where}, {key}") for key in STEP_KEYS})


def _texts(content: object, where: str) -> tuple[str, ...]:
    if not isinstance(content, list) or not all(isinstance(text, str) and text for text in content):
        raise UsageError(f"{where} is {content!r}", expected="a list of texts")
    return tuple(content)


def _matches(condition: str, factors: Mapping[str, str]) -> bool:
    name, _, pattern = condition.partition("=")
    return fnmatchcase(factors.get(name, ""), pattern)
