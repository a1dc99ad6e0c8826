"""What this process knows of an engine that is not this machine's own. Whoever starts the process says it.

These are variables of the environment, since a worker and a run on another kernel are processes of their own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

PORTS = "REPROLAB_PORTS"
ELSEWHERE = "elsewhere"
KERNEL = "REPROLAB_KERNEL"  # the version of Linux of the virtual machine that the engine is in: 5.10.223
HARDWARE = "REPROLAB_HARDWARE"  # that machine in words: "virtual machine (TCG)"


def ports_elsewhere(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the ports that the engine publishes are those of another machine."""
    return environ.get(PORTS) == ELSEWHERE


def kernel(environ: Mapping[str, str] = os.environ) -> str:
    """The kernel of the virtual machine that the engine is in, "" if it is in none that the lab has started."""
    return environ.get(KERNEL, "")


def hardware(environ: Mapping[str, str] = os.environ) -> str:
    """The virtual machine in words, "" if the engine is in none that the lab has started."""
    return environ.get(HARDWARE, "")
