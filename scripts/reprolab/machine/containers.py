"""The containers that this process started, found through their cgroups, and the counters of a cgroup."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import docker
from docker.errors import NotFound

from reprolab.engine import labels
from reprolab.engine.containers import PROJECT, SERVICE
from reprolab.machine import texts

PROC = Path("/proc")
LOOKS, BETWEEN = 20, 0.05  # looks for the cgroup of a new container, and seconds between them
NOT_HERE = "the engine's containers are not processes of this machine"


class NotVisible(Exception):
    """The containers of the engine cannot be seen from this machine."""


@dataclass(frozen=True)
class CgroupFiles:
    """The files of a container's cgroup; version 1 has a directory for each controller."""

    cpu: Path
    memory: Path
    memory_stat: Path
    processes: Path

    def cpu_seconds(self) -> float:
        return texts.cpu_seconds(self.cpu.read_text(encoding="ascii"))

    def memory_bytes(self) -> int:
        """The used memory without the page cache that the kernel can drop."""
        used = int(self.memory.read_text(encoding="ascii"))
        return max(used - texts.inactive_file_bytes(self.memory_stat.read_text(encoding="ascii")), 0)

    def pids(self) -> list[int]:
        return [int(pid) for pid in self.processes.read_text(encoding="ascii").split()]


def cgroup_files(mounts: Mapping[str, str], paths: Mapping[str, str]) -> CgroupFiles:
    """The files for these mount points and paths (see `texts`). Raises KeyError if a controller is missing."""

    def directory(controller: str) -> Path:
        name = controller if controller in paths and controller in mounts else ""
        return Path(mounts[name] + paths[name])

    cpu, memory = directory("cpuacct"), directory("memory")
    old_cpu, old_memory = "cpuacct" in paths and "cpuacct" in mounts, "memory" in paths and "memory" in mounts
    return CgroupFiles(
        cpu / ("cpuacct.usage" if old_cpu else "cpu.stat"),
        memory / ("memory.usage_in_bytes" if old_memory else "memory.current"),
        memory / "memory.stat",
        memory / "cgroup.procs",
    )


@dataclass(frozen=True)
class LabContainer:
    """A container of this process: its cgroup, and the Compose project and service."""

    id: str
    files: CgroupFiles
    project: str
    service: str


@dataclass
class LabContainers:
    """Finds the running containers that this process started.

    The engine is asked once for each container. New containers are noticed by new directories of cgroups, as a list of
    directories costs much less than a request.
    """

    client: docker.DockerClient
    proc: Path = PROC
    known: dict[str, LabContainer] = field(default_factory=dict)
    _owner: str = field(default_factory=lambda: labels.process_identity(os.getpid()))
    _foreign: set[str] = field(default_factory=set)
    _parents: set[Path] = field(default_factory=set)
    _mounts: dict[str, str] = field(default_factory=dict)

    def find(self) -> None:
        """Add new containers to ``known``. Raises NotVisible; ended containers stay in ``known``."""
        for identifier in self._candidates():
            if identifier not in self.known and identifier not in self._foreign:
                self._add(identifier)

    def is_foreign(self, identifier: str) -> bool | None:
        """Whether a running container is not one of this process; None if the engine does not say it yet.

        A container that the engine does not know is of another engine. Raises NotVisible.
        """
        if identifier not in self.known and identifier not in self._foreign and not self._add(identifier):
            self._foreign.add(identifier)
        return True if identifier in self._foreign else False if identifier in self.known else None

    def _candidates(self) -> set[str]:
        if not self._parents:
            filters = {"label": f"{labels.OWNER}={self._owner}"}
            return {str(row["Id"]) for row in self.client.api.containers(filters=filters)}
        names = {name for parent in self._parents for name in _names(parent)}
        return {identifier for name in names if (identifier := texts.container_id(name))}

    def _add(self, identifier: str) -> bool:
        """Ask the engine for a container's details; returns whether it knows the container."""
        try:
            details = self.client.api.inspect_container(identifier)
        except NotFound:
            return False
        own_labels = details["Config"].get("Labels") or {}
        if own_labels.get(labels.OWNER) != self._owner:
            self._foreign.add(identifier)
            return True
        pid = int(details["State"].get("Pid") or 0)
        if not pid:
            return True
        try:
            cgroup = self._cgroup(pid, identifier)
        except OSError as error:
            # Either the container has just ended, or its processes are on another machine.
            if self.client.api.inspect_container(identifier)["State"].get("Pid") != pid:
                return True
            raise NotVisible(NOT_HERE) from error
        if identifier not in cgroup:
            raise NotVisible(NOT_HERE)
        files = self._files(cgroup)
        self._parents.add(files.cpu.parents[1])
        self.known[identifier] = LabContainer(
            identifier, files, own_labels.get(PROJECT, ""), own_labels.get(SERVICE, "")
        )
        return True

    def _cgroup(self, pid: int, identifier: str) -> str:
        """The text of a process's cgroups. A container that has just begun gets its first process before its cgroup."""
        for _ in range(LOOKS):
            text = (self.proc / str(pid) / "cgroup").read_text(encoding="ascii")
            if identifier in text:
                break
            time.sleep(BETWEEN)
        return text

    def _files(self, cgroup: str) -> CgroupFiles:
        if not self._mounts:
            mountinfo = (self.proc / "self/mountinfo").read_text(encoding="utf-8", errors="replace")
            self._mounts = texts.cgroup_mounts(mountinfo)
        try:
            files = cgroup_files(self._mounts, texts.cgroup_paths(cgroup))
        except KeyError as error:
            raise NotVisible(f"no cgroup of the controller {error} is mounted here") from error
        for path in (files.cpu, files.memory, files.processes):
            if not path.exists():
                raise NotVisible(f"the cgroups of containers have no {path.name} that can be read here")
        return files


def _names(parent: Path) -> list[str]:
    try:
        return [path.name for path in parent.iterdir()]
    except OSError:
        return []
