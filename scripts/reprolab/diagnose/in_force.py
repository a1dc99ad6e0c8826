"""Which release ran, and which settings held, when a case showed: those of the same service in the same log count.

What another service or another log says counts only if nothing contradicts it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from packaging.version import InvalidVersion, Version

from reprolab.diagnose.log_facts import LogFact
from reprolab.diagnose.matcher import Match
from reprolab.diagnose.settings import OPTION, Facts, Release, Setting


def settings_in_force(steps: Sequence[Match], given: Facts, log_facts: Sequence[LogFact]) -> Facts:
    """What the user gives, and the settings that the logs add to it. A file's setting is more exact than a log's."""
    known = {(setting.server, setting.name) for setting in given.settings if setting.value}
    facts = Facts(list(given.settings), list(given.releases), list(given.unread))
    names: dict[tuple[str, str], list[LogFact]] = {}
    for row in log_facts:
        if isinstance(row.fact, Setting) and (row.fact.server, row.fact.name) not in known:
            names.setdefault((row.fact.server, row.fact.name), []).append(row)
    for rows in names.values():
        last = _last_of_each(row for row in rows if not steps or _same_origin(row, steps[0])) or _last_of_each(rows)
        if len({row.fact.value for row in last if isinstance(row.fact, Setting)}) == 1:
            facts.add([last[-1].fact])
    return facts


def releases_in_force(
    package: str, steps: Sequence[Match], given: Facts, log_facts: Sequence[LogFact]
) -> list[Release]:
    """The release that ran, as an only entry. No entry: nothing names it. Several: they contradict each other.

    The last one that the log names for this service before the case showed counts; a later start may be the upgrade
    that ended it. Else the user's own, `--version` first, else that of the other logs.
    """
    rows = [row for row in log_facts if isinstance(row.fact, Release) and row.fact.package == package]
    of_service = [row for row in rows if steps and _same_origin(row, steps[0])]
    for limit in (steps[0].line, steps[-1].line) if steps else ():
        before = [row.fact for row in of_service if row.line <= limit and isinstance(row.fact, Release)]
        if before:
            return before[-1:]
    option = [release for release in given.of_package(package) if release.source == OPTION]
    if option:
        return option[-1:]
    others = [row.fact for row in _last_of_each(row for row in rows if row not in of_service)]
    user = given.of_package(package)
    if not steps:
        # Without a place in a log the logs count first: what they say ran.
        return _agreed([fact for fact in others if isinstance(fact, Release)] or user)
    return _agreed(user or [fact for fact in others if isinstance(fact, Release)])


def _last_of_each(rows: Iterable[LogFact]) -> list[LogFact]:
    """The last fact of each origin of each log."""

    def place(row: LogFact) -> tuple[str, bytes]:
        return row.log, row.origin

    ordered = sorted(rows, key=lambda row: (*place(row), row.line))
    return [list(group)[-1] for _, group in groupby(ordered, place)]


def _same_origin(row: LogFact, match: Match) -> bool:
    return (row.log, row.origin) == (match.log, match.origin)


def _agreed(releases: list[Release]) -> list[Release]:
    """One entry where all are the same release: a path says "3.6", the image "3.6.15". The most exact one is it."""
    if not releases:
        return []
    exact = max(releases, key=lambda row: row.version.count("."))
    different = [row for row in releases if not _is_part(row.version, exact.version)]
    return [exact] if not different else [exact, *different]


def _is_part(short: str, long: str) -> bool:
    if long == short or long.startswith(f"{short}."):
        return True
    try:
        return Version(short) == Version(long)
    except InvalidVersion:
        return False
