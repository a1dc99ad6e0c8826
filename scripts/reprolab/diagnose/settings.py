"""What is known of a user's stack: settings, releases, and what could not be read, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from packaging.utils import canonicalize_name

from reprolab.scenario.signature import Condition, Need

COMPARISON = re.compile(r"(>=|<=|==|>|<)\s*(-?\d+(?:\.\d+)?)")
LONGEST_VALUE = 200  # characters
OPTION = "--version"  # the source of a release that the user names in the command
# Where nothing sets them. With these the messages say what holds; they never exclude a case.
DEFAULTS = {
    ("gunicorn", "worker_class"): "sync",
    ("gunicorn", "threads"): "1",
    ("gunicorn", "workers"): "1",
    ("gunicorn", "max_requests"): "0",
    ("gunicorn", "reload"): "false",
    ("gunicorn", "syslog"): "false",
    ("uwsgi", "enable-threads"): "false",
    ("uvicorn", "workers"): "1",
    ("uvicorn", "loop"): "auto",
    ("uvicorn", "http"): "auto",
}


@dataclass(frozen=True)
class Setting:
    """``value`` is "true" or "false" for a switch. ``source``: a file with its line, an option, a log's line."""

    server: str
    name: str
    value: str
    source: str


@dataclass(frozen=True)
class Release:
    """``package`` is a name as the index writes it (small letters, dashes)."""

    package: str
    version: str
    source: str


@dataclass(frozen=True)
class Unread:
    """A place that could hold a setting and could not be read, and the reason."""

    source: str
    reason: str


@dataclass
class Facts:
    """All that is known. Of several values of a setting the last one counts: add files before command lines."""

    settings: list[Setting] = field(default_factory=list)
    releases: list[Release] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)

    def add(self, items: Iterable[Setting | Release | Unread]) -> None:
        for item in items:
            if isinstance(item, Setting):
                self.settings.append(Setting(item.server, item.name, item.value[:LONGEST_VALUE], item.source))
            elif isinstance(item, Release):
                self.releases.append(Release(canonicalize_name(item.package), item.version, item.source))
            else:
                self.unread.append(item)

    def setting(self, server: str, name: str) -> Setting | None:
        """The setting that counts, None if it is not known."""
        return next((row for row in reversed(self.settings) if (row.server, row.name) == (server, name)), None)

    def of_package(self, package: str) -> list[Release]:
        return [release for release in self.releases if release.package == package]

    @property
    def servers(self) -> set[str]:
        """The servers of which something is known."""
        return {setting.server for setting in self.settings} | {release.package for release in self.releases}


def holds(need: Need, value: str) -> bool:
    """Whether a setting has the value that is needed."""
    if comparison := COMPARISON.fullmatch(need.value):
        return _compares(value, comparison[1], float(comparison[2]))
    words = need.value.lower().split()
    refused = [word[1:] for word in words if word.startswith("!")]
    wanted = [word for word in words if not word.startswith("!")]
    small = value.lower()
    if any(fnmatchcase(small, word) for word in refused):
        return False
    return not wanted or any(fnmatchcase(small, word) for word in wanted)


def _compares(value: str, sign: str, limit: float) -> bool:
    try:
        number = float(value)
    except ValueError:
        return False
    return {
        ">": number > limit,
        "<": number < limit,
        ">=": number >= limit,
        "<=": number <= limit,
        "==": number == limit,
    }[sign]


def met(condition: Condition, facts: Facts) -> tuple[bool | None, list[Setting]]:
    """Whether a condition holds, and the settings that say so; None if the settings that are known do not decide."""
    known = [(need, facts.setting(need.server, need.name)) for need in condition.needs]
    fitting = [setting for need, setting in known if setting and holds(need, setting.value)]
    if fitting:
        return True, fitting
    if all(setting for _, setting in known):
        return False, [setting for _, setting in known if setting]
    return None, []


def defaults(condition: Condition) -> Iterator[str]:
    """What holds for the settings of a condition where nothing sets them, such as "threads is 1 by default"."""
    for need in condition.needs:
        if default := DEFAULTS.get((need.server, need.name)):
            yield f"{need.server}'s {need.name} is {default} by default"
