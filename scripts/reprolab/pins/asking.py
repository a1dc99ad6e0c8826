"""Collect all pins of a checkout and ask for all answers. Apt and the package index are asked in parallel."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import docker

from reprolab.baseimage.resolve import policy, resolve_base
from reprolab.core.errors import Exit, LabError
from reprolab.core.progress import OnProgress
from reprolab.pins import ask_apt, ask_pip, suites
from reprolab.pins.builds import all_builds
from reprolab.pins.collect import collect
from reprolab.pins.pin import APT, PIP, Pin, PinAnswer, State, Use
from reprolab.scenario.model import Scenario
from reprolab.stack.archived_bases import on_archive


def pins_of(root: Path, scenarios: Iterable[Scenario], machine: str) -> dict[Pin, set[Use]]:
    """Return each pin of the images of these scenarios and of the tools, with its uses."""
    users: dict[Pin, set[Use]] = {}
    for build in all_builds(root, scenarios):
        for pin, use in collect(build, root, machine):
            users.setdefault(pin, set()).add(use)
    return users


def ask(
    users: Mapping[Pin, set[Use]], engine: docker.DockerClient, machine: str, on_progress: OnProgress
) -> tuple[dict[Pin, PinAnswer], list[str]]:
    """Return the answers, and warnings about the releases of the bases."""
    by_kind = {kind: [pin for pin in users if pin.kind == kind] for kind in (APT, PIP)}
    names = {pin.name for pin in by_kind[PIP]}
    on_progress(f"asking the package index for {len(names)} names")
    with ThreadPoolExecutor(1) as pool:
        pages = pool.submit(ask_pip.ask, names, ask_pip.index_of(os.environ))
        apt_answers = _ask_apt(by_kind[APT], engine, on_progress)
        apt = {pin: ask_apt.judge(pin, apt_answers[pin.base]) for pin in by_kind[APT]}
        pip = {pin: ask_pip.judge(pin, pages.result()[pin.name], machine) for pin in by_kind[PIP]}
    today = datetime.now(UTC).date()
    warnings = dict.fromkeys(suites.warning(answer.suite, today) for answer in apt_answers.values())
    return settle({**apt, **pip}), list(filter(None, warnings))


def _ask_apt(pins: Iterable[Pin], engine: docker.DockerClient, on_progress: OnProgress) -> dict[str, ask_apt.AptAnswer]:
    """Return official image -> apt's answers. Official images that use the same image are asked once."""
    packages: dict[str, set[ask_apt.Packages]] = {}
    for pin in pins:
        packages.setdefault(pin.base, set()).add(pin.together)
    answers: dict[str, ask_apt.AptAnswer] = {}
    officials_by_image: dict[str, list[str]] = {}
    for official in sorted(packages):
        try:
            # Like a build: from the archive of old releases if the mirror no longer has the base's release.
            base = on_archive(
                resolve_base(official, engine, policy=policy(os.environ), on_progress=on_progress), engine, on_progress
            )
            officials_by_image.setdefault(base.reference, []).append(official)
        except LabError as error:
            answers[official] = ask_apt.AptAnswer(failure=str(error).partition("\n")[0])
    for reference, officials in officials_by_image.items():
        on_progress(f"asking apt in {reference}")
        answer = ask_apt.ask(reference, set().union(*(packages[official] for official in officials)), engine)
        answers |= dict.fromkeys(officials, answer)
    return answers


def settle(answers: Mapping[Pin, PinAnswer]) -> dict[Pin, PinAnswer]:
    """Set a pin inside an `if` to available if one of its bases has it: the base that meets the `if` is not known."""
    available = {_without_base(pin) for pin, answer in answers.items() if pin.maybe and answer.state is State.AVAILABLE}
    return {
        pin: PinAnswer(State.AVAILABLE, "for another base, and an `if` decides")
        if answer.state is State.GONE and pin.maybe and _without_base(pin) in available
        else answer
        for pin, answer in answers.items()
    }


def _without_base(pin: Pin) -> Pin:
    return replace(pin, base="", together=())


def status(answers: Mapping[Pin, PinAnswer]) -> Exit:
    """Return the exit status. A gone pin has priority over one that could not be asked, since it is certain."""
    states = {answer.state for answer in answers.values()}
    if State.GONE in states:
        return Exit.DRIFT
    return Exit.LAB_FAILED if State.NOT_ASKED in states else Exit.AS_RECORDED
