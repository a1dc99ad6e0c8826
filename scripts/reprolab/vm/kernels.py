"""The kernels that the distribution has for virtual machines, of this release and of the one before."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reprolab.core.errors import EngineError, UsageError
from reprolab.engine import apt
from reprolab.engine.apt import AptSource, Machine

PREFIX = "linux-image-"
# The signed kernels. The package that only depends on the newest one has no full version in its name.
PATTERN = rf"^{PREFIX}[0-9]+\.[0-9]+\.[0-9]+.*-cloud-amd64$"
SECURITY = "-security"


@dataclass(frozen=True)
class Kernel:
    """A kernel package. ``release`` is what `uname -r` prints; ``earlier``: it is of the release before this one."""

    release: str
    version: str
    earlier: bool = False

    @property
    def package(self) -> str:
        return f"{PREFIX}{self.release}"

    @property
    def identity(self) -> str:
        """The package with its whole version: two of them can be built from one version of Linux."""
        return f"{self.package}={self.version}"

    @property
    def upstream(self) -> str:
        """The version of Linux that it is built from: 5.10.223."""
        match = re.match(r"\d+(?:\.\d+)*", self.version)
        return match[0] if match else self.version

    @property
    def rank(self) -> tuple[list[int], list[int]]:
        """Older kernels have a lower one."""
        return numbers(self.upstream), numbers(self.release)

    def fits(self, wanted: str) -> bool:
        """Whether a user means this kernel with a release, a version of Linux, or the first numbers of either."""
        return any(
            name == wanted or name.startswith((f"{wanted}.", f"{wanted}-")) for name in (self.release, self.upstream)
        )


def numbers(text: str) -> list[int]:
    """The numbers in a text: 6.1.0-56 -> [6, 1, 0, 56]."""
    return [int(part) for part in re.findall(r"\d+", text)]


def kernels_of(rows: Iterable[tuple[str, str]], *, earlier: bool) -> list[Kernel]:
    """The kernels of rows of package and version, each with its newest version."""
    newest: dict[str, Kernel] = {}
    for package, version in rows:
        release = package.removeprefix(PREFIX)
        newest.setdefault(release, Kernel(release, version, earlier))
    return list(newest.values())


class Kernels(tuple[Kernel, ...]):
    """Kernels of the distribution. ``missing``: why those of the release before are not among them, "" if they are."""

    missing: str = ""

    @classmethod
    def of(cls, kernels: Iterable[Kernel], missing: str = "") -> Kernels:
        known = cls(kernels)
        known.missing = missing
        return known


def choose(kernels: Sequence[Kernel], wanted: str) -> Kernel:
    """The newest kernel that fits what the user wants.

    Raises UsageError, which names the kernels that there are; EngineError if the lists of some could not be read.
    """
    fitting = [kernel for kernel in kernels if kernel.fits(wanted)]
    if not fitting:
        known = ", ".join(dict.fromkeys(kernel.upstream for kernel in sorted(kernels, key=lambda kernel: kernel.rank)))
        if missing := getattr(kernels, "missing", ""):
            raise EngineError(
                f"kernel {wanted} is none of this release ({known or 'no kernel'}), and the release before is unknown: "
                f"{missing}",
                expected="package lists of both releases, which the lab reads from the network",
                advice="look at the network, then ask again",
            )
        raise UsageError(
            f"kernel {wanted}: this distribution has no such one",
            expected=f"one of these versions of Linux, or the first numbers of one: {known}"
            if known
            else "a distribution that has kernels",
            advice="apt-get update, if the kernel is new" if known else "apt-get update",
        )
    return max(fitting, key=lambda kernel: kernel.rank)


def name_of(kernel: Kernel, kernels: Sequence[Kernel]) -> str:
    """What names a kernel among all: its version of Linux, or its release if a newer one has the same version."""
    return kernel.upstream if choose(kernels, kernel.upstream) == kernel else kernel.release


@dataclass(frozen=True)
class Archive:
    """Where kernels come from: the machine's own sources, and the release before it in lists of their own.

    ``options`` are the words with which apt uses those lists; they are empty if there is no release before.
    """

    machine: Machine
    options: tuple[str, ...] = ()

    @classmethod
    def open(cls, machine: Machine, directory: Path) -> Archive:
        """Read the lists of the release before into a directory. The machine's own lists stay as they are."""
        suites = earlier_suites(apt.sources(machine), machine.release.get("VERSION_CODENAME", ""))
        if not suites:
            return cls(machine)
        directory.mkdir(parents=True, exist_ok=True)
        return cls(machine, apt.package_lists(machine, suites, directory, all_needed=False))

    def kernels(self) -> Kernels:
        """All kernels. Those of the release before are missing if its lists cannot be read."""
        kernels = kernels_of(apt.versions(self.machine, PATTERN), earlier=False)
        try:
            return Kernels.of([*kernels, *self._earlier()])
        except EngineError as error:
            return Kernels.of(kernels, error.args[0])

    def _earlier(self) -> list[Kernel]:
        """The kernels of the release before; none if there is none. Raises EngineError."""
        if not self.options:
            return []
        kernels = kernels_of(apt.versions(self.machine, PATTERN, self.options), earlier=True)
        if kernels:
            return kernels
        # Without a network apt reads no list, and calls that no error.
        apt.read_lists(self.machine, self.options, "reading the package lists of the release before")
        return kernels_of(apt.versions(self.machine, PATTERN, self.options), earlier=True)

    def download(self, kernel: Kernel, directory: Path) -> Path:
        """Download a kernel's package into an empty directory."""
        wanted = [kernel.identity]
        options = self.options if kernel.earlier else ()
        files = apt.download_with(self.machine, options, wanted, directory)
        if len(files) != 1:
            raise EngineError(f"apt downloaded no package {wanted[0]}", expected="one file in the working directory")
        return files[0]


def earlier_suites(sources: Iterable[AptSource], codename: str) -> list[tuple[AptSource, str]]:
    """The sources of a release with the suites of the one before: its main archive, and its security fixes."""
    earlier = apt.PREVIOUS_SUITE.get(codename, "")
    suites: dict[str, AptSource] = {}
    for source in sources:
        for suite in source.suites if "main" in source.components and earlier else ():
            if suite in (codename, codename + SECURITY):
                suites.setdefault(suite.replace(codename, earlier), source)
    return [(source, suite) for suite, source in suites.items()]
