"""Whether this machine can run virtual machines, for `doctor`."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from reprolab.core.errors import EngineError
from reprolab.engine.apt import Machine
from reprolab.vm.accelerator import accelerator, require_architecture
from reprolab.vm.programs import may_install, missing_packages

NONE = "none"


@dataclass(frozen=True)
class VmState:
    """``accelerator`` is "kvm", "tcg" or "none"; ``detail`` says why, and what is not installed yet."""

    accelerator: str
    detail: str


def vm_state(machine: Machine, architecture: str = "") -> VmState:
    """What a virtual machine would run with here. Nothing is started or installed. Raises UsageError."""
    try:
        require_architecture(architecture or platform.machine())
    except EngineError as error:
        return VmState(NONE, error.args[0])
    kind = accelerator(machine.environ, machine.root)
    missing = " ".join(missing_packages(machine))
    if missing and not may_install(machine):
        return VmState(NONE, f"not installed: {missing}")
    return VmState(kind.name, f"{kind}" + (f"; the lab would install {missing}" if missing else ""))
