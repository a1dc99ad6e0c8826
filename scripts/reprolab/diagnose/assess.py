"""Decides what a log and the settings say of a case: `matches`, `could be`, `not this one`, or that no log shows it.

A wrong "matches" is worse than none: it needs all steps of a decisive signature in their order, a release that is known
to be affected, and every condition known to hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from reprolab.diagnose.in_force import releases_in_force, settings_in_force
from reprolab.diagnose.log_facts import LogFact
from reprolab.diagnose.mask import masked
from reprolab.diagnose.matcher import Match
from reprolab.diagnose.settings import Facts, Release, defaults, met
from reprolab.scenario.signature import Signature


class Level(StrEnum):
    """What is said of a case, the strongest first."""

    MATCHES = "matches"
    COULD_BE = "could be"
    NOT_SHOWN = "no log shows it"
    NOT_THIS = "not this one"


COLLECTOR = "journald"
NAMED = (Level.MATCHES, Level.COULD_BE)


class ReleaseState(StrEnum):
    """What the runs on record say of a release."""

    ANY = "any"
    AFFECTED = "affected"
    UNAFFECTED = "not affected"
    UNMEASURED = "not measured"
    UNKNOWN = "not known"


@dataclass(frozen=True)
class Evidence:
    """What the logs have of one signature: the steps of the log that has most of them, and whether these are all."""

    steps: tuple[Match, ...] = ()
    complete: bool = False
    beside: tuple[Match, ...] = ()
    absent: tuple[Match, ...] = ()

    @property
    def against(self) -> list[Match]:
        """The lines that speak against the case: where a service shows it, those of the same service in the same log.

        What the collector of a log says of itself is about all of its services.
        """
        if not self.complete:
            return list({match.what: match for match in reversed(self.absent)}.values())
        first = self.steps[0]
        rows = [match for match in self.absent if match.log == first.log]
        return [match for match in rows if match.origin == first.origin or match.server == COLLECTOR]


@dataclass(frozen=True)
class Assessment:
    """What is said of one signature of a scenario, and why.

    ``for_it`` and ``against`` are reasons beside the lines; ``unknown`` is what would have to be known.
    """

    scenario: str
    signature: Signature
    level: Level
    matches: tuple[Match, ...]
    for_it: tuple[str, ...]
    against: tuple[str, ...]
    unknown: tuple[str, ...]
    release: Release | None = None

    @property
    def rank(self) -> tuple[int, int, int]:
        """For sorting: the strongest first."""
        return list(Level).index(self.level), len(self.unknown), -len(self.matches)


def assess(
    scenario: str, signature: Signature, evidence: Evidence, given: Facts, log_facts: Sequence[LogFact]
) -> Assessment | None:
    """What is said of a signature; None where nothing points to it. ``given``: what the user gives beside the logs."""
    releases = releases_in_force(signature.package, evidence.steps, given, log_facts)
    release = releases[0] if len(releases) == 1 else None
    state = release_state(signature, release)
    for_it, against, unknown = _release_words(signature, releases, state)
    for_it += _other_releases(release, given)
    facts = settings_in_force(evidence.steps, given, log_facts)
    for condition in signature.conditions:
        holds, settings = met(condition, facts)
        shown = ", ".join(
            f"{row.server}'s {row.name} is {masked(row.value)} ({row.source})" for row in settings if row.value
        )
        if holds is None:
            unknown.append("; ".join([f"whether {condition.what}", *defaults(condition)]))
        elif holds or not shown:
            (for_it if holds else unknown).append(
                f"{condition.what}: {shown}" if shown else f"whether {condition.what}"
            )
        else:
            against.append(f"it needs that {condition.what}, but {shown}")
    against += [f"{match.what} ({match.log}:{match.line})" for match in evidence.against]
    level = _level(signature, evidence, state, bool(against), bool(unknown))
    if level is None:
        return None
    beside = {match.what: match for match in reversed(evidence.beside)}.values()
    matches = (*(evidence.steps if evidence.complete else ()), *beside)
    return Assessment(scenario, signature, level, matches, tuple(for_it), tuple(against), tuple(unknown), release)


def _level(
    signature: Signature, evidence: Evidence, state: ReleaseState, is_against: bool, is_unknown: bool
) -> Level | None:
    sure = state in (ReleaseState.AFFECTED, ReleaseState.ANY) and not is_unknown
    seen = evidence.complete or (bool(evidence.beside) and signature.beside_hints)
    if is_against:
        return Level.NOT_THIS if seen else None
    if evidence.complete:
        return Level.MATCHES if signature.decisive and sure else Level.COULD_BE
    if not sure:
        return None
    if (evidence.beside and signature.beside_hints) or signature.settings_show:
        return Level.COULD_BE
    return Level.NOT_SHOWN if signature.silent and not signature.steps else None


def release_state(signature: Signature, release: Release | None) -> ReleaseState:
    """What the runs on record say of the release, by the ranges of the signature."""
    if not signature.package:
        return ReleaseState.ANY
    if release is None:
        return ReleaseState.UNKNOWN
    if _within(release.version, signature.affected):
        return ReleaseState.AFFECTED
    if _within(release.version, signature.unaffected):
        return ReleaseState.UNAFFECTED
    return ReleaseState.UNMEASURED


def _within(version: str, ranges: str) -> bool:
    try:
        number = Version(version)
    except InvalidVersion:
        return False
    if number.is_prerelease or number.local:
        # No run on record has one. It may lack a change of the release, or have another one.
        return False
    parts = [part.strip() for part in ranges.split("|") if part.strip()]
    return any(SpecifierSet(part).contains(number, prereleases=True) for part in parts)


def _other_releases(release: Release | None, facts: Facts) -> list[str]:
    """Where the user gave another release than the one that the log names."""
    given = facts.of_package(release.package) if release else []
    others = {row.source: row for row in given if release and not row.version.startswith(release.version)}
    return [
        f"the log counts here, though {row.source} names {row.package} {row.version}"
        for row in others.values()
        if release and not release.version.startswith(row.version) and ":" in release.source
    ][:1]


def _release_words(
    signature: Signature, releases: Sequence[Release], state: ReleaseState
) -> tuple[list[str], list[str], list[str]]:
    """What the release says for the case, against it, and what would have to be known."""
    if state is ReleaseState.ANY:
        return [], [], []
    named = " or ".join(f"{row.package} {row.version} ({row.source})" for row in releases)
    if len(releases) != 1:
        which = f"which release of {signature.package} runs"
        return [], [], [", ".join([which, *([named] if named else [])]) + f": --version {signature.package}=..."]
    if state is ReleaseState.AFFECTED:
        return [f"{named} is affected"], [], []
    if state is ReleaseState.UNAFFECTED:
        return [], [f"{named} is not affected; affected as measured: {signature.affected}"], []
    return [], [], [f"whether {named} is affected: no run on record has it"]
