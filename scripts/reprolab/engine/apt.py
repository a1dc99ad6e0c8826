"""The machine the lab runs on, and the little of apt that the lab needs there.

The machine's own package sources are read, never written.
"""

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

# Seconds. Downloads of 30 to 100 MB over a slow line end within it; a hung mirror does not hold CI for ever.
LIMIT = 900.0

# The release after this one, whose statically linked Go programs need no newer libc than this one has.
NEXT_SUITE = {"bookworm": "trixie"}


@dataclass(frozen=True)
class Machine:
    """What setting up an engine depends on; tests hand in another root directory, user and PATH."""

    root: Path = Path("/")
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    uid: int = field(default_factory=os.geteuid)

    @property
    def env(self) -> dict[str, str]:
        """The environment for programs: messages in English, no questions, daemons' directories on PATH.

        A root shell made by ``su`` or cron has no sbin on PATH, and dockerd itself looks there for iptables.
        """
        places = [self.environ.get("PATH", os.defpath)]
        places += [str(self.root / name) for name in ("usr/local/sbin", "usr/sbin", "sbin")]
        path = os.pathsep.join(places)
        return {**self.environ, "PATH": path, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}

    @property
    def release(self) -> dict[str, str]:
        """The fields of /etc/os-release; empty where there is none."""
        try:
            text = (self.root / "etc/os-release").read_text(encoding="utf-8")
        except OSError:
            return {}
        pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
        return {key.strip(): "".join(shlex.split(value)[:1]) for key, value in pairs}

    @property
    def debian_family(self) -> bool:
        """Debian or a derivative of it."""
        release = self.release
        return "debian" in (release.get("ID", ""), *release.get("ID_LIKE", "").split())

    def which(self, program: str) -> str:
        """The path of a program, or an empty string."""
        return shutil.which(program, path=self.env["PATH"]) or ""


@dataclass(frozen=True)
class Source:
    """One entry of apt's sources."""

    uris: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str


def update(machine: Machine) -> str:
    """Renew the machine's package lists; return what apt complained of, empty if nothing.

    A broken third-party source must not stop the lab: what is needed may come from another one.
    """
    done = run(["apt-get", "update"], env=machine.env, timeout=LIMIT, check=False)
    return "" if done.code == 0 else done.tail


def candidates(machine: Machine, packages: Sequence[str]) -> dict[str, str]:
    """The version apt would install of each of ``packages``; those it does not know are left out."""
    shown = _apt(machine, ["apt-cache", "policy", *packages], doing="asking apt for versions").stdout
    found = re.findall(r"^(\S+):\n(?:  .*\n)*?  Candidate: (\S+)", shown, re.MULTILINE)
    return {name: version for name, version in found if version != "(none)"}


def install(machine: Machine, what: Sequence[str]) -> None:
    """Install packages or local .deb files, nothing that is merely recommended; waits for other apts."""
    options = ["-o", "DPkg::Lock::Timeout=300", "--no-install-recommends"]
    _apt(machine, ["apt-get", "install", "-y", *options, *what], doing="installing packages")


def download(machine: Machine, suite: str, packages: Sequence[str], directory: Path) -> list[Path]:
    """Download ``packages`` of another ``suite`` into ``directory``, by an apt state of its own there.

    The source is made from the machine's own Debian source, so mirror and signing keys are its
    administrator's choice, and apt verifies the signatures as ever. The machine's sources and lists
    stay as they are: nothing of the other release can reach a later upgrade.
    """
    source = directory / "lab.sources"
    source.write_text(_stanza(debian_source(machine), suite), encoding="utf-8")
    lists = directory / "lists"
    (lists / "partial").mkdir(parents=True)
    directory.chmod(0o755)
    # Apt's unprivileged download user must be able to write here; otherwise apt warns, and works as root.
    _give_to("_apt", directory)
    options = {
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::sourcelist": source,
        "Dir::State::lists": lists,
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "APT::Default-Release": "",
    }
    apt = ["apt-get", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
    _apt(machine, [*apt, "update"], doing=f"reading the package lists of {suite}")
    _apt(machine, [*apt, "download", *packages], doing=f"downloading from {suite}", cwd=directory)
    _give_to("root", directory)  # from here on nobody else may swap what root will install
    return sorted(directory.glob("*.deb"))


def debian_source(machine: Machine) -> Source:
    """The machine's own source of Debian's main archive (not its updates or security fixes)."""
    wanted = {machine.release.get("VERSION_CODENAME", ""), "stable"}
    for source in sources(machine):
        network = not source.uris.startswith("cdrom:")
        if network and "main" in source.components and wanted & {suite.strip("/") for suite in source.suites}:
            return source
    raise EngineError(
        f"no apt source for Debian {machine.release.get('VERSION_CODENAME', '(no codename)')} main",
        expected="one in /etc/apt/sources.list or /etc/apt/sources.list.d/*.sources",
        advice="add Debian's main archive to the sources, or install Docker Compose and buildx by hand",
    )


def sources(machine: Machine) -> Iterator[Source]:
    """Every binary source of the machine, in either of apt's two notations."""
    etc = machine.root / "etc/apt"
    for path in (etc / "sources.list", *sorted(etc.glob("sources.list.d/*.list"))):
        if path.is_file():
            yield from _one_line(path.read_text(encoding="utf-8"))
    for path in sorted(etc.glob("sources.list.d/*.sources")):
        yield from _deb822(path.read_text(encoding="utf-8"))


def _one_line(text: str) -> Iterator[Source]:
    """Parse ``deb [signed-by=KEY] URI SUITE COMPONENT...`` lines."""
    for line in text.splitlines():
        found = re.match(r"\s*deb\s+(?:\[([^]]*)]\s+)?(\S+)\s+(\S+)([^#]*)", line)
        if found:
            options, uri, suite, components = found.groups(default="")
            settings = dict(word.split("=", 1) for word in options.split() if "=" in word)
            signed_by = settings.get("signed-by", "").replace(",", " ")
            yield Source(uri, (suite,), tuple(components.split()), signed_by)


def _deb822(text: str) -> Iterator[Source]:
    """Parse stanzas of ``Field: value``; a value (an embedded key, say) may go on in indented lines."""
    bare = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for block in re.split(r"\n\s*\n", bare):
        pairs = re.findall(r"^([\w-]+):[ \t]*(.*(?:\n[ \t]+.*)*)", block, re.MULTILINE)
        fields = {name.lower(): value for name, value in pairs}
        enabled = fields.get("enabled", "yes").strip().lower() not in ("no", "false", "0")
        if enabled and "deb" in fields.get("types", "").split():
            suites, components = (tuple(fields.get(key, "").split()) for key in ("suites", "components"))
            yield Source(fields.get("uris", ""), suites, components, fields.get("signed-by", ""))


def _stanza(source: Source, suite: str) -> str:
    lines = ["Types: deb", f"URIs: {source.uris}", f"Suites: {suite}", "Components: main"]
    if source.signed_by:
        lines.append(f"Signed-By: {source.signed_by}")
    return "\n".join(lines) + "\n"


def _give_to(user: str, directory: Path) -> None:
    """Make ``user`` the owner, where there is such a user and this one may do that."""
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
            advice="run that command by hand and mend what it says, or install Docker Engine >= 20.10, "
            "Compose >= 2.20 and buildx yourself; the lab uses them as they are",
        ) from error
