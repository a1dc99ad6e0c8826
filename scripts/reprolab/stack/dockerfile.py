"""A Dockerfile's stages under given build arguments: base, variables, files copied in, and what RUN lines run."""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from reprolab.core.errors import UsageError
from reprolab.stack.shell import Command, commands

VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)(?::?-(?P<default>[^}]*))?\}|(?P<bare>[A-Za-z_]\w*))")
FLAG = re.compile(r"--(?P<name>[\w-]+)(?:=(?P<value>\S*))?\s+")
UNKNOWN = "$"  # of a value that only a running build has


@dataclass(frozen=True)
class Run:
    """A RUN instruction: its first line in the file, its commands, and the variables they see."""

    line: int
    commands: tuple[Command, ...]
    variables: Mapping[str, str]
    copies: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Stage:
    """One stage: its name, the image it is built from at last, the stages that it needs, its RUN lines.

    ``images`` are that image and those of the stages it takes files from, an interpreter perhaps.
    """

    name: str
    images: tuple[str, ...]
    parents: tuple[str, ...] = ()
    runs: tuple[Run, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    copies: tuple[tuple[str, str], ...] = ()

    @property
    def image(self) -> str:
        """The image below all."""
        return self.images[0]


def expand(text: str, variables: Mapping[str, str]) -> str:
    """``text`` with its variables filled in; an unknown one stays as it is, and its dollar tells."""

    def value(found: re.Match[str]) -> str:
        known = variables.get(found["braced"] or found["bare"])
        default = found["default"]
        if default is not None:
            return known or default
        return found[0] if known is None else known

    return VARIABLE.sub(value, text)


def names(text: str) -> tuple[str, ...]:
    """The variables that ``text`` uses."""
    return tuple(found["braced"] or found["bare"] for found in VARIABLE.finditer(text))


def stages(text: str, arguments: Mapping[str, str], where: str, target: str = "") -> list[Stage]:
    """The stages that a build of ``target`` (the last one, by default) goes through.

    Raises UsageError, with ``where``, for what cannot be read.
    """
    # It takes 0.2 s to load, which a run whose images are there need not wait for.
    from dockerfile_parse import DockerfileParser  # type: ignore[import-untyped]

    found: dict[str, Stage] = {}
    reader = _Reader(arguments, found)
    # The parser would write to a file of that name: it gets one of its own.
    for entry in DockerfileParser(fileobj=io.BytesIO(text.encode()), env_replace=False).structure:
        try:
            reader.read(entry["instruction"], entry["value"], entry["startline"] + 1)
        except ValueError as error:
            raise UsageError(
                f"{where}, line {entry['startline'] + 1}: {error}", expected="an instruction that can be read"
            ) from error
    if not found:
        raise UsageError(f"{where} has no stage", expected="a FROM line")
    return [found[name] for name in _closure(found, target or list(found)[-1], where)]


def _closure(found: Mapping[str, Stage], target: str, where: str) -> list[str]:
    if target not in found:
        raise UsageError(f"{where} has no stage {target!r}", expected="one of " + ", ".join(found))
    wanted = {target}
    waiting = [target]
    while waiting:
        parents = {name for name in found[waiting.pop()].parents if name in found} - wanted
        wanted |= parents
        waiting += parents
    return [name for name in found if name in wanted]


class _Reader:
    """Takes the instructions one by one."""

    def __init__(self, arguments: Mapping[str, str], found: dict[str, Stage]) -> None:
        self.arguments = arguments
        self.found = found
        self.globals: dict[str, str] = {}
        self.stage: Stage | None = None
        self.directory = "/"

    def read(self, instruction: str, value: str, line: int) -> None:
        """Take one. Raises ValueError where it cannot be read."""
        if instruction == "FROM":
            self._from(value)
        elif instruction in ("ARG", "ENV"):
            self._set(instruction, value)
        elif instruction == "WORKDIR":
            self.directory = str(PurePosixPath(self.directory, self._filled(value)))
        elif instruction in ("COPY", "ADD"):
            self._copy(value)
        elif instruction == "RUN":
            self._run(value, line)

    def _filled(self, text: str) -> str:
        return expand(text, self.stage.variables if self.stage else self.globals)

    def _update(self, stage: Stage) -> None:
        self.stage = self.found[stage.name] = stage

    def _current(self) -> Stage:
        if self.stage is None:
            raise ValueError("there is no FROM before it")
        return self.stage

    def _needs(self, parent: str) -> None:
        stage = self._current()
        images = self.found[parent].images if parent in self.found else ()
        self._update(replace(stage, parents=(*stage.parents, parent), images=(*stage.images, *images)))

    def _copies(self, pairs: Iterable[tuple[str, str]]) -> None:
        stage = self._current()
        self._update(replace(stage, copies=(*stage.copies, *pairs)))

    def _from(self, value: str) -> None:
        words = expand(_flags(value)[1], self.globals).split()
        name = words[2] if len(words) > 2 else str(len(self.found))
        if UNKNOWN in words[0]:
            raise ValueError(f"FROM {words[0]}: no build argument says which image that is")
        base = self.found.get(words[0])
        self.directory = "/"
        if base is None:
            self._update(Stage(name, (words[0],)))
        else:
            self._update(replace(base, name=name, parents=(base.name,), runs=()))

    def _set(self, instruction: str, value: str) -> None:
        for word in shlex.split(value):
            name, equals, default = word.partition("=")
            given = expand(default, self.stage.variables if self.stage else self.globals) if equals else None
            if instruction == "ARG":
                given = self.arguments.get(name, given if given is not None else self.globals.get(name))
            if given is None:
                continue
            if self.stage:
                self._update(replace(self.stage, variables={**self.stage.variables, name: given}))
            else:
                self.globals[name] = given

    def _copy(self, value: str) -> None:
        flags, rest = _flags(value)
        *sources, target = self._filled(rest).split()
        if parent := dict(flags).get("from"):
            self._needs(parent)
            return
        several = "/" if len(sources) > 1 and not target.endswith("/") else ""
        self._copies((source, self._absolute(target) + several) for source in sources)

    def _absolute(self, path: str) -> str:
        whole = str(PurePosixPath(self.directory, path))
        return f"{whole}/" if path.endswith("/") else whole

    def _run(self, value: str, line: int) -> None:
        flags, rest = _flags(value)
        for mount in (flag for name, flag in flags if name == "mount"):
            self._mount(dict(part.partition("=")[::2] for part in self._filled(mount).split(",")))
        found = tuple(commands(rest, self._filled))
        stage = self._current()
        self._update(replace(stage, runs=(*stage.runs, Run(line, found, stage.variables, stage.copies))))

    def _mount(self, fields: Mapping[str, str]) -> None:
        target = fields.get("target") or fields.get("dst") or fields.get("destination")
        if parent := fields.get("from"):
            self._needs(parent)
        elif target and fields.get("type", "bind") == "bind":
            self._copies([(fields.get("source") or fields.get("src") or ".", target)])


def _flags(value: str) -> tuple[list[tuple[str, str]], str]:
    """The leading --flags of an instruction, and the rest."""
    found = []
    value = value.strip()
    while flag := FLAG.match(value):
        found.append((flag["name"], flag["value"] or ""))
        value = value[flag.end() :]
    return found, value


def in_context(path: str, run: Run) -> list[str]:
    """The names in the build context that may stand for the file at ``path``: each COPY before the RUN may lay it."""
    inside = PurePosixPath(path)
    found = []
    for source, target in run.copies:
        if inside.is_relative_to(target):
            rest, origin = inside.relative_to(target), PurePosixPath(source)
            found.append(str(origin / rest))
            # A file, or files by a pattern, laid into a directory.
            if len(rest.parts) == 1 and fnmatchcase(rest.name, origin.name):
                found.append(str(origin.with_name(rest.name)))
    return found
