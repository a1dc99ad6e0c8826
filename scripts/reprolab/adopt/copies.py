"""Copies what a stack reads from its directory into the scenario: build contexts and files that services mount.

A scenario sees no files of the host but its own. Files that hold secrets by their names are not copied.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from docker.utils.build import exclude_paths

from reprolab.adopt.changes import Changes
from reprolab.adopt.made_up import MadeUp
from reprolab.baseimage.resolve import fallback_version
from reprolab.core.errors import UsageError
from reprolab.stack.compose import BASE_ARGUMENT

MOST_FILES, MOST_BYTES = 5000, 64 << 20
SECRET_FILE = re.compile(
    r"\.env(\.(?!example|sample|template|dist)[\w.-]+)?|.*\.env|.*\.(pem|key|p12|pfx|jks|keystore|kdbx)|id_(rsa|dsa|ecdsa|ed25519).*|"
    r"\.(netrc|npmrc|pypirc|pgpass|git-credentials|htpasswd|envrc|flaskenv|dockercfg|my\.cnf|vault.pass.*)|kubeconfig|"
    r".*\.(tfstate|ovpn|ppk|jceks)|service.?account.*\.json|[\w-]*(passwo?r?d|token)s?\.txt|"
    r"credentials(\..*)?|secrets?(\.(ya?ml|json|toml|ini|txt|env))?",
    re.IGNORECASE,
)
NOT_COPIED = frozenset(
    {".git", ".hg", ".svn", ".ssh", ".aws", ".gnupg", ".docker", ".kube", ".terraform", "__pycache__"}
)
FROM = re.compile(r"^(?P<before>FROM\s+(?:--\S+\s+)*)(?P<image>\S+)(?P<after>.*)$", re.IGNORECASE)
GLOBAL_ARG = re.compile(r"^ARG\s+(?P<name>\w+)=[\"']?(?P<value>[^\s\"']+)", re.IGNORECASE)
DIRECTIVE = re.compile(r"#\s*(syntax|escape|check)\s*=", re.IGNORECASE)


def is_secret_file(path: Path) -> bool:
    """Whether a file or one of its directories holds secrets by its name."""
    return any(SECRET_FILE.fullmatch(part) for part in path.parts)


@dataclass
class Copies:
    """Copies into a scenario's directory. ``withheld`` are not copied wherever they are: path -> why."""

    target: Path
    changes: Changes
    made_up: MadeUp
    withheld: Mapping[Path, str] = field(default_factory=dict)

    def context(self, source: Path, place: str, dockerfile: str, where: str) -> dict[str, str]:
        """Copy a build context to ``place`` with its Dockerfile; returns build arguments for its base images.

        Raises UsageError for a context that does not exist, has no Dockerfile, or is too large.
        """
        recipe = source / dockerfile
        if not recipe.is_file():
            raise UsageError(
                f"{where}: there is no {recipe}",
                expected="a directory with a Dockerfile; the lab builds no other contexts",
            )
        ignore = next((p for p in (Path(f"{recipe}.dockerignore"), source / ".dockerignore") if p.is_file()), None)
        patterns = _patterns(_text(ignore)) if ignore else []
        inside = recipe.resolve().is_relative_to(source.resolve())
        names = exclude_paths(str(source), patterns, dockerfile=dockerfile if inside else None)
        self._copy(source, (Path(name) for name in sorted(names)), self.target / place, where)
        text, arguments = with_base_arguments(_text(recipe))
        (self.target / place).mkdir(parents=True, exist_ok=True)
        self._write(self.target / place / "Dockerfile", text.encode(errors="surrogateescape"), where)
        if ignore:
            kept = _text(ignore).rstrip("\n")
            content = f"{kept}\n!Dockerfile\n".encode(errors="surrogateescape")
            (self.target / place / ".dockerignore").write_bytes(content)
        return arguments

    def mounted(self, source: Path, place: str, where: str) -> None:
        """Copy a file or a directory that a service mounts to ``place``."""
        if source.is_file():
            self._copy(source.parent, [Path(source.name)], (self.target / place).parent, where)
            return
        names = (path.relative_to(source) for path in sorted(source.rglob("*")))
        self._copy(source, names, self.target / place, where)
        (self.target / place).mkdir(parents=True, exist_ok=True)

    def _copy(self, source: Path, names: Iterable[Path], target: Path, where: str) -> None:
        size = 0
        for number, name in enumerate(self._wanted(source, names, where), 1):
            path = source / name
            size += path.stat().st_size
            if number > MOST_FILES or size > MOST_BYTES:
                raise UsageError(
                    f"{where}: {source} has more than {MOST_FILES} files or {MOST_BYTES >> 20} MiB",
                    expected="what the image needs, since the scenario has a copy of it",
                    advice="leave the rest out with a .dockerignore",
                )
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target / name)
            self._write(target / name, path.read_bytes(), where)

    def _write(self, path: Path, content: bytes, where: str) -> None:
        """Write a file, with the made-up values in the place of the secrets of the stack; what had one is noted."""
        made_up = self.made_up.content(content)
        path.write_bytes(made_up)
        place = path.relative_to(self.target)
        if made_up != content:
            self.changes.add(where, f"look at {place}", "a secret of the stack in it became the made-up one")
        elif self.made_up.inside(content):
            why = "it has a word in it that is a secret of the stack, and was copied as it is"
            self.changes.add(where, f"look at {place}", why)

    def _wanted(self, source: Path, names: Iterable[Path], where: str) -> Iterator[Path]:
        """The files to copy; those that hold secrets, or are links to elsewhere, are noted."""
        for name in names:
            path, real, base = source / name, (source / name).resolve(), source.resolve()
            if not path.is_file() or NOT_COPIED & set(name.parts):
                continue
            if real in self.withheld:
                self.changes.dropped(f"{where} {name}", self.withheld[real])
            elif not real.is_relative_to(base):
                self.changes.dropped(f"{where} {name}", "it is a link to a file elsewhere")
            elif is_secret_file(name) or is_secret_file(real.relative_to(base)):
                self.changes.dropped(f"{where} {name}", "it holds secrets by its name")
            elif os.access(path, os.R_OK):
                yield name
            else:
                self.changes.dropped(f"{where} {name}", "it cannot be read")


def _text(path: Path) -> str:
    """The text of a file; bytes that are no UTF-8 stay what they are when it is encoded again."""
    return path.read_text(encoding="utf-8", errors="surrogateescape")


def _patterns(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def with_base_arguments(dockerfile: str) -> tuple[str, dict[str, str]]:
    """A Dockerfile whose official Python and Debian images are build arguments, which the lab sets, and these.

    Other images stay as they are: the engine pulls them. An argument that the file has itself is used.
    """
    lines = dockerfile.splitlines()
    arguments: dict[str, str] = {}
    declared = {match["name"]: match["value"] for line in lines if (match := GLOBAL_ARG.match(line))}
    for number, line in enumerate(lines):
        match = FROM.match(line)
        if match is None:
            continue
        image = match["image"]
        name = re.sub(r"[${}]", "", image)
        if image.startswith("$") and name.endswith(BASE_ARGUMENT) and name in declared:
            arguments[name] = declared[name]
        elif "$" not in image and ":" in image and fallback_version(image) is not None:
            name = _argument(image, arguments)
            arguments[name] = image
            lines[number] = f"{match['before']}${{{name}}}{match['after']}"
    new = [f"ARG {name}={image}" for name, image in arguments.items() if name not in declared]
    first = next((n for n, line in enumerate(lines) if not DIRECTIVE.match(line)), 0)
    return "\n".join([*lines[:first], *new, *lines[first:]]) + "\n", arguments


def _argument(image: str, arguments: dict[str, str]) -> str:
    """A name for the build argument of an image; two images of one Dockerfile have two."""
    stem = image.partition(":")[0].upper()
    for number in range(1, len(arguments) + 2):
        name = f"{stem}{BASE_ARGUMENT}" if number == 1 else f"{stem}_{number}{BASE_ARGUMENT}"
        if arguments.get(name, image) == image:
            break
    return name
