"""What of a virtual machine can be set."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from reprolab.core.errors import UsageError

MEMORY, PROCESSORS = "REPROLAB_VM_MEMORY", "REPROLAB_VM_CPUS"
# MiB. Below the first the engine does not start; a stack needs some hundred for itself.
LEAST, MOST = 768, 1 << 20
DISK = 16 << 30  # bytes; what is not written takes no space


@dataclass(frozen=True)
class Settings:
    """Memory in MiB, and the number of processors."""

    memory: int = 2048
    processors: int = 2

    @classmethod
    def of(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """The settings of the environment. Raises UsageError."""
        default = cls()
        memory = _number(environ, MEMORY, default.memory, LEAST, MOST)
        return cls(memory, _number(environ, PROCESSORS, default.processors, 1, 255))


def _number(environ: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = environ.get(name, "")
    if not text:
        return default
    if not re.fullmatch(r"[1-9]\d{0,6}", text) or not least <= int(text) <= most:
        unit = "MiB" if name == MEMORY else "processors"
        raise UsageError(f"{name}={text!r} is not possible", expected=f"a number of {unit} from {least} to {most}")
    return int(text)
