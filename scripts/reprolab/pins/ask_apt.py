"""Whether apt can have its pins: one container of each base, in which apt says what it would install."""

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
from reprolab.pins.pin import Answer, Pin, State

LIMIT = 240  # seconds for one container: a mirror that hangs is given up before
RUN = "pins"
# Root without capabilities may not write in apt's own directories, nor change to another user. The caches, which
# images turn off, make each question after the first one fast; translations are nearly half of an update's bytes.
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

Words = tuple[str, ...]


@dataclass(frozen=True)
class Told:
    """What apt said in one base: its suite, or ``failure`` of the update, and for each set of words what would come."""

    suite: str = ""
    failure: str = ""
    gone: bool = False
    sets: Mapping[Words, tuple[bool, str]] = field(default_factory=dict)
    versions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def script(sets: Iterable[Words]) -> str:
    """What the container runs. It prints a section for each question."""
    sets = list(sets)
    apt = " ".join(["apt-get", *(f"-o {name}={value}" for name, value in OPTIONS.items())])
    cache = apt.replace("apt-get", "apt-cache", 1)
    lines = ["export LC_ALL=C", "mkdir -p /tmp/lists/partial", ". /etc/os-release", 'echo "@ suite $VERSION_CODENAME"']
    # Without the mode, an update that reached nothing ends with 0.
    lines += ["echo '@ update'", f"{apt} -o APT::Update::Error-Mode=any update 2>&1 || {{ echo '@ failed'; exit; }}"]
    for number, words in enumerate(sets):
        wanted = shlex.join(words)
        install = f"{apt} install --simulate --yes --no-install-recommends {wanted} 2>&1"
        lines += [f"echo '@ set {number}'", f"{install} || echo '@ refused {number}'"]
    names = sorted({word.partition("=")[0] for words in sets for word in words})
    return "\n".join([*lines, "echo '@ policy'", f"{cache} policy {shlex.join(names)} 2>&1", ""])


def ask(reference: str, sets: Iterable[Words], client: docker.DockerClient) -> Told:
    """Ask apt in a container of ``reference``, which is gone afterwards."""
    sets = sorted(set(sets))
    try:
        container = client.containers.create(
            reference,
            entrypoint=["sh", "-c", script(sets)],
            user="root",
            labels=labels.own("", RUN),
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
        return Told(failure=f"no answer from a container of {reference}: {error}")


def read(printed: str, sets: Iterable[Words]) -> Told:
    """What the script printed, taken apart."""
    sections = [(kind, rest, body) for kind, rest, body in SECTION.findall(printed)]
    bodies = {(kind, rest): body for kind, rest, body in sections}
    suite = next((rest for kind, rest, _ in sections if kind == "suite"), "")
    update = bodies.get(("update", ""), "")
    if ("failed", "") in bodies or not update:
        problems = PROBLEM.findall(update)
        why = problems[0] if problems else (update or printed).strip()[-200:] or "apt said nothing"
        return Told(suite, f"apt-get update: {why}", bool(NOT_FOUND.search(update)))
    refused = {rest for kind, rest, _ in sections if kind == "refused"}
    told = {words: (str(n) not in refused, bodies.get(("set", str(n)), "")) for n, words in enumerate(sets)}
    policy = bodies.get(("policy", ""), "")
    versions = {name: tuple(VERSION.findall(table)) for name, table in POLICY.findall(policy)}
    return Told(suite, sets=told, versions=versions)


def judge(pin: Pin, told: Told) -> Answer:
    """The answer for one pin."""
    if told.failure:
        return Answer(State.GONE if told.gone else State.UNASKED, told.failure)
    fits, said = told.sets[pin.together]
    if fits:
        found = {**dict(NEWEST.findall(said)), **dict(INSTALLED.findall(said))}
        return Answer(State.THERE, found.get(pin.name, "by another package"))
    versions = told.versions.get(pin.name, ())
    matching = _matching(pin.text, told)
    if not versions:
        return Answer(State.GONE, "the archive has no such package")
    if not matching:
        return Answer(State.GONE, "the archive has " + ", ".join(versions))
    if all(_matching(word, told) for word in pin.together):
        return Answer(State.GONE, f"apt refuses the words together: {'; '.join(PROBLEM.findall(said))}")
    # Another word of the command is the one that is gone.
    return Answer(State.THERE, matching[0])


def _matching(word: str, told: Told) -> list[str]:
    name, _, wanted = word.partition("=")
    return [version for version in told.versions.get(name, ()) if fnmatchcase(version, wanted or "*")]
