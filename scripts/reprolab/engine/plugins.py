"""Compose and buildx: the plugins of the docker command line that the lab needs."""

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
from reprolab.engine.install import refresh, require_permission, setup_lock

ASK_LIMIT = 10.0  # seconds for a plugin to print its version


@dataclass(frozen=True)
class Plugin:
    """A plugin of the docker command line.

    ``packages`` are its names in the archives of Docker, Ubuntu and Debian, the best first.
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
    """Return the versions of both plugins; "" for one that is missing or broken."""
    with ThreadPoolExecutor(max_workers=len(PLUGINS)) as pool:
        return dict(zip(PLUGINS, pool.map(partial(_version, machine), PLUGINS), strict=True))


def ensure_plugins(machine: Machine, on_progress: OnProgress, versions: Mapping[Plugin, str]) -> dict[Plugin, str]:
    """Return the plugins' versions. Plugins that are missing or too old in ``versions`` are installed, if allowed."""
    if not machine.which("docker"):
        raise EngineError(
            "the engine answers, but there is no docker command on PATH",
            expected="the docker command line, of which Compose and buildx are plugins",
            advice="install it (Debian 13 and later: apt-get install docker-cli), then run this again",
        )
    if not _lacking(versions):
        return dict(versions)
    require_permission(machine, _complaint(versions))
    with setup_lock(machine, on_progress):
        versions = ask_versions(machine)  # they may have been installed in the meantime, by another lab or with docker
        if _lacking(versions):
            on_progress(_complaint(versions))
            install_plugins(machine, on_progress, _lacking(versions))
            versions = ask_versions(machine)
    if _lacking(versions):
        raise EngineError(
            f"after the installation of its package, {_complaint(versions)}",
            expected=" and ".join(f"{plugin.name} >= {plugin.minimum}" for plugin in versions),
            advice="an older plugin is used instead: see ClientInfo.Plugins in docker info -f '{{json .}}', then "
            "remove it from ~/.docker/cli-plugins or /usr/local/lib/docker/cli-plugins",
        )
    return dict(versions)


def _lacking(versions: Mapping[Plugin, str]) -> Sequence[Plugin]:
    return [plugin for plugin, version in versions.items() if not at_least(version, plugin.minimum)]


def _complaint(versions: Mapping[Plugin, str]) -> str:
    """Return one line: the plugins, their versions, and the required ones."""
    parts = (
        f"Docker's {plugin.name} plugin is {versions[plugin] or 'missing'} ({plugin.minimum} or later needed)"
        for plugin in _lacking(versions)
    )
    return ", ".join(parts)


def _version(machine: Machine, plugin: Plugin) -> str:
    """Return the version of a plugin; "" if it is missing or broken.

    Compose prints only the version; buildx prints its import path first.
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
    """Install ``plugins`` from this distribution if they are new enough there, else from Debian's next release."""
    refresh(machine, on_progress)
    candidates = apt.candidates(machine, [package for plugin in plugins for package in plugin.packages])
    packages = {plugin: _usable_package(plugin, candidates) for plugin in plugins}
    usable = [package for package in packages.values() if package]
    if usable:
        on_progress(f"installing {', '.join(usable)} from this distribution's packages")
        apt.install(machine, usable)
    remaining = [plugin for plugin, package in packages.items() if not package]
    if remaining:
        _install_from_next_release(machine, on_progress, remaining)


def _usable_package(plugin: Plugin, candidates: dict[str, str]) -> str:
    """Return the first package of the plugin whose candidate is new enough, or ""."""
    return next((name for name in plugin.packages if at_least(candidates.get(name, ""), plugin.minimum)), "")


def _install_from_next_release(machine: Machine, on_progress: OnProgress, plugins: Sequence[Plugin]) -> None:
    release = machine.release
    codename = release.get("VERSION_CODENAME", "")
    suite = apt.NEXT_SUITE.get(codename, "") if release.get("ID") == "debian" else ""
    names = [plugin.packages[-1] for plugin in plugins]
    if not suite:
        required = " and ".join(f"{plugin.name} >= {plugin.minimum}" for plugin in plugins)
        raise EngineError(
            f"the packages of {release.get('PRETTY_NAME', 'this distribution')} have no Docker {required}",
            expected=f"{required} as packages of this machine's release, or Debian 12",
            advice="install the plugins by hand into /usr/local/lib/docker/cli-plugins (see "
            "Docker's manual), then run this again",
        )
    on_progress(
        f"{codename} has no recent {' or '.join(names)}: installing from {suite}, which is not added to the sources"
    )
    with tempfile.TemporaryDirectory(prefix="reprolab-apt-") as directory:
        debs = apt.download(machine, suite, names, Path(directory))
        apt.install(machine, [str(deb) for deb in debs])
