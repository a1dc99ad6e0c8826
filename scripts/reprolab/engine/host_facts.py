"""Facts about the machine a run took place on: what a reader needs in order to weigh the numbers."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from reprolab.engine.detect import Engine


def facts(engine: Engine) -> dict[str, str | int]:
    """Kernel, processor, memory (MiB), engine, Compose and cgroup version; no names of hosts or users."""
    return {
        "kernel": engine.kernel or platform.release(),
        "cpu": _first("/proc/cpuinfo", "model name") or platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_mib": int((_first("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) // 1024,
        "os": engine.os,
        "engine": engine.version,
        "compose": engine.compose,
        "buildx": engine.buildx,
        "cgroup": engine.cgroup,
        "python": platform.python_version(),
    }


def _first(path: str, key: str) -> str:
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""
