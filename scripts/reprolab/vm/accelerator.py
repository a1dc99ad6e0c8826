"""What runs the guest's instructions: the processor itself (KVM), or a program that translates them (TCG)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from reprolab.core.errors import EngineError, UsageError

VARIABLE = "REPROLAB_VM_ACCELERATOR"
KVM, TCG = "kvm", "tcg"
AUTO = "auto"
ARCHITECTURE = "x86_64"
# The modules of KVM that let the processor run a guest. Others, such as those of machines that are virtual themselves
# without the processor's help, interpret the kernel of a guest, which is slower than TCG and does not know all
# instructions.
HARDWARE = ("kvm_intel", "kvm_amd")
DEVICE = Path("dev/kvm")
MODULES = Path("sys/module")


@dataclass(frozen=True)
class Accelerator:
    """``name`` as QEMU knows it, and ``why`` it is this one."""

    name: str
    why: str

    @property
    def slow(self) -> bool:
        return self.name == TCG

    @property
    def words(self) -> list[str]:
        """The options of QEMU."""
        if self.slow:
            return ["-accel", "tcg,thread=multi", "-cpu", "max"]
        # Within a virtual machine this register of the processor often cannot be set.
        return ["-accel", "kvm", "-cpu", "host,-arch-capabilities"]

    def __str__(self) -> str:
        return f"{self.name.upper()} ({self.why})"


def accelerator(
    environ: Mapping[str, str] = os.environ,
    root: Path = Path("/"),
    opens: Callable[[Path], bool] | None = None,
) -> Accelerator:
    """What this machine has, or what REPROLAB_VM_ACCELERATOR names. Raises UsageError for another word."""
    wanted = environ.get(VARIABLE, AUTO)
    if wanted not in (AUTO, KVM, TCG):
        raise UsageError(f"{VARIABLE}={wanted}: no such accelerator", expected=f"{AUTO}, {KVM} or {TCG}")
    if wanted != AUTO:
        return Accelerator(wanted, f"{VARIABLE}={wanted}")
    obstacle = kvm_obstacle(root, opens or _opens)
    return Accelerator(TCG, f"slow: {obstacle}") if obstacle else Accelerator(KVM, "the processor runs the guest")


def kvm_obstacle(root: Path, opens: Callable[[Path], bool]) -> str:
    """Why KVM is of no use here; "" if it is."""
    device = root / DEVICE
    if not device.exists():
        return "there is no /dev/kvm"
    if not opens(device):
        return "/dev/kvm cannot be opened by this user"
    if any((root / MODULES / name).is_dir() for name in HARDWARE):
        return ""
    kinds = sorted(path.name for path in (root / MODULES).glob("kvm_*"))
    return f"KVM is there without the processor's help ({', '.join(kinds) or 'no kvm_intel or kvm_amd'})"


def _opens(device: Path) -> bool:
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def require_architecture(architecture: str) -> None:
    """Raise EngineError unless a virtual machine is possible here."""
    if architecture != ARCHITECTURE:
        raise EngineError(
            f"no virtual machine on {architecture}",
            expected=f"a machine with {ARCHITECTURE}; other architectures have not been tried",
        )
