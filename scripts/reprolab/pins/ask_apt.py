"""Ask apt whether its pins are available: one container of each base, in which apt simulates the installations."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import docker
import requests
from docker.errors import DockerException

from reprolab.engine import labels
from reprolab.engine.failures import plain_reason
from reprolab.engine.helpers import SMALL_LOG
from reprolab.pins.pin import Pin, PinAnswer, State

LIMIT = 240  # seconds for one container; apt itself gives up on a mirror that hangs before that
RUN = "pins"
# Root without capabilities cannot write in apt's directories or change the user. Images turn the caches off; with them
# each simulation after the first one is fast. Translations are nearly half of the bytes of an update.
OPTIONS = {
    "Dir::State::lists": "/tmp/lists",
    "Dir::Cache::pkgcache": "/tmp/pkgcache.bin",
    "Dir::Cache::srcpkgcache": "/tmp/srcpkgcache.bin",
    "APT::Sandbox::User": "root",
    "Acquire::Languages": "none",
    "Acquire::Retries": "2",
    "Acquire::http::Timeout": "20",
    "Acquire::https::Timeout": "20",
}
SECTION = re.compile(r"^@ (\w+) ?(.*)\n((?:(?!@ ).*\n?)*)", re.MULTILINE)
INSTALLED = re.compile(r"^Inst (\S+) (?:\[\S+\] )?\((\S+) ", re.MULTILINE)
NEWEST = re.compile(r"^(\S+) is already the newest version \((\S+?)\)", re.MULTILINE)
POLICY = re.compile(r"^(\S+):\n(?:  \S.*\n)*((?: .*\n?)*)", re.MULTILINE)
VERSION = re.compile(r"^ (?:\*\*\*|   ) (\S+) ", re.MULTILINE)
PROBLEM = re.compile(r"^E: (.*)", re.MULTILINE)
NOT_FOUND = re.compile(r"^\s+(?:404|410) ", re.MULTILINE)

Packages = tuple[str, ...]


@dataclass(frozen=True)
class AptAnswer:
    """Apt's answers in one base.

    ``failure`` is the error of the update, "" if it succeeded; ``gone`` is whether the mirror does not have the suite.
    ``sets`` is packages -> (whether apt would install them, its output), ``versions`` package -> its versions.
    """

    suite: str = ""
    failure: str = ""
    gone: bool = False
    sets: Mapping[Packages, tuple[bool, str]] = field(default_factory=dict)
    versions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def script(sets: Iterable[Packages]) -> str:
    """Return the shell script for the container. It prints one section for each question."""
    sets = list(sets)
    apt = " ".join(["apt-get", *(f"-o {name}={value}" for name, value in OPTIONS.items())])
    cache = apt.replace("apt-get", "apt-cache", 1)
    lines = ["export LC_ALL=C", "mkdir -p /tmp/lists/partial", ". /etc/os-release", 'echo "@ suite $VERSION_CODENAME"']
    # Without this mode an update that reached no mirror ends with exit code 0.
    lines += ["echo '@ update'", f"{apt} -o APT::Update::Error-Mode=any update 2>&1 || {{ echo '@ failed'; exit; }}"]
    for number, packages in enumerate(sets):
        arguments = shlex.join(packages)
        install = f"{apt} install --simulate --yes --no-install-recommends {arguments} 2>&1"
        lines += [f"echo '@ set {number}'", f"{install} || echo '@ refused {number}'"]
    names = sorted({package.partition("=")[0] for packages in sets for package in packages})
    return "\n".join([*lines, "echo '@ policy'", f"{cache} policy {shlex.join(names)} 2>&1", ""])


def ask(reference: str, sets: Iterable[Packages], client: docker.DockerClient) -> AptAnswer:
    """Ask apt in a container of the image ``reference``. The container is removed."""
    sets = sorted(set(sets))
    try:
        container = client.containers.create(
            reference,
            entrypoint=["sh", "-c", script(sets)],
            user="root",
            log_config=SMALL_LOG,
            labels=labels.object_labels("", RUN),
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            pids_limit=64,
            mem_limit="512m",
            init=True,
        )
        try:
            container.start()
            container.wait(timeout=LIMIT)
            return read(container.logs(stdout=True, stderr=True).decode("utf-8", "replace"), sets)
        finally:
            container.remove(force=True, v=True)
    except (DockerException, requests.exceptions.RequestException) as error:
        return AptAnswer(failure=f"no answer from a container of {reference}: {plain_reason(error)}")


def read(output: str, sets: Iterable[Packages]) -> AptAnswer:
    """Parse the output of the script."""
    sections = [(kind, rest, body) for kind, rest, body in SECTION.findall(output)]
    bodies = {(kind, rest): body for kind, rest, body in sections}
    suite = next((rest for kind, rest, _ in sections if kind == "suite"), "")
    update = bodies.get(("update", ""), "")
    if ("failed", "") in bodies or not update:
        problems = PROBLEM.findall(update)
        reason = problems[0] if problems else (update or output).strip()[-200:] or "apt printed nothing"
        return AptAnswer(suite, f"apt-get update: {reason}", bool(NOT_FOUND.search(update)))
    refused = {rest for kind, rest, _ in sections if kind == "refused"}
    results = {packages: (str(n) not in refused, bodies.get(("set", str(n)), "")) for n, packages in enumerate(sets)}
    policy = bodies.get(("policy", ""), "")
    versions = {name: tuple(VERSION.findall(table)) for name, table in POLICY.findall(policy)}
    return AptAnswer(suite, sets=results, versions=versions)


def judge(pin: Pin, answer: AptAnswer) -> PinAnswer:
    """Return the answer for one pin."""
    if answer.failure:
        return PinAnswer(State.GONE if answer.gone else State.NOT_ASKED, answer.failure)
    fits, output = answer.sets[pin.together]
    if fits:
        versions_by_name = {**dict(NEWEST.findall(output)), **dict(INSTALLED.findall(output))}
        return PinAnswer(State.AVAILABLE, versions_by_name.get(pin.name, "by another package"))
    versions = answer.versions.get(pin.name, ())
    matching = _matching(pin.text, answer)
    if not versions:
        return PinAnswer(State.GONE, "the archive has no such package")
    if not matching:
        return PinAnswer(State.GONE, "the archive has " + ", ".join(versions))
    if all(_matching(package, answer) for package in pin.together):
        return PinAnswer(
            State.GONE, f"apt refuses to install these packages together: {'; '.join(PROBLEM.findall(output))}"
        )
    # Another package of the command is gone.
    return PinAnswer(State.AVAILABLE, matching[0])


def _matching(package: str, answer: AptAnswer) -> list[str]:
    name, _, pattern = package.partition("=")
    return [version for version in answer.versions.get(name, ()) if fnmatchcase(version, pattern or "*")]
