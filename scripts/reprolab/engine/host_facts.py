"""The machine of a run: facts that a reader needs to interpret the measurements."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import docker

from reprolab.engine import elsewhere
from reprolab.engine.detect import Engine


@dataclass(frozen=True)
class Host:
    """Kernel, processor, memory (MiB), engine, Compose and cgroup version. No host or user names.

    ``hardware`` names the engine's machine if it is another one: a virtual machine that the lab has started, or one
    behind ssh or TCP. A field is None if a run of an older release did not record it, or if there is nothing to say.
    """

    kernel: str | None = None
    cpu: str | None = None
    cpus: int | None = None
    memory_mib: int | None = None
    os: str | None = None
    engine: str | None = None
    compose: str | None = None
    buildx: str | None = None
    cgroup: str | None = None
    python: str | None = None
    hardware: str | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Host:
        """Read ``host`` of run.json or recorded.json."""
        return cls(**{field.name: data.get(field.name) for field in fields(cls)})

    @property
    def words(self) -> list[str]:
        """Machine, processors, kernel, engine and Compose, the most important first; what is not known is left out."""
        known = (("kernel", self.kernel), ("engine", self.engine), ("Compose", self.compose))
        processor = [f"{self.cpus} × {self.cpu or 'processors'}"] if self.cpus and (self.cpu or self.hardware) else []
        hardware = [self.hardware] if self.hardware else []
        return [*hardware, *processor, *(f"{name} {value}" for name, value in known if value)]

    def to_json(self) -> dict[str, str | int]:
        """Return the fields that are not None."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def facts_of(engine: Engine, client: docker.DockerClient) -> Host:
    """Return the facts about the engine's machine, which is this one unless the engine is elsewhere."""
    return facts_elsewhere(engine, client.info()) if elsewhere.ports_elsewhere(engine.host) else facts(engine)


def facts(engine: Engine) -> Host:
    """Return the facts about this machine."""
    return Host(
        kernel=engine.kernel or platform.release(),
        cpu=_first_value("/proc/cpuinfo", "model name") or platform.machine(),
        cpus=len(os.sched_getaffinity(0)),
        memory_mib=int((_first_value("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) // 1024,
        os=engine.os,
        engine=engine.version,
        compose=engine.compose,
        buildx=engine.buildx,
        cgroup=engine.cgroup,
        python=platform.python_version(),
    )


def facts_elsewhere(engine: Engine, info: Mapping[str, Any]) -> Host:
    """Return the facts about an engine's machine, if that is another one; ``info`` is the engine's answer about it.

    An engine does not tell the model of its processor.
    """
    memory = info.get("MemTotal")
    return replace(
        facts(engine),
        kernel=elsewhere.kernel_words(engine.kernel) or None,
        cpu=None,
        cpus=info.get("NCPU"),
        memory_mib=memory and memory // (1 << 20),
        hardware=elsewhere.hardware(engine.host) or None,
    )


def _first_value(path: str, key: str) -> str:
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""
