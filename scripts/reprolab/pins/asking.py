"""All pins of a checkout, and all answers: apt and the package index are asked at the same time."""

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
from reprolab.pins.pin import APT, PIP, Answer, Pin, State, Use
from reprolab.scenario.model import Scenario
from reprolab.stack.archived_bases import on_archive


def pins_of(root: Path, scenarios: Iterable[Scenario], machine: str) -> dict[Pin, set[Use]]:
    """Every pin of these scenarios' images and the tools', with where it stands and who takes it along."""
    users: dict[Pin, set[Use]] = {}
    for build in all_builds(root, scenarios):
        for pin, use in collect(build, root, machine):
            users.setdefault(pin, set()).add(use)
    return users


def ask(
    users: Mapping[Pin, set[Use]], engine: docker.DockerClient, machine: str, on_progress: OnProgress
) -> tuple[dict[Pin, Answer], list[str]]:
    """The answers, and what to know of the bases' releases. apt and the index are asked at the same time."""
    by_kind = {kind: [pin for pin in users if pin.kind == kind] for kind in (APT, PIP)}
    names = {pin.name for pin in by_kind[PIP]}
    on_progress(f"asking the package index for {len(names)} names")
    with ThreadPoolExecutor(1) as pool:
        pages = pool.submit(ask_pip.ask, names, ask_pip.index_of(os.environ))
        told = _ask_apt(by_kind[APT], engine, on_progress)
        apt = {pin: ask_apt.judge(pin, told[pin.base]) for pin in by_kind[APT]}
        pip = {pin: ask_pip.judge(pin, pages.result()[pin.name], machine) for pin in by_kind[PIP]}
    today = datetime.now(UTC).date()
    found = dict.fromkeys(suites.warning(one.suite, today) for one in told.values())
    return settle({**apt, **pip}), list(filter(None, found))


def _ask_apt(asked: Iterable[Pin], engine: docker.DockerClient, on_progress: OnProgress) -> dict[str, ask_apt.Told]:
    """What apt said, by official image: those that one image stands for are asked once."""
    wanted: dict[str, set[ask_apt.Words]] = {}
    for pin in asked:
        wanted.setdefault(pin.base, set()).add(pin.together)
    told: dict[str, ask_apt.Told] = {}
    stands_for: dict[str, list[str]] = {}
    for official in sorted(wanted):
        try:
            # As a build would: from the archive of old releases where the mirror no longer has the base's.
            base = on_archive(
                resolve_base(official, engine, policy=policy(os.environ), on_progress=on_progress), engine, on_progress
            )
            stands_for.setdefault(base.reference, []).append(official)
        except LabError as error:
            told[official] = ask_apt.Told(failure=str(error).partition("\n")[0])
    for reference, officials in stands_for.items():
        on_progress(f"asking apt in {reference}")
        answer = ask_apt.ask(reference, set().union(*(wanted[official] for official in officials)), engine)
        told |= dict.fromkeys(officials, answer)
    return told


def settle(asked: Mapping[Pin, Answer]) -> dict[Pin, Answer]:
    """Of a pin that an `if` may install, one base that can have it is enough: which one meets the `if` is not known."""
    there = {_same(pin) for pin, answer in asked.items() if pin.maybe and answer.state is State.THERE}
    return {
        pin: Answer(State.THERE, "by another base, and an `if` decides")
        if answer.state is State.GONE and pin.maybe and _same(pin) in there
        else answer
        for pin, answer in asked.items()
    }


def _same(pin: Pin) -> Pin:
    return replace(pin, base="", together=())


def status(asked: Mapping[Pin, Answer]) -> Exit:
    """What is gone goes before what could not be asked: it is certain."""
    states = {answer.state for answer in asked.values()}
    if State.GONE in states:
        return Exit.DRIFT
    return Exit.LAB_FAILED if State.UNASKED in states else Exit.AS_RECORDED
