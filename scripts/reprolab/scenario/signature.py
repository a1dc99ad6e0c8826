"""How a case shows in logs: the `signature.py` of a scenario, as plain data.

`reprolab diagnose` compares a user's logs and settings with it. A run of the scenario does not read it, so it does not
count in the digest of the case.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from reprolab.core.config_file import hint
from reprolab.core.errors import UsageError

FILE = "signature.py"
NAME = "SIGNATURES"
SHORTEST_TEXT = 6  # characters: a shorter text is in too many lines to search for
URL = re.compile(r"https?://\S+")


class _Lists:
    """A dataclass whose fields may be given as lists: they become tuples."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, list):
                object.__setattr__(self, name, tuple(value))


@dataclass(frozen=True)
class LogLine:
    """A line in the log of one server.

    Every such line holds the text ``has``; the search looks for it first. ``pattern`` is a regular expression that the
    line must match too, "" for none. A group named ``same``, or ``same_x``, must have the same text in all steps of a
    signature that have such a group. A group named ``other_x`` must have another text than ``same_x``.
    """

    server: str
    has: str
    pattern: str = ""


@dataclass(frozen=True)
class Step(_Lists):
    """Something that happens, in words, and the lines that show it, one for each server or release that writes it.

    ``within``: it must come at most so many lines after the step before; 0 for any distance. ``resets``: if such a line
    comes first, the search begins again at the first step. ``introduced_by``: lines that introduce process ids, in a
    group `pid`. The step's own `pid` must be one of those, or with ``introduced`` false none of them.
    """

    what: str
    lines: tuple[LogLine, ...]
    within: int = 0
    resets: tuple[LogLine, ...] = ()
    introduced_by: tuple[LogLine, ...] = ()
    introduced: bool = True


@dataclass(frozen=True)
class Need:
    """A value of a setting. ``value``: a comparison with a number (`>1`), or words of which one must equal the value.

    In a word, * stands for any text; a word after ! must not be equal.
    """

    server: str
    name: str
    value: str


@dataclass(frozen=True)
class Condition(_Lists):
    """What must be set for the case to happen, in words: one of the needs must hold."""

    what: str
    needs: tuple[Need, ...]


@dataclass(frozen=True)
class Known:
    """Where something is known from: a claim that a run on record confirmed, or the address of a thread."""

    what: str
    claim: str = ""
    url: str = ""


@dataclass(frozen=True)
class Signature(_Lists):
    """One way in which a case shows.

    ``steps`` come in this order in one log. ``beside`` may show in any of the logs, and is no proof. ``absent`` speaks
    against the case. ``decisive``: the steps prove the case, where release and settings are known to be those of the
    case. ``package`` with ``affected`` and ``unaffected``: ranges of releases, as measured. Without ``steps`` no log
    shows the case, and ``silent`` says why. ``factors``: factor -> `PACKAGE` for its release, or `SERVER.SETTING`.
    ``decides``: what would decide, in words. ``experiment``: the one of the scenario that tests it, "" for all.
    ``beside_hints``: a line of ``beside`` alone points to the case, where release and conditions are known to fit.
    ``settings_show``: the conditions are a sign themselves, such as the exit status of a container.
    """

    title: str
    known_from: tuple[Known, ...]
    steps: tuple[Step, ...] = ()
    beside: tuple[Step, ...] = ()
    absent: tuple[Step, ...] = ()
    conditions: tuple[Condition, ...] = ()
    package: str = ""
    affected: str = ""
    unaffected: str = ""
    factors: Mapping[str, str] = field(default_factory=dict)
    decides: str = ""
    silent: str = ""
    experiment: str = ""
    decisive: bool = False
    beside_hints: bool = False
    settings_show: bool = False

    @property
    def every_step(self) -> tuple[Step, ...]:
        return (*self.steps, *self.beside, *self.absent)


def check(
    signatures: object, directory: Path, factors: Mapping[str, str], experiments: Collection[str]
) -> tuple[Signature, ...]:
    """Return the signatures of a scenario. Raises UsageError that names a malformed one and its fault."""
    where = f"scenarios/{directory.name}/{FILE}"
    if not isinstance(signatures, list | tuple) or not signatures:
        raise UsageError(f"{where}: {NAME} is {signatures!r}", expected="a list of Signature(...) objects")
    for signature in signatures:
        if not isinstance(signature, Signature):
            raise UsageError(f"{where}: {NAME} holds {signature!r}", expected="Signature(...) objects")
        _check_one(signature, f"{where}: {signature.title!r}", factors)
        if signature.experiment and signature.experiment not in experiments:
            raise UsageError(
                f"{where}: {signature.title!r} names the experiment {signature.experiment!r}, which does not exist"
                f"{hint(signature.experiment, experiments)}",
                expected="one of " + ", ".join(experiments),
            )
    return tuple(signatures)


def _check_one(signature: Signature, where: str, factors: Mapping[str, str]) -> None:
    if not signature.known_from:
        raise UsageError(f"{where} does not say where it is known from", expected="known_from=[Known(...)]")
    for known in signature.known_from:
        if bool(known.claim) == bool(known.url) or (known.url and not URL.fullmatch(known.url)):
            raise UsageError(f"{where}: known_from {known.what!r}", expected="either a claim or the URL of a thread")
    if not signature.steps and not signature.silent:
        raise UsageError(f"{where} has neither steps nor silent", expected="lines of a log, or why no log shows it")
    for name in signature.factors:
        if name not in factors:
            raise UsageError(f"{where}: {name} is no factor{hint(name, factors)}", expected=", ".join(factors))
    for text in (signature.affected, signature.unaffected):
        _check_range(text, where)
    for step in signature.every_step:
        _check_step(step, where)


def _check_range(text: str, where: str) -> None:
    for part in text.split("|"):
        try:
            SpecifierSet(part)
        except InvalidSpecifier as error:
            raise UsageError(f"{where}: {part!r} is no range", expected='such as ">=20.1,<23 | ==24.0.0"') from error


def _check_step(step: Step, where: str) -> None:
    for line in (*step.lines, *step.resets, *step.introduced_by):
        if len(line.has) < SHORTEST_TEXT or "\n" in line.has:
            raise UsageError(
                f"{where}: the text {line.has!r} of {step.what!r}",
                expected=f"at least {SHORTEST_TEXT} characters of one line, so that the search is fast",
            )
        try:
            re.compile(line.pattern.encode())
        except re.error as error:
            raise UsageError(f"{where}: {line.pattern!r} is no regular expression: {error}") from error
