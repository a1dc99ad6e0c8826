"""The programs of this machine that a virtual machine needs; the lab installs what is missing where it may."""

from __future__ import annotations

from reprolab.core.errors import EngineError
from reprolab.core.progress import OnProgress
from reprolab.engine import apt
from reprolab.engine.apt import Machine
from reprolab.engine.install import EXTERNAL

QEMU = "qemu-system-x86_64"
# Program -> its package.
PACKAGES = {
    QEMU: "qemu-system-x86",
    "depmod": "kmod",
    "mke2fs": "e2fsprogs",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "setpriv": "util-linux",
}


def missing_packages(machine: Machine) -> list[str]:
    """The packages of the programs that are not there, each once."""
    return list(dict.fromkeys(package for program, package in PACKAGES.items() if not machine.which(program)))


def may_install(machine: Machine) -> bool:
    """Whether the lab may install packages on this machine."""
    return machine.uid == 0 and machine.debian_family and machine.environ.get("REPROLAB_ENGINE") != EXTERNAL


def ensure_programs(machine: Machine, on_progress: OnProgress) -> None:
    """Install what is missing. Raises EngineError where the lab may not, or where apt fails."""
    packages = missing_packages(machine)
    if not packages:
        return
    if not may_install(machine):
        raise EngineError(
            f"a virtual machine needs programs that are not here: {' '.join(packages)}",
            expected=f"these packages; the lab installs them as root on Debian, if REPROLAB_ENGINE is not {EXTERNAL}",
            advice=f"as root: apt-get install --no-install-recommends {' '.join(packages)}",
        )
    on_progress(f"installing {' '.join(packages)} for virtual machines (about half a minute, once)")
    apt.update(machine)
    apt.install(machine, packages)
    if still := missing_packages(machine):
        raise EngineError(f"{' '.join(still)}: installed, but the programs are not there", expected="programs on PATH")
