"""Compares what a stack needs with this machine, before anything is built."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from packaging.specifiers import SpecifierSet

from reprolab.core.subprocesses import run
from reprolab.core.versions import parse_version
from reprolab.engine import elsewhere
from reprolab.engine.detect import Engine
from reprolab.scenario.kernel_setting import kernel_of
from reprolab.scenario.model import EXPERIMENT, Scenario
from reprolab.scenario.requirement import CAPABILITIES, Requirement, is_range

PROBE_LIMIT = 20.0  # seconds for one probe
BOUNDING_SET = "CapBnd:"


@dataclass
class HostState:
    """What can be asked of the machine of the engine.

    Sysctls, capabilities and probes are those of the kernel on which the lab runs. They are unknown (None) if the
    engine has another kernel or is elsewhere, in a virtual machine or on another host. What is unknown counts as there.
    ``machine`` is the kernel of the virtual machine that the lab has started for the engine, "" without one.
    """

    kernel: str
    cgroup: str
    architecture: str
    root: Path = Path("/")
    own_kernel: str = field(default_factory=platform.release)
    machine: str = field(default_factory=elsewhere.kernel)
    elsewhere: bool = False
    _probed: dict[Path, str] = field(default_factory=dict)

    @classmethod
    def of(cls, engine: Engine) -> HostState:
        """The machine of an engine."""
        return cls(
            # Debian calls a kernel 6.1.0-56 whose version of Linux is 6.1.192.
            elsewhere.kernel() or engine.kernel or platform.release(),
            engine.cgroup,
            engine.architecture or platform.machine(),
            elsewhere=elsewhere.ports_elsewhere(engine.host),
        )

    @property
    def is_here(self) -> bool:
        """Whether the engine runs on the same kernel as the lab."""
        return self.kernel == self.own_kernel and not self.machine and not self.elsewhere

    def sysctl(self, name: str) -> str | None:
        """The value of a sysctl, "" if there is none of this name."""
        if not self.is_here:
            return None
        try:
            text = (self.root / "proc/sys" / name.replace(".", "/")).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return " ".join(text.split())

    def capabilities(self) -> frozenset[str] | None:
        """The capabilities that the engine can give: a process has none that its ancestors could not have."""
        if not self.is_here:
            return None
        try:
            lines = (self.root / "proc/1/status").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return None
        mask = next((int(line.split()[1], 16) for line in lines if line.startswith(BOUNDING_SET)), None)
        if mask is None:
            return None
        return frozenset(name for number, name in enumerate(CAPABILITIES) if mask >> number & 1)

    def probe(self, file: Path) -> str | None:
        """Run a probe: "" if the machine has what it looks for, else what it printed last."""
        if not self.is_here:
            return None
        if file not in self._probed:
            done = run([sys.executable, str(file)], timeout=PROBE_LIMIT, check=False)
            lines = f"{done.stdout}\n{done.stderr}".strip().splitlines()
            self._probed[file] = "" if done.code == 0 else (lines or [f"exit status {done.code}"])[-1]
        return self._probed[file]


def lacks(scenario: Scenario, changes: Mapping[str, str], experiment: str, host: HostState) -> str:
    """What a variant needs and the machine has not, in one line; "" if nothing is missing.

    What a variant on another kernel needs, the virtual machine with that kernel is asked: here it is only built.
    """
    if kernel_of(changes) not in ("", host.machine):
        return ""
    settings = {**scenario.factors, **changes, EXPERIMENT: experiment}
    missing = []
    for requirement in scenario.requires:
        if requirement.concerns(settings) and (needs := "; ".join(unmet(requirement, host))):
            missing.append(f"{needs}{f' ({requirement.why})' if requirement.why else ''}")
    return f"this host lacks what the variant needs: {'; '.join(missing)}" if missing else ""


def unmet(requirement: Requirement, host: HostState) -> Iterator[str]:
    """Each need that the machine does not meet, with what the machine has instead."""
    if requirement.kernel and not _within(host.kernel, requirement.kernel):
        yield f"a kernel {requirement.kernel}, it has {host.kernel}"
    if requirement.cgroup and requirement.cgroup not in host.cgroup.split():
        yield f"cgroup {requirement.cgroup}, it has {host.cgroup}"
    if requirement.architecture and host.architecture not in requirement.architecture:
        yield f"{' or '.join(requirement.architecture)}, it is {host.architecture}"
    given = host.capabilities() if requirement.capabilities else None
    if given is not None:
        yield from (f"the capability {name}" for name in requirement.capabilities if name not in given)
    for name, wanted in requirement.sysctls.items():
        value = host.sysctl(name)
        if value is not None and not (_within(value, wanted) if is_range(wanted) else value == wanted):
            yield f"{name} {wanted}, it has {value or 'no such sysctl'}"
    if requirement.probe and (answer := host.probe(requirement.probe)):
        yield f"the probe {requirement.probe.name} ended with {answer}"


def _within(value: str, wanted: str) -> bool:
    """Whether a number or a version is in a range; what is neither is in none."""
    try:
        version = value if value.isdigit() else ".".join(map(str, parse_version(value)))
    except ValueError:
        return False
    return SpecifierSet(wanted).contains(version)
