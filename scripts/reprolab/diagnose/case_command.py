"""The command that tries a case with the user's own releases and settings, as far as the case has factors for them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from reprolab.core import command_text
from reprolab.diagnose.assess import Assessment
from reprolab.diagnose.settings import Facts
from reprolab.measure.companions import complete
from reprolab.scenario import loader
from reprolab.scenario.model import DOCUMENTED, Scenario
from reprolab.scenario.signature import Signature

# What a shell and make take as it is. Any other value stays out of a command.
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/=,+@-]*")


# How gunicorn 19 names the thread worker in its log; its option does not take this name.
IN_LOGS = {"worker_class": {"threads": "gthread"}}
FOLDER = "my-lab"  # of a user who has none


@dataclass(frozen=True)
class CaseCommand:
    """``factors`` are those with the user's own values, what these values need, and those in which the case shows.

    ``text`` is the command. ``claim`` is the one whose sign tells whether the case shows, "" if there is none.
    """

    scenario: str
    experiment: str
    factors: Mapping[str, str]
    text: str
    claim: str = ""


def case_command(scenario: Scenario, assessment: Assessment, facts: Facts) -> CaseCommand:
    """The command for one assessment. A value that the case does not take is left out."""
    sources = assessment.signature.factors.items()
    values = {name: value for name, source in sources if (value := _value(source, assessment, facts))}
    taken = {name: fitting for name, value in values.items() if (fitting := _fitting(scenario, name, value))}
    claim, needed = _showing(scenario, assessment.signature)
    wanted = {**needed, **taken}
    factors = {
        name: value
        for name, value in complete(scenario, wanted, taken).items()
        if name in taken or value != scenario.factors[name]
    }
    experiment = assessment.signature.experiment
    return CaseCommand(scenario.name, experiment, factors, _text(scenario.name, experiment, factors), claim)


def _showing(scenario: Scenario, signature: Signature) -> tuple[str, Mapping[str, str]]:
    """The first claim from which the signature is known, and the factors of a variant that shows it.

    There are none where the documented stack shows it. Without such a claim both are empty.
    """
    claims = {
        claim.id: (claim, experiment) for experiment in scenario.experiments.values() for claim in experiment.claims
    }
    for known in signature.known_from:
        claim, experiment = claims.get(known.claim, (None, None))
        if claim and experiment and claim.shows:
            return claim.id, experiment.variants[DOCUMENTED if DOCUMENTED in claim.shows else claim.shows[0]]
    return "", {}


def from_here(command: CaseCommand, root: Path | None) -> CaseCommand:
    """The command where the user stands: the case may have to be taken into a lab folder."""
    if root is not None and command.scenario in loader.names(root):
        return command
    folder = "" if root else f"reprolab init {FOLDER} && cd {FOLDER} && "
    return replace(command, text=f"{folder}reprolab take {command.scenario} && {command.text}")


def _text(name: str, experiment: str, factors: Mapping[str, str]) -> str:
    pairs = [shlex.quote(f"{factor}={value}") for factor, value in factors.items()]
    target = f"{name}/{experiment}" if experiment else name
    return command_text.command(
        " ".join([f"run {target}", *(f"--set {pair}" for pair in pairs)]),
        " ".join([f"scenario-{name}", *([f"EXPERIMENT={experiment}"] if experiment else []), *pairs]),
    )


def _value(source: str, assessment: Assessment, facts: Facts) -> str:
    """The user's value: of a release (`gunicorn`), or of a setting (`gunicorn.workers`); "" if it is not known."""
    server, _, name = source.partition(".")
    if name:
        setting = facts.setting(server, name)
        return IN_LOGS.get(name, {}).get(setting.value, setting.value) if setting else ""
    if assessment.release and assessment.release.package == server:
        return assessment.release.version
    releases = facts.of_package(server)
    return releases[-1].version if releases else ""


def _fitting(scenario: Scenario, factor: str, value: str) -> str:
    """The value as the factor takes it, "" if it does not. "3.6" becomes the patch release that the case has.

    Of words, such as a worker class, only those fit that the case itself runs: its image may lack another one.
    """
    if not PLAIN.fullmatch(value) or (scenario.factors[factor].isdigit() and not value.isdigit()):
        return ""
    if factor in scenario.values:
        return value if value in scenario.values[factor] else ""
    if scenario.factors[factor].isalpha():
        return value if value in _run_values(scenario, factor) else ""
    listed = scenario.ranges[factor].values if factor in scenario.ranges else ()
    if not listed:
        return value
    minor = ".".join(value.split(".")[:2])
    return next((text for text in listed if text == value or text.startswith(f"{minor}.")), "")


def _run_values(scenario: Scenario, factor: str) -> set[str]:
    """The values of a factor in the variants of a case, the documented one among them."""
    variants = (variant for experiment in scenario.experiments.values() for variant in experiment.variants.values())
    return {scenario.factors[factor], *(changes[factor] for changes in variants if factor in changes)}
