"""Whether the releases that a user sets as factors exist, asked before anything is built.

Only a clear answer of the index counts: without one, or without a network, the build decides.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from packaging.version import InvalidVersion, Version

from reprolab.core.errors import UsageError
from reprolab.pins import ask_pip
from reprolab.pins.asking import pins_of
from reprolab.pins.pin import PIP, Pin, State
from reprolab.scenario.model import CUSTOM, Scenario

LIMIT = 10.0  # seconds for the index's answer


def check(root: Path, scenario: Scenario, settings: Mapping[str, str], where: str) -> None:
    """Raise UsageError for a factor that is a release which the package index does not have for this Python."""
    new = {name: value for name, value in settings.items() if value not in _known(scenario, name)}
    _check_versions(root, scenario, new, where)
    pins = _pins(root, scenario, settings, new) if new else {}
    pages = ask_pip.ask_within({pin.name for pin in pins}, LIMIT)
    for pin, factor in pins.items():
        answer = ask_pip.judge(pin, pages[pin.name], platform.machine())
        if answer.state is State.GONE:
            raise UsageError(
                f"{where}: {factor}={new[factor]}: no {pin.name} {new[factor]} can be installed: {answer.text}",
                expected="a release on the package index, for the Python of the stack",
            )


def _check_versions(root: Path, scenario: Scenario, new: Mapping[str, str], where: str) -> None:
    """Raise UsageError for a value that is no version number, of a factor that is the release of a package."""
    words = {name: value for name, value in new.items() if not _is_version(value)}
    documented = {name: scenario.factors[name] for name in words if name in scenario.factors}
    for pin, factor in _pins(root, scenario, {}, documented).items() if documented else ():
        message = f"{where}: {factor}={words[factor]} is no release of {pin.name}"
        raise UsageError(message, expected=f"a version number, such as {documented[factor]}")


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def _known(scenario: Scenario, factor: str) -> set[str]:
    """The values of a factor in the scenario's own variants: these were built before."""
    variants = (changes for experiment in scenario.experiments.values() for changes in experiment.variants.values())
    return {scenario.factors.get(factor, ""), *(changes[factor] for changes in variants if factor in changes)}


def _pins(root: Path, scenario: Scenario, settings: Mapping[str, str], new: Mapping[str, str]) -> dict[Pin, str]:
    """The packages whose versions are new values of factors, each with its factor."""
    experiments = {
        name: replace(experiment, variants={CUSTOM: dict(settings)})
        for name, experiment in scenario.experiments.items()
    }
    try:
        users = pins_of(root, [replace(scenario, experiments=experiments)], platform.machine())
    except (UsageError, OSError):
        # What cannot be read here, the build says.
        return {}
    return {
        pin: factor
        for pin, uses in users.items()
        if pin.kind == PIP
        for use in uses
        for factor in use.argument.split()
        if use.variant and factor in new and pin.wanted.removeprefix("==") == new[factor]
    }
