"""The pins of one build: the packages that its RUN lines install with apt and pip. Reads only files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from reprolab.baseimage.resolve import DEBIAN, PYTHON, fallback_version
from reprolab.core import shared_files
from reprolab.core.errors import UsageError
from reprolab.pins.pin import APT, PIP, Pin, Use
from reprolab.stack.dockerfile import UNKNOWN, Run, Stage, expand, in_context, names, stages
from reprolab.stack.shell import Command

SUITE = re.compile(r"-(?P<suite>[a-z]+)$")
REDIRECTION = re.compile(r"\d*[<>]")
HASH = re.compile(r"\s--hash=(\S+)")
LISTS = ("-r", "--requirement")
JOINED_LIST = re.compile(r"(?:-r|--requirement=)(.+)")
PIP_INSTALLS = ("install", "wheel", "download")
# Options whose value is the next word, unless it follows an equals sign.
APT_VALUES = {"-o", "-t", "-c", "--option", "--target-release", "--config-file"}
PIP_VALUES = {
    *("-c", "--constraint", "-w", "--wheel-dir", "-d", "--dest", "-t", "--target", "-f", "--find-links"),
    *("-i", "--index-url", "--extra-index-url", "--platform", "--python-version", "--implementation", "--abi"),
    *("--prefix", "--root", "--cache-dir", "--only-binary", "--no-binary", "--trusted-host", "--timeout"),
}


@dataclass(frozen=True)
class Build:
    """A build: its Dockerfile, context, arguments and users (``Use.place`` is set later).

    ``renamed`` are files that the lab puts into the context under another name: name in the context -> name on disk.
    """

    dockerfile: Path
    context: Path
    arguments: Mapping[str, str]
    target: str
    users: tuple[Use, ...]
    renamed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Line:
    """A RUN line and its context."""

    run: Run
    stage: Stage
    place: str
    build: Build
    root: Path


def collect(build: Build, root: Path, machine: str) -> Iterator[tuple[Pin, Use]]:
    """Yield each pin with each of its uses. ``machine`` is that of the engine, for environment markers.

    Raises UsageError for a pin that cannot be parsed.
    """
    file = shared_files.shown(build.dockerfile, root)
    for stage in stages(build.dockerfile.read_text(encoding="utf-8"), build.arguments, file, build.target):
        for run in stage.runs:
            line = _Line(run, stage, f"{file}:{run.line}", build, root)
            for pin, use in _of_line(line, machine):
                yield from ((pin, replace(user, place=use.place, argument=use.argument)) for user in build.users)


def _of_line(line: _Line, machine: str) -> Iterator[tuple[Pin, Use]]:
    for command in line.run.commands:
        if words := _arguments(command, ("apt-get", "apt"), ("install",)):
            yield from _apt(words, command, line)
        elif words := _arguments(command, ("pip", "pip3"), PIP_INSTALLS):
            yield from _pip(words, command, line, machine)


def _arguments(command: Command, programs: Iterable[str], verbs: Iterable[str]) -> list[str]:
    """Return the words after the verb of one of ``programs``; [] for any other command."""
    words = list(command.words)
    if words[0].startswith("python") and words[1:2] == ["-m"]:
        words = words[2:]
    if not words or PurePosixPath(words[0]).name not in programs:
        return []
    verb_at = next((number for number, word in enumerate(words) if word in verbs), len(words))
    return words[verb_at + 1 :]


def _packages(words: Iterable[str], with_value: set[str]) -> Iterator[str]:
    """Yield the words that are not an option, the value of an option, or a redirection."""
    remaining = iter(words)
    for word in remaining:
        if word in with_value:
            next(remaining, None)
        elif not word.startswith("-") and not REDIRECTION.match(word):
            yield word


def _filled(word: str, line: _Line) -> str:
    filled = expand(word, line.run.variables)
    if UNKNOWN in filled:
        raise UsageError(
            f"{line.place} installs {word!r}, whose version is not known before the build",
            expected="only values of ARG and ENV in the name and version of a package",
        )
    return filled


def _use(word: str, line: _Line) -> Use:
    return Use(line.place, " ".join(names(word)))


# -- apt ------------------------------------------------------------------------------------------


def _apt(words: list[str], command: Command, line: _Line) -> Iterator[tuple[Pin, Use]]:
    packages = [(package, word) for word in _packages(words, APT_VALUES) for package in _filled(word, line).split()]
    together = tuple(package for package, _ in packages)
    for package, word in packages:
        name, _, wanted = package.partition("=")
        yield Pin(APT, name, wanted, _archive(line), together, maybe=command.maybe), _use(word, line)


def _archive(line: _Line) -> str:
    """Return the official image in which to ask apt: for a Python image the Debian image that it is made from."""
    image, suite = line.stage.image, SUITE.search(line.stage.image)
    if PYTHON.fullmatch(image) and suite and suite["suite"] != "slim":
        return f"debian:{suite['suite']}-slim"
    if PYTHON.fullmatch(image) or DEBIAN.fullmatch(image):
        return image
    raise UsageError(f"{line.place} installs with apt into {image}", expected="an official Debian or Python image")


# -- pip ------------------------------------------------------------------------------------------


def _pip(words: list[str], command: Command, line: _Line, machine: str) -> Iterator[tuple[Pin, Use]]:
    if "--no-index" in words:
        return
    python = next(filter(None, map(fallback_version, line.stage.images)), "")
    if not python:
        raise UsageError(
            f"{line.place} installs with pip into {line.stage.image}, whose Python is not known",
            expected="an official image python:X.Y.Z, or files of a stage that has one",
        )
    for word in _packages(words, {*PIP_VALUES, *LISTS}):
        filled = _filled(word, line)
        if not filled.startswith((".", "/")):
            yield from _requirement(filled, line.place, python, machine, command.maybe, _use(word, line))
    for path in _lists(words):
        yield from _listed(_filled(path, line), command, line, python, machine)


def _lists(words: list[str]) -> Iterator[str]:
    for before, word in zip(["", *words], words, strict=False):
        if before in LISTS:
            yield word
        elif match := JOINED_LIST.fullmatch(word):
            yield match[1]


def _listed(path: str, command: Command, line: _Line, python: str, machine: str) -> Iterator[tuple[Pin, Use]]:
    """Yield the pins of a requirements list. UsageError for a missing list, unless the command is inside an `if`."""
    names_there = in_context(str(PurePosixPath("/", path)), line.run)
    candidates = [line.build.context / line.build.renamed.get(name, name) for name in names_there]
    files = [file for file in candidates if file.is_file()]
    if not files and not command.maybe:
        raise UsageError(
            f"{line.place} installs the list {path}, which no COPY creates",
            expected="a file of the build context, copied by the same Dockerfile",
        )
    for place, entry in _entries(files[-1], line.root) if files else ():
        yield from _requirement(entry, place, python, machine, command.maybe, Use(place))


def _entries(file: Path, root: Path) -> Iterator[tuple[str, str]]:
    """Yield (place, requirement with its hashes in one line) of a list, without options and comments."""
    number = 1
    for lines in file.read_text(encoding="utf-8").replace("\\\n", "\0").split("\n"):
        entry = re.sub(r"(^|\s)#.*", "", lines.replace("\0", " ")).strip()
        if entry and not entry.startswith("-"):
            yield f"{shared_files.shown(file, root)}:{number}", entry
        number += 1 + lines.count("\0")


def _requirement(text: str, place: str, python: str, machine: str, maybe: bool, use: Use) -> Iterator[tuple[Pin, Use]]:
    """Yield the pin of a requirement on this Python; none if its marker excludes it."""
    hashes = frozenset(HASH.findall(text))
    try:
        requirement = Requirement(HASH.sub("", text))
    except InvalidRequirement as error:
        raise UsageError(f"{place}: {text!r} is not a requirement: {error}", expected="NAME==VERSION") from error
    if requirement.marker is None or requirement.marker.evaluate(marker_environment(python, machine)):
        name = canonicalize_name(requirement.name)
        yield Pin(PIP, name, str(requirement.specifier), python, hashes=hashes, maybe=maybe), use


def marker_environment(python: str, machine: str) -> dict[str, str]:
    """Return the environment for markers in an image with this CPython."""
    return {
        "extra": "",
        "implementation_name": "cpython",
        "implementation_version": python,
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": python,
        "python_version": python.rpartition(".")[0],
        "sys_platform": "linux",
    }
