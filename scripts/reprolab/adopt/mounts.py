"""What a service of a user's stack reads of its host: mounts, build contexts, configs and secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reprolab.adopt import mounted_code
from reprolab.adopt.changes import Changes
from reprolab.adopt.copies import Copies, is_secret_file
from reprolab.adopt.made_up import MadeUp, secret_name
from reprolab.adopt.mounted_code import BuiltContext
from reprolab.adopt.names import Names, plain
from reprolab.core.errors import UsageError

FILES, CONTEXTS = "files", "contexts"
SOCKETS = ("docker.sock", "podman.sock", "containerd.sock")
# A directory that is mounted to be written to is copied only if it can be a configuration: small, few files.
SMALL_BYTES, SMALL_FILES = 1 << 20, 200


@dataclass
class Mounts:
    """Copies files of the stack's directory ``folder`` into the scenario; ``volumes`` has those that became volumes."""

    folder: Path
    names: Names
    copies: Copies
    changes: Changes
    made_up: MadeUp
    volumes: dict[str, dict[str, Any]] = field(default_factory=dict)
    _places: set[str] = field(default_factory=set)
    _contexts: dict[str, BuiltContext] = field(default_factory=dict)

    def of_service(self, name: str, section: Mapping[str, Any]) -> list[Any]:
        """The mounts of a service in the short form."""
        mounts: list[Any] = []
        for mount in section.get("volumes") or ():
            kind, target = str(mount.get("type")), str(mount["target"])
            if kind == "bind":
                mounts += self._bind(name, section, mount)
            elif kind == "volume":
                source = self._volume(str(mount.get("source") or f"{name}-{target}"))
                mounts.append(f"{source}:{target}" + (":ro" if mount.get("read_only") else ""))
            elif kind == "tmpfs":
                mounts.append({"type": "tmpfs", "target": target})
            else:
                self.changes.dropped(f"{name}.volumes {target}", f"a stack of the lab has no mounts of the type {kind}")
        return mounts

    def _volume(self, source: str) -> str:
        shared = self.names.shared(source)
        self.volumes.setdefault(shared, {})
        return shared

    def _bind(self, name: str, section: Mapping[str, Any], mount: Mapping[str, Any]) -> list[str]:
        """A mount of the host: a copy that is only read, a volume in its place, or nothing."""
        source, target = Path(str(mount["source"])), str(mount["target"])
        where = f"{name}.volumes {self._shown(source)}"
        reason = self._refusal(source)
        if reason:
            self.changes.dropped(where, reason)
            return []
        may_write = not mount.get("read_only")
        if source.is_file() or (
            source.is_dir() and (not may_write or (not section.get("build") and _is_small(source)))
        ):
            place = self._place(f"{FILES}/{plain(name)}/{source.name}")
            self.copies.mounted(source, place, where)
            why = "a stack must not write to the host" if may_write else "a scenario sees no files but its own"
            self.changes.add(where, "became a copy that is only read" if may_write else "became a copy", why)
            return [f"./{place}:{target}:ro"]
        if self._has_no_copy(name, source, target):
            mounted_code.add(self._contexts[name], self.copies, source, target, where)
            self.changes.add(
                where,
                f"became part of the image, at {target}",
                "a stack must not write to the host, and the Dockerfile copies nothing of it",
            )
            return []
        self.changes.add(
            where,
            f"became a volume of the stack, which has what the image has at {target}",
            "a stack must not write to the host",
        )
        return [f"{self._volume(f'{name}-{target}')}:{target}"]

    def _has_no_copy(self, name: str, source: Path, target: str) -> bool:
        """Whether a service mounts code that its image lacks. The path must be one word of a Dockerfile."""
        context = self._contexts.get(name)
        if context is None or not source.is_dir() or len(target.split()) != 1:
            return False
        return context.lacks(source.resolve(), self.copies.target / context.place / "Dockerfile")

    def _refusal(self, source: Path) -> str:
        """Why nothing of a path may be in a scenario, "" if it may."""
        if source.name in SOCKETS:
            return "who has the engine's socket has every right on the host"
        inside = source.resolve().is_relative_to(self.folder.resolve())
        if not inside:
            return "it is a path of the host outside of the stack's directory"
        if is_secret_file(source.relative_to(self.folder) if source.is_relative_to(self.folder) else Path(source.name)):
            return "it holds secrets by its name"
        return ""

    def build(self, name: str, build: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
        """Copy a build context; returns its place in the scenario, and arguments for its base images.

        Raises UsageError for a context that is no directory of this machine.
        """
        context = Path(str(build["context"]))
        where = f"{name}.build"
        if not context.is_dir():
            raise UsageError(
                f"{where}: the context {context} is no directory", expected="a directory with a Dockerfile"
            )
        place = self._place(f"{CONTEXTS}/{plain(name)}")
        if text := build.get("dockerfile_inline"):
            raise UsageError(
                f"{where}: dockerfile_inline is not supported",
                expected="a file, since the lab names an image after the files of its context",
                advice=f"write its {len(str(text).splitlines())} lines into a Dockerfile",
            )
        bases = self.copies.context(context, place, str(build.get("dockerfile") or "Dockerfile"), where)
        arguments = {**bases, **(build.get("args") or {})}
        self._contexts[name] = BuiltContext(context.resolve(), place, arguments, str(build.get("target") or ""))
        return place, bases

    def shared_file(self, kind: str, name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
        """A secret or a config of the top level: a secret has a made-up value, a config is copied."""
        where = f"{kind}.{name}"
        place = self._place(f"{FILES}/{kind}/{plain(name)}")
        if kind == "secrets":
            text = self.made_up.of(secret_name(name))
            (self.copies.target / place).parent.mkdir(parents=True, exist_ok=True)
            (self.copies.target / place).write_text(text, encoding="utf-8")
            self.changes.add(where, "has a made-up value", "the lab keeps no secret")
            return {"file": f"./{place}"}
        if entry.get("content"):
            (self.copies.target / place).parent.mkdir(parents=True, exist_ok=True)
            (self.copies.target / place).write_text(self.made_up.text(str(entry["content"])), encoding="utf-8")
            return {"file": f"./{place}"}
        source = Path(str(entry.get("file") or ""))
        if not entry.get("file") or self._refusal(source) or not source.is_file():
            raise UsageError(f"{where} is no file of the stack's directory", expected="a file below it, or `content`")
        self.copies.mounted(source, f"{place}/{source.name}", where)
        return {"file": f"./{place}/{source.name}"}

    def _place(self, wanted: str) -> str:
        """A path in the scenario that nothing else has."""
        place, number = wanted, 2
        while place in self._places:
            place, number = f"{wanted}-{number}", number + 1
        self._places.add(place)
        return place

    def _shown(self, source: Path) -> str:
        if not source.is_relative_to(self.folder):
            return str(source)
        return f"./{source.relative_to(self.folder)}".removesuffix("/.")


def _is_small(directory: Path) -> bool:
    """Whether a directory can be a configuration; an empty one, or one that cannot be read, is none."""
    try:
        sizes = [path.stat().st_size for path in directory.rglob("*") if path.is_file()]
    except OSError:
        return False
    return 0 < len(sizes) <= SMALL_FILES and sum(sizes) <= SMALL_BYTES
