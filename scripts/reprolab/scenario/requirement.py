"""What a stack needs of the machine that it runs on: x-reprolab.requires of a scenario's compose.yaml."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from reprolab.core.config_file import hint, rows
from reprolab.core.errors import UsageError

REQUIRES_KEY = "requires"
KEYS = ("when", "kernel", "cgroup", "architecture", "capabilities", "sysctls", "probe", "why")
RANGE_SIGNS = ("<", ">", "=", "!", "~")
CGROUPS = ("v1", "v2")
# In the order of their numbers in the kernel (capability.h), with the names that `cap_add` of a Compose file uses.
CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *("LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER"),
    *("SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE"),
    *("SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP"),
    *("MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF"),
    "CHECKPOINT_RESTORE",
)

Allowed = Callable[[str, object, str], tuple[str, ...]]
"""(factor or `experiment`, its values in one line, place of the key) -> the values. Raises UsageError."""


@dataclass(frozen=True)
class Requirement:
    """Needs of all variants, or of those whose factors have the values in ``when``. What is empty is not needed.

    ``when`` is factor (or `experiment`) -> patterns of its values. ``kernel`` is a range of versions, such as
    ``>=5.10, <6.13``. ``architecture`` names alternatives. ``sysctls`` is name -> value, or range of a number.
    ``probe`` is a Python file that this machine runs: it ends with status 0 if the machine has what is needed.
    """

    when: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kernel: str = ""
    cgroup: str = ""
    architecture: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    probe: Path | None = None
    why: str = ""

    def concerns(self, settings: Mapping[str, str]) -> bool:
        """Whether a stack with these values of all factors, and of `experiment`, has these needs."""
        return all(
            any(fnmatchcase(settings[name], pattern) for pattern in patterns) for name, patterns in self.when.items()
        )

    @property
    def words(self) -> str:
        """The needs in one line, with the variants that have them and the reason."""
        needs = [f"kernel {self.kernel}"] if self.kernel else []
        needs += [f"cgroup {self.cgroup}"] if self.cgroup else []
        needs += [" or ".join(self.architecture)] if self.architecture else []
        needs += [f"capability {name}" for name in self.capabilities]
        needs += [f"{name} {wanted}" for name, wanted in self.sysctls.items()]
        needs += [f"probe {self.probe.name}"] if self.probe else []
        when = " ".join(f"{name}={'|'.join(values)}" for name, values in self.when.items())
        return f"{when + ': ' if when else ''}{', '.join(needs)}{f' ({self.why})' if self.why else ''}"


def read_requirements(content: object, directory: Path, where: str, allowed: Allowed) -> tuple[Requirement, ...]:
    """Read x-reprolab.requires. ``where`` is the Compose file. Raises UsageError that names the place of a fault."""
    example = 'a list, such as [{kernel: ">=5.10", why: ...}]'
    listed = rows(content, KEYS, f"{where}: x-reprolab.{REQUIRES_KEY}", example)
    return tuple(_requirement(row, directory, place, allowed) for row, place in listed)


def _requirement(row: Mapping[str, Any], directory: Path, where: str, allowed: Allowed) -> Requirement:
    if not row.keys() - {"when", "why"}:
        raise UsageError(f"{where} needs nothing", expected="one of " + ", ".join(KEYS[1:-1]))
    when = row.get("when") or {}
    if not isinstance(when, dict):
        raise UsageError(f"{where}.when is {when!r}", expected="{FACTOR: the values that have the need, in one line}")
    return Requirement(
        {name: allowed(name, text, f"{where}.when") for name, text in when.items()},
        kernel=_range(row.get("kernel"), f"{where}.kernel", '">=5.10, <6.13"'),
        cgroup=_cgroup(row.get("cgroup"), f"{where}.cgroup"),
        architecture=tuple(_line(row.get("architecture"), f"{where}.architecture", "x86_64 aarch64").split()),
        capabilities=_capabilities(row.get("capabilities"), f"{where}.capabilities"),
        sysctls=_sysctls(row.get("sysctls") or {}, f"{where}.sysctls"),
        probe=_probe(row.get("probe"), directory, f"{where}.probe"),
        why=_line(row.get("why"), f"{where}.why", "a line of text"),
    )


def _line(value: object, where: str, example: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{where} is {value!r}", expected=f"text in one line, such as {example}")
    return " ".join(value.split())


def is_range(text: str) -> bool:
    """Whether a text is meant as a range and not as a value."""
    return text.startswith(RANGE_SIGNS)


def _range(value: object, where: str, example: str) -> str:
    text = _line(value, where, example)
    try:
        if text and not is_range(text):
            raise InvalidSpecifier("no sign of comparison")
        SpecifierSet(text)
    except InvalidSpecifier as error:
        raise UsageError(f"{where} is {value!r}, which is no range", expected=f"for example {example}") from error
    return text


def _cgroup(value: object, where: str) -> str:
    text = _line(value, where, "v2")
    if text and text not in CGROUPS:
        raise UsageError(f"{where} is {value!r}", expected="one of " + ", ".join(CGROUPS))
    return text


def _capabilities(value: object, where: str) -> tuple[str, ...]:
    names = tuple(_line(value, where, "SYS_PTRACE").split())
    for name in names:
        if name not in CAPABILITIES:
            raise UsageError(
                f"{where} names {name}, which is no capability{hint(name.upper(), CAPABILITIES)}",
                expected="names as in `cap_add`: SYS_PTRACE NET_ADMIN",
            )
    return names


def _sysctls(content: object, where: str) -> dict[str, str]:
    example = '{kernel.yama.ptrace_scope: "<3"}'
    if not isinstance(content, dict):
        raise UsageError(f"{where} is {content!r}", expected=f"names with a value or a range, such as {example}")
    wanted = {}
    for name, value in content.items():
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise UsageError(f"{where}.{name} is {value!r}", expected=f"a value or a range, such as {example}")
        text = " ".join(str(value).split())
        wanted[str(name)] = _range(text, f"{where}.{name}", '">=1024"') if is_range(text) else text
    return wanted


def _probe(value: object, directory: Path, where: str) -> Path | None:
    name = _line(value, where, "probe.py")
    if name and not (directory / name).is_file():
        raise UsageError(f"{where}: there is no file {name}", expected="a Python file in the scenario's directory")
    return directory / name if name else None
