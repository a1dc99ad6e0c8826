"""Compose and buildx, the two plugins of the docker command line that the lab needs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from reprolab.core.errors import EngineError
from reprolab.core.progress import OnProgress
from reprolab.core.subprocesses import CommandError, run
from reprolab.core.versions import at_least
from reprolab.engine import apt
from reprolab.engine.apt import Machine
from reprolab.engine.install import my_turn, refresh, require_permission

ASK_LIMIT = 10.0  # seconds a plugin may take to state its version


@dataclass(frozen=True)
class Plugin:
    """A plugin of the docker command line that the lab needs.

    ``packages`` are its names in Docker's own, Ubuntu's and Debian's archives, best first.
    """

    name: str
    minimum: str
    ask: tuple[str, ...]
    packages: tuple[str, ...]


COMPOSE = Plugin(
    "compose",
    "2.20",
    ("compose", "version", "--short"),
    ("docker-compose-plugin", "docker-compose-v2", "docker-compose"),
)
BUILDX = Plugin("buildx", "0.10", ("buildx", "version"), ("docker-buildx-plugin", "docker-buildx"))
PLUGINS = (COMPOSE, BUILDX)


def ask_versions(machine: Machine) -> dict[Plugin, str]:
    """Ask both plugins at once for their versions; an empty string where one is missing or broken."""
    with ThreadPoolExecutor(max_workers=len(PLUGINS)) as pool:
        return dict(zip(PLUGINS, pool.map(partial(_version, machine), PLUGINS), strict=True))


def ensure_plugins(machine: Machine, on_progress: OnProgress, found: Mapping[Plugin, str]) -> dict[Plugin, str]:
    """Return the plugins' versions, all new enough; install what ``found`` lacks, if that is allowed."""
    if not machine.which("docker"):
        raise EngineError(
            "the engine answers, but there is no docker command on PATH",
            expected="the docker command line, of which Compose and buildx are plugins",
            advice="install it (Debian 13 and later: apt-get install docker-cli), then run this again",
        )
    if not _lacking(found):
        return dict(found)
    require_permission(machine, _complaint(found))
    with my_turn(machine, on_progress):
        found = ask_versions(machine)  # another lab may have installed them, or docker itself came just now
        if _lacking(found):
            on_progress(_complaint(found))
            install_plugins(machine, on_progress, _lacking(found))
            found = ask_versions(machine)
    if _lacking(found):
        raise EngineError(
            f"after the installation of its package, {_complaint(found)}",
            expected=" and ".join(f"{plugin.name} >= {plugin.minimum}" for plugin in found),
            advice="an older plugin comes first: see ClientInfo.Plugins in docker info -f '{{json .}}', then "
            "remove it from ~/.docker/cli-plugins or /usr/local/lib/docker/cli-plugins",
        )
    return dict(found)


def _lacking(found: Mapping[Plugin, str]) -> Sequence[Plugin]:
    return [plugin for plugin, version in found.items() if not at_least(version, plugin.minimum)]


def _complaint(found: Mapping[Plugin, str]) -> str:
    """One line: which plugins, what was found, what is needed."""
    parts = (
        f"Docker's {plugin.name} plugin is {found[plugin] or 'missing'} ({plugin.minimum} or later needed)"
        for plugin in _lacking(found)
    )
    return ", ".join(parts)


def _version(machine: Machine, plugin: Plugin) -> str:
    """The version the plugin states, or an empty string where it is missing or broken.

    Compose prints the bare version; buildx prints its import path first.
    """
    cli = machine.which("docker")
    if not cli:
        return ""
    try:
        words = run([cli, *plugin.ask], env=machine.env, timeout=ASK_LIMIT).stdout.split()
    except CommandError:
        return ""
    return next((word for word in words if at_least(word, "0.0")), "")


def install_plugins(machine: Machine, on_progress: OnProgress, plugins: Sequence[Plugin]) -> None:
    """Install ``plugins`` from this distribution where new enough, else from Debian's next release."""
    refresh(machine, on_progress)
    known = apt.candidates(machine, [package for plugin in plugins for package in plugin.packages])
    own = {plugin: _good_enough(plugin, known) for plugin in plugins}
    here = [package for package in own.values() if package]
    if here:
        on_progress(f"installing {', '.join(here)} from this distribution's packages")
        apt.install(machine, here)
    elsewhere = [plugin for plugin, package in own.items() if not package]
    if elsewhere:
        _install_from_next_release(machine, on_progress, elsewhere)


def _good_enough(plugin: Plugin, known: dict[str, str]) -> str:
    """The first package of the plugin whose candidate is new enough, or an empty string."""
    return next((name for name in plugin.packages if at_least(known.get(name, ""), plugin.minimum)), "")


def _install_from_next_release(machine: Machine, on_progress: OnProgress, plugins: Sequence[Plugin]) -> None:
    release = machine.release
    codename = release.get("VERSION_CODENAME", "")
    suite = apt.NEXT_SUITE.get(codename, "") if release.get("ID") == "debian" else ""
    names = [plugin.packages[-1] for plugin in plugins]
    if not suite:
        wanted = " and ".join(f"{plugin.name} >= {plugin.minimum}" for plugin in plugins)
        raise EngineError(
            f"the packages of {release.get('PRETTY_NAME', 'this distribution')} have no Docker {wanted}",
            expected=f"{wanted} as packages of this machine's release, or Debian 12",
            advice="install the plugins by hand into /usr/local/lib/docker/cli-plugins (Docker's manual "
            "says how), then run this again",
        )
    on_progress(f"{codename} has no recent {' or '.join(names)}: taking {suite}'s, without adding it to the sources")
    with tempfile.TemporaryDirectory(prefix="reprolab-apt-") as directory:
        debs = apt.download(machine, suite, names, Path(directory))
        apt.install(machine, [str(deb) for deb in debs])
