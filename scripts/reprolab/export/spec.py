"""What of a scenario a reproducer shows: scenarios/NAME/reproducer.yaml, read and checked.

A reproducer is what `reprolab export` writes: a directory that needs Docker alone, with a `run.sh` that says by its
exit status whether one sign shows. Nothing here talks to Docker.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from reprolab.core.config_file import hint, mapping, read_yaml
from reprolab.core.errors import UsageError
from reprolab.scenario.model import FACTOR, Claim, Experiment, Scenario
from reprolab.scenario.scaffold import how_to_add

FILE = "reproducer.yaml"
DRIVES = "reproducer"
APP = "app"
TEXTS = ("claim", "variant", "control", "title", "sign")
LISTS = ("services", "reads", "leave_out", "without")
OPTIONAL = (*LISTS, "expect", "lasts", "means", "venv")
VENV_KEYS = ("needs", "first", "install")
STEP_KEYS = ("packages", "when", "unless")


@dataclass(frozen=True)
class Step:
    """Packages and lists of them (`-r FILE`), and the factors (NAME=PATTERN) under which they are installed or not."""

    packages: tuple[str, ...]
    when: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()

    def applies(self, factors: Mapping[str, str]) -> bool:
        """Whether these factors want it."""
        met = any(_matches(one, factors) for one in self.when) or not self.when
        return met and not any(_matches(one, factors) for one in self.unless)


@dataclass(frozen=True)
class Venv:
    """How the server is installed without Docker: what it needs, build tools first, then what is installed."""

    needs: str
    first: tuple[str, ...]
    install: tuple[Step, ...]

    @property
    def factors(self) -> set[str]:
        """The factors that decide what is installed."""
        texts = [text for step in self.install for text in (*step.packages, *step.when, *step.unless)]
        asked = {one.partition("=")[0] for step in self.install for one in (*step.when, *step.unless)}
        return asked | {name for text in texts for name, _ in FACTOR.findall(text)}


@dataclass(frozen=True)
class Reproducer:
    """One sign of a scenario, the variant that shows it, and the control that differs in a factor.

    ``services`` are the roles that the case needs, ``reads`` the factors that the drive itself reads, ``leave_out``
    files of the server's build that only the lab uses, ``without`` build arguments and variables of that kind.
    ``means`` says in words what a factor is that the control changes along, and that is no part of the stack.
    ``venv`` is there for cases that need no proxy: they run without Docker too.
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
    expect: str = ""
    lasts: str = ""
    means: Mapping[str, str] = field(default_factory=dict)
    venv: Venv | None = None


def load(scenario: Scenario) -> Reproducer:
    """Read a scenario's reproducer.yaml. Raises UsageError that says what is wrong in it, and what may stand there."""
    where = f"scenarios/{scenario.name}/{FILE}"
    content = _read(scenario.directory / FILE, where)
    experiment, claim = _claim(scenario, content["claim"], where)
    for key in ("variant", "control"):
        check_variant(experiment, content[key], f"{where}, {key}")
    lists = {key: _texts(content.get(key, []), f"{where}, {key}") for key in LISTS}
    found = Reproducer(
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
        expect=str(content.get("expect") or "").strip(),
        lasts=str(content.get("lasts") or "").strip(),
        means=_means(scenario, content.get("means", {}), f"{where}, means"),
        venv=_venv(content["venv"], f"{where}, venv") if "venv" in content else None,
    )
    _check(scenario, found, where)
    return found


def _read(path: Path, where: str) -> dict[str, Any]:
    if not path.is_file():
        raise UsageError(
            f"{where} is missing",
            expected="the sign to show, see docs/authoring.md",
            advice=how_to_add(path.parent.name, "reproducer"),
        )
    content = mapping(read_yaml(path, where), (*TEXTS, *OPTIONAL), where)
    for key in TEXTS:
        text = content.get(key)
        if not isinstance(text, str) or not text.strip():
            raise UsageError(f"{where}: {key} is missing", expected="a line of text")
        # They stand in comments and quotes of the scripts.
        if re.search(r"[\n`$]", text.strip()):
            raise UsageError(f"{where}: {key} is {text!r}", expected="one line, without backticks and dollars")
    return content


def drives(scenario: Scenario) -> Path:
    """The directory that holds what drives the server in a reproducer."""
    return scenario.directory / DRIVES


def beside(scenario: Scenario) -> bool:
    """Whether the drive has a container of its own, or else runs in the server's and starts the server itself."""
    return (drives(scenario) / "Dockerfile").is_file()


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
    known = [claim.id for claim in scenario.claims]
    raise UsageError(f"{where}: no claim {name!r}{hint(name, known)}", expected="one of " + ", ".join(known))


def _check(scenario: Scenario, found: Reproducer, where: str) -> None:
    if found.experiment.variants[found.variant] == found.experiment.variants[found.control]:
        raise UsageError(f"{where}: {found.control} changes nothing of {found.variant}", expected="a control that does")
    scenario.check_factors(dict.fromkeys(found.reads, "any"), f"{where}, reads")
    services = yaml.safe_load(scenario.compose_file.read_text(encoding="utf-8"))["services"]
    roles = [name.removeprefix(f"{scenario.name}-") for name in services]
    for role in found.services:
        if role not in roles:
            raise UsageError(f"{where}: no service {role!r}{hint(role, roles)}", expected="of " + ", ".join(roles))
    if APP not in found.services:
        raise UsageError(f"{where}: services lacks {APP}", expected="the server under test among them")
    if not beside(scenario) and not (drives(scenario) / "drive.py").is_file():
        raise UsageError(
            f"scenarios/{scenario.name}/{DRIVES}/ holds no drive",
            expected="drive.py, or a Dockerfile of a container that drives the server from outside",
        )
    if found.venv and (beside(scenario) or found.services != (APP,)):
        raise UsageError(f"{where}: venv is there", expected="it only where the server alone is needed, and drive.py")
    if found.venv:
        scenario.check_factors(dict.fromkeys(found.venv.factors, "any"), f"{where}, venv")


def _venv(content: object, where: str) -> Venv:
    content = mapping(content, VENV_KEYS, where)
    steps = content.get("install")
    if not isinstance(steps, list) or not steps:
        raise UsageError(f"{where}: install is {steps!r}", expected="a list: of packages, or {packages, when, unless}")
    return Venv(
        needs=str(content.get("needs") or "").strip(),
        first=_texts(content.get("first", []), f"{where}, first"),
        install=tuple(_step(step, f"{where}, install") for step in steps),
    )


def _means(scenario: Scenario, content: object, where: str) -> dict[str, str]:
    found = mapping(content, scenario.factors, where)
    if not all(isinstance(text, str) and text.strip() for text in found.values()):
        raise UsageError(f"{where} is {content!r}", expected="a line of text for each factor")
    return {name: text.strip() for name, text in found.items()}


def _step(content: object, where: str) -> Step:
    if isinstance(content, str):
        return Step((content,))
    content = mapping(content, STEP_KEYS, where)
    return Step(**{key: _texts(content.get(key, []), f"{where}, {key}") for key in STEP_KEYS})


def _texts(content: object, where: str) -> tuple[str, ...]:
    if not isinstance(content, list) or not all(isinstance(one, str) and one for one in content):
        raise UsageError(f"{where} is {content!r}", expected="a list of texts")
    return tuple(content)


def _matches(condition: str, factors: Mapping[str, str]) -> bool:
    name, _, pattern = condition.partition("=")
    return fnmatchcase(factors.get(name, ""), pattern)
