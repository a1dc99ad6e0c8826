"""Parses the stages of a Dockerfile for given build arguments: base image, variables, COPY and RUN instructions."""

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
UNKNOWN = "$"  # in a value that is known only during a build


@dataclass(frozen=True)
class Run:
    """A RUN instruction: its first line in the file, its commands, variables, and the (source, target) of each COPY."""

    line: int
    commands: tuple[Command, ...]
    variables: Mapping[str, str]
    copies: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Stage:
    """One stage: its name, its base images, the stages that it needs, its RUN instructions, variables and COPYs.

    The first of ``images`` is the base image of the stage. The others are those of stages from which it copies files.
    """

    name: str
    images: tuple[str, ...]
    parents: tuple[str, ...] = ()
    runs: tuple[Run, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    copies: tuple[tuple[str, str], ...] = ()

    @property
    def image(self) -> str:
        """The base image."""
        return self.images[0]


def expand(text: str, variables: Mapping[str, str]) -> str:
    """``text`` with the values of its variables. An unknown variable stays, with its dollar sign."""

    def value(match: re.Match[str]) -> str:
        known = variables.get(match["braced"] or match["bare"])
        default = match["default"]
        if default is not None:
            return known or default
        return match[0] if known is None else known

    return VARIABLE.sub(value, text)


def names(text: str) -> tuple[str, ...]:
    """The variables that ``text`` uses."""
    return tuple(match["braced"] or match["bare"] for match in VARIABLE.finditer(text))


def stages(text: str, arguments: Mapping[str, str], where: str, target: str = "") -> list[Stage]:
    """The stages that a build of ``target`` needs; without a target, those of the last stage.

    Raises UsageError, which names ``where``, for a file that cannot be parsed.
    """
    # The import takes 0.2 s. A run whose images all exist does not need it.
    from dockerfile_parse import DockerfileParser  # type: ignore[import-untyped]

    known: dict[str, Stage] = {}
    reader = _Reader(arguments, known)
    # By default the parser opens a file with this name to write to it.
    for entry in DockerfileParser(fileobj=io.BytesIO(text.encode()), env_replace=False).structure:
        try:
            reader.read(entry["instruction"], entry["value"], entry["startline"] + 1)
        except ValueError as error:
            raise UsageError(
                f"{where}, line {entry['startline'] + 1}: {error}", expected="an instruction that can be read"
            ) from error
    if not known:
        raise UsageError(f"{where} has no stage", expected="a FROM line")
    return [known[name] for name in _needed(known, target or list(known)[-1], where)]


def _needed(known: Mapping[str, Stage], target: str, where: str) -> list[str]:
    """The names of a stage and of all stages that it needs, in the order of the file."""
    if target not in known:
        raise UsageError(f"{where} has no stage {target!r}", expected="one of " + ", ".join(known))
    needed = {target}
    waiting = [target]
    while waiting:
        parents = {name for name in known[waiting.pop()].parents if name in known} - needed
        needed |= parents
        waiting += parents
    return [name for name in known if name in needed]


class _Reader:
    """Reads the instructions one by one into ``stages``."""

    def __init__(self, arguments: Mapping[str, str], stages: dict[str, Stage]) -> None:
        self.arguments = arguments
        self.stages = stages
        self.globals: dict[str, str] = {}
        self.stage: Stage | None = None
        self.directory = "/"

    def read(self, instruction: str, value: str, line: int) -> None:
        """Read one instruction. Raises ValueError if it cannot be parsed."""
        if instruction == "FROM":
            self._from(value)
        elif instruction in ("ARG", "ENV"):
            self._set(instruction, value)
        elif instruction == "WORKDIR":
            self.directory = str(PurePosixPath(self.directory, self._expand(value)))
        elif instruction in ("COPY", "ADD"):
            self._copy(value)
        elif instruction == "RUN":
            self._run(value, line)

    def _expand(self, text: str) -> str:
        return expand(text, self.stage.variables if self.stage else self.globals)

    def _update(self, stage: Stage) -> None:
        self.stage = self.stages[stage.name] = stage

    def _current(self) -> Stage:
        if self.stage is None:
            raise ValueError("there is no FROM before it")
        return self.stage

    def _add_parent(self, parent: str) -> None:
        stage = self._current()
        images = self.stages[parent].images if parent in self.stages else ()
        self._update(replace(stage, parents=(*stage.parents, parent), images=(*stage.images, *images)))

    def _add_copies(self, pairs: Iterable[tuple[str, str]]) -> None:
        stage = self._current()
        self._update(replace(stage, copies=(*stage.copies, *pairs)))

    def _from(self, value: str) -> None:
        words = expand(_flags(value)[1], self.globals).split()
        name = words[2] if len(words) > 2 else str(len(self.stages))
        if UNKNOWN in words[0]:
            raise ValueError(f"FROM {words[0]}: no build argument says which image that is")
        base = self.stages.get(words[0])
        self.directory = "/"
        if base is None:
            self._update(Stage(name, (words[0],)))
        else:
            self._update(replace(base, name=name, parents=(base.name,), runs=()))

    def _set(self, instruction: str, value: str) -> None:
        for word in shlex.split(value):
            name, equals, default = word.partition("=")
            assigned = self._expand(default) if equals else None
            if instruction == "ARG":
                assigned = self.arguments.get(name, assigned if assigned is not None else self.globals.get(name))
            if assigned is None:
                continue
            if self.stage:
                self._update(replace(self.stage, variables={**self.stage.variables, name: assigned}))
            else:
                self.globals[name] = assigned

    def _copy(self, value: str) -> None:
        flags, rest = _flags(value)
        *sources, target = self._expand(rest).split()
        if parent := dict(flags).get("from"):
            self._add_parent(parent)
            return
        several = "/" if len(sources) > 1 and not target.endswith("/") else ""
        self._add_copies((source, self._absolute(target) + several) for source in sources)

    def _absolute(self, path: str) -> str:
        absolute = str(PurePosixPath(self.directory, path))
        return f"{absolute}/" if path.endswith("/") else absolute

    def _run(self, value: str, line: int) -> None:
        flags, rest = _flags(value)
        for mount in (flag for name, flag in flags if name == "mount"):
            self._mount(dict(part.partition("=")[::2] for part in self._expand(mount).split(",")))
        run_commands = tuple(commands(rest, self._expand))
        stage = self._current()
        self._update(replace(stage, runs=(*stage.runs, Run(line, run_commands, stage.variables, stage.copies))))

    def _mount(self, fields: Mapping[str, str]) -> None:
        target = fields.get("target") or fields.get("dst") or fields.get("destination")
        if parent := fields.get("from"):
            self._add_parent(parent)
        elif target and fields.get("type", "bind") == "bind":
            self._add_copies([(fields.get("source") or fields.get("src") or ".", target)])


def _flags(value: str) -> tuple[list[tuple[str, str]], str]:
    """The leading --flags of an instruction, and the rest of it."""
    flags = []
    value = value.strip()
    while flag := FLAG.match(value):
        flags.append((flag["name"], flag["value"] or ""))
        value = value[flag.end() :]
    return flags, value


def in_context(path: str, run: Run) -> list[str]:
    """The names in the build context of the file that may be at ``path``: each COPY before the RUN may put it there."""
    target_path = PurePosixPath(path)
    names = []
    for source, target in run.copies:
        if target_path.is_relative_to(target):
            rest, origin = target_path.relative_to(target), PurePosixPath(source)
            names.append(str(origin / rest))
            # The source is a file, or a pattern of files, and the target is a directory.
            if len(rest.parts) == 1 and fnmatchcase(rest.name, origin.name):
                names.append(str(origin.with_name(rest.name)))
    return names
