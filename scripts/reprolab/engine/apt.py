"""The machine that the lab runs on, and its apt. The machine's package sources are only read."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from reprolab.core.errors import EngineError
from reprolab.core.subprocesses import CommandError, Finished, run

# Seconds. A download of 30 to 100 MB over a slow line ends within this time. A mirror that hangs does not block CI.
LIMIT = 900.0

# Debian release -> the next one. Its Go programs are statically linked, so they need no newer libc.
NEXT_SUITE = {"bookworm": "trixie"}
# Debian release -> the one before, which has older kernels.
PREVIOUS_SUITE = {"bookworm": "bullseye", "trixie": "bookworm", "forky": "trixie"}


@dataclass(frozen=True)
class Machine:
    """The properties of a machine that the setup of an engine depends on. Tests set them."""

    root: Path = Path("/")
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    uid: int = field(default_factory=os.geteuid)

    @property
    def env(self) -> dict[str, str]:
        """The environment for programs: English messages, no questions, sbin directories on PATH.

        A root shell of ``su`` or cron has no sbin on PATH, and dockerd looks there for iptables.
        """
        places = [self.environ.get("PATH", os.defpath)]
        places += [str(self.root / name) for name in ("usr/local/sbin", "usr/sbin", "sbin")]
        path = os.pathsep.join(places)
        return {**self.environ, "PATH": path, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}

    @property
    def release(self) -> dict[str, str]:
        """The fields of /etc/os-release; empty if the file does not exist."""
        try:
            text = (self.root / "etc/os-release").read_text(encoding="utf-8")
        except OSError:
            return {}
        pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
        return {key.strip(): "".join(shlex.split(value)[:1]) for key, value in pairs}

    @property
    def debian_family(self) -> bool:
        """Whether the system is Debian or a derivative of it."""
        release = self.release
        return "debian" in (release.get("ID", ""), *release.get("ID_LIKE", "").split())

    def which(self, program: str) -> str:
        """Return the path of a program, or ""."""
        return shutil.which(program, path=self.env["PATH"]) or ""


@dataclass(frozen=True)
class AptSource:
    """One entry of apt's sources."""

    uris: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str


def update(machine: Machine) -> str:
    """Update the machine's package lists; return apt's last lines if it failed, else "".

    A broken third-party source must not stop the lab: the packages may come from another source.
    """
    update_run = run(["apt-get", "update"], env=machine.env, timeout=LIMIT, check=False)
    return "" if update_run.code == 0 else update_run.tail


def candidates(machine: Machine, packages: Sequence[str]) -> dict[str, str]:
    """Return package -> the version that apt would install; without packages that apt does not know."""
    output = _apt(machine, ["apt-cache", "policy", *packages], doing="asking apt for versions").stdout
    matches = re.findall(r"^(\S+):\n(?:  .*\n)*?  Candidate: (\S+)", output, re.MULTILINE)
    return {name: version for name, version in matches if version != "(none)"}


def install(machine: Machine, packages: Sequence[str]) -> None:
    """Install packages (names or .deb files) without recommended ones; wait for another apt to end."""
    options = ["-o", "DPkg::Lock::Timeout=300", "--no-install-recommends"]
    _apt(machine, ["apt-get", "install", "-y", *options, *packages], doing="installing packages")


def download(machine: Machine, suite: str, packages: Sequence[str], directory: Path) -> list[Path]:
    """Download ``packages`` of another ``suite`` into ``directory`` and return the .deb files.

    Mirror and signing keys are those of the machine's own Debian source, and apt verifies the signatures.
    Apt keeps its lists in ``directory``. The machine's sources and lists do not change, so a later upgrade
    installs nothing of the other suite.
    """
    options = package_lists(machine, [(debian_source(machine), suite)], directory)
    return download_with(machine, options, packages, directory)


def package_lists(
    machine: Machine, suites: Sequence[tuple[AptSource, str]], directory: Path, *, all_needed: bool = True
) -> tuple[str, ...]:
    """Read the package lists of other suites into ``directory``; return the options with which apt uses only these.

    ``suites`` are sources of the machine, each with the suite that stands in the place of its own ones. A suite that
    cannot be read is an EngineError; if not all are needed, apt goes on without it.
    """
    source = directory / "lab.sources"
    source.write_text("\n".join(_stanza(*item) for item in suites), encoding="utf-8")
    lists = directory / "lists"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755)
    # Apt's unprivileged download user must be able to write here; otherwise apt warns and downloads as root.
    _give_to("_apt", directory)
    settings = {
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::sourcelist": source,
        "Dir::State::lists": lists,
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "APT::Default-Release": "",
    }
    options = tuple(word for name, value in settings.items() for word in ("-o", f"{name}={value}"))
    update_command = ["apt-get", *options, "update"]
    if all_needed:
        _apt(machine, update_command, doing=f"reading the package lists of {' '.join(name for _, name in suites)}")
    else:
        run(update_command, env=machine.env, timeout=LIMIT, check=False)
    return options


def read_lists(machine: Machine, options: Sequence[str], doing: str) -> None:
    """Read package lists again, of which each is needed. Raises EngineError with the reason of the first that fails."""
    _apt(machine, ["apt-get", *options, "-o", "APT::Update::Error-Mode=any", "update"], doing=doing)


def versions(machine: Machine, pattern: str, options: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
    """Yield name and version of each package whose name matches a regular expression, the newest version first."""
    search = ["apt-cache", *options, "search", "--names-only", pattern]
    names = [
        line.split(" - ")[0] for line in _apt(machine, search, doing="asking apt for packages").stdout.splitlines()
    ]
    if not names:
        return
    table = _apt(machine, ["apt-cache", *options, "madison", *names], doing="asking apt for versions").stdout
    for line in table.splitlines():
        name, version, *_ = (part.strip() for part in line.split("|"))
        yield name, version


def download_with(machine: Machine, options: Sequence[str], packages: Sequence[str], directory: Path) -> list[Path]:
    """Download packages into ``directory``, with options such as those of `package_lists`; return the .deb files."""
    directory.chmod(0o755)
    _give_to("_apt", directory)
    doing = f"downloading {' '.join(packages)}"
    _apt(machine, ["apt-get", *options, "download", *packages], doing=doing, cwd=directory)
    _give_to("root", directory)  # so that no other user can replace a file that root will install
    return sorted(directory.glob("*.deb"))


def debian_source(machine: Machine) -> AptSource:
    """Return the machine's source of Debian's main archive (not its updates or security fixes)."""
    suites = {machine.release.get("VERSION_CODENAME", ""), "stable"}
    for source in sources(machine):
        network = not source.uris.startswith("cdrom:")
        if network and "main" in source.components and suites & {suite.strip("/") for suite in source.suites}:
            return source
    raise EngineError(
        f"no apt source for Debian {machine.release.get('VERSION_CODENAME', '(no codename)')} main",
        expected="one in /etc/apt/sources.list or /etc/apt/sources.list.d/*.sources",
        advice="add Debian's main archive to the sources, or install Docker Compose and buildx by hand",
    )


def sources(machine: Machine) -> Iterator[AptSource]:
    """Yield every binary source of the machine, in both of apt's formats."""
    etc = machine.root / "etc/apt"
    for path in (etc / "sources.list", *sorted(etc.glob("sources.list.d/*.list"))):
        if path.is_file():
            yield from _one_line(path.read_text(encoding="utf-8"))
    for path in sorted(etc.glob("sources.list.d/*.sources")):
        yield from _deb822(path.read_text(encoding="utf-8"))


def _one_line(text: str) -> Iterator[AptSource]:
    """Parse ``deb [signed-by=KEY] URI SUITE COMPONENT...`` lines."""
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[([^]]*)]\s+)?(\S+)\s+(\S+)([^#]*)", line)
        if match:
            options, uri, suite, components = match.groups(default="")
            settings = dict(option.split("=", 1) for option in options.split() if "=" in option)
            signed_by = settings.get("signed-by", "").replace(",", " ")
            yield AptSource(uri, (suite,), tuple(components.split()), signed_by)


def _deb822(text: str) -> Iterator[AptSource]:
    """Parse stanzas of ``Field: value``. A value, such as an embedded key, may continue in indented lines."""
    content = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for block in re.split(r"\n\s*\n", content):
        pairs = re.findall(r"^([\w-]+):[ \t]*(.*(?:\n[ \t]+.*)*)", block, re.MULTILINE)
        fields = {name.lower(): value for name, value in pairs}
        enabled = fields.get("enabled", "yes").strip().lower() not in ("no", "false", "0")
        if enabled and "deb" in fields.get("types", "").split():
            suites, components = (tuple(fields.get(key, "").split()) for key in ("suites", "components"))
            yield AptSource(fields.get("uris", ""), suites, components, fields.get("signed-by", ""))


def _stanza(source: AptSource, suite: str) -> str:
    lines = ["Types: deb", f"URIs: {source.uris}", f"Suites: {suite}", "Components: main"]
    if source.signed_by:
        lines.append(f"Signed-By: {source.signed_by}")
    return "\n".join(lines) + "\n"


def _give_to(user: str, directory: Path) -> None:
    """Make ``user`` the owner, if the user exists and this process has the permission."""
    with suppress(LookupError, PermissionError):
        for path in (directory, *directory.rglob("*")):
            shutil.chown(path, user)


def _apt(machine: Machine, command: Sequence[str], *, doing: str, cwd: Path | None = None) -> Finished:
    try:
        return run(command, env=machine.env, timeout=LIMIT, cwd=cwd)
    except CommandError as error:
        raise EngineError(
            f"{doing} failed: {error}",
            expected="apt can reach its sources and no other package operation is broken",
            advice="run that command by hand and fix the error that it prints, or install Docker Engine >= 20.10, "
            "Compose >= 2.20 and buildx yourself; the lab then uses them",
        ) from error
