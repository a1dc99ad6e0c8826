"""The parts of a scenario: claims, columns, experiments, the scenario itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reprolab.core.config_file import hint
from reprolab.core.errors import UsageError

Observation = Mapping[str, Any]
Sign = Callable[[Observation], bool]
Rate = Callable[[Observation], tuple[int, int]]
DOCUMENTED = "documented"
CUSTOM = "custom"
EXPERIMENT = "experiment"
APP_ROLE = "app"
# The languages of the READMEs; English is the one that every headline has.
LANGUAGES = ("en", "ko", "ja")
# $$ is how Compose escapes a dollar: what follows a pair is no factor of its own.
FACTOR = re.compile(r"(?<!\$)(?:\$\$)*\$\{([A-Z][A-Z0-9_]*)(?::?-([^${}]*))?\}")
# A base image with the variable by which `docker compose` by hand names another; the name ends as build arguments for
# base images do.
NAMED_IMAGE = re.compile(r"\$\{([A-Z][A-Z0-9_]*_IMAGE):-(.*)\}")


def official_image(text: str) -> str:
    """A value of a Compose file, as it is written, without the variable by which a person names another base image.

    The lab chooses base images itself, so such a variable is no factor.
    """
    named = NAMED_IMAGE.fullmatch(text)
    return named[2] if named else text


@dataclass(frozen=True)
class Claim:
    """What a document says, and what would show it.

    ``sign`` is a pure function of one observation that returns a bool; it may raise where the
    observation cannot tell. ``shows`` names the variants in which the sign must show in every trial
    (with ``sometimes``, in at least one), ``absent`` those in which it must never show.

    Where a trial tries many times, ``rate`` gives (k, n) of one observation: k of its n tries. The sum over the
    trials stands beside the verdict, with its interval; the sign alone decides.

    ``but`` names claims that say where this one ends: verdicts point to them.

    For a table of many claims (the generated part ``settings``): ``setting`` is what the sentence is about, and
    ``measured`` says in a few words what an observation found.
    """

    id: str
    text: str
    sign: Sign
    shows: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    sometimes: bool = False
    rate: Rate | None = None
    but: tuple[str, ...] = ()
    setting: str = ""
    measured: Callable[[Observation], str] | None = None

    def __post_init__(self) -> None:
        for name, listed in (("shows", self.shows), ("absent", self.absent), ("but", self.but)):
            if isinstance(listed, str):
                raise TypeError(f"{name} is {listed!r}, not a list of {'claims' if name == 'but' else 'variants'}")
        object.__setattr__(self, "shows", tuple(self.shows))
        object.__setattr__(self, "absent", tuple(self.absent))
        object.__setattr__(self, "but", tuple(self.but))

    @property
    def expectations(self) -> dict[str, bool]:
        """For each variant the claim needs: must the sign show there?"""
        return dict.fromkeys(self.shows, True) | dict.fromkeys(self.absent, False)


@dataclass(frozen=True)
class Column:
    """One column of the results table: a heading and a function from an observation to its cell.

    The function returns a number (the median over the trials is shown, by ``form``), a text (each distinct
    text is shown), or a pair (k, n), whose sum over the trials is shown with its interval; None for nothing.
    One that raises is a mistake: the report shows "?" and says what was raised.
    With ``note`` it stands below the table, in a line of its own.
    """

    heading: str
    value: Callable[[Observation], Any]
    form: str = "{:,.0f}"
    note: bool = False


@dataclass(frozen=True)
class Experiment:
    """Variants, a way to drive them, and the claims they decide.

    ``drive(stack)`` works on the running stack and returns plain JSON-able data; ``observe(evidence,
    driven)``, where given, adds what the captured logs tell, after the load and from files only.

    For the timeline of a report, where its evidence holds moments of a kind of its own: ``events(evidence,
    observation)`` yields `reprolab.Event`, ``responses(evidence, observation)`` returns counts per status, and
    ``zero(evidence, observation)`` the moment 0 of both, in nanoseconds since the epoch.
    """

    name: str
    variants: Mapping[str, Mapping[str, str]]
    trials: int
    drive: Callable[[Any], dict[str, Any]]
    claims: tuple[Claim, ...]
    observe: Callable[[Any, dict[str, Any]], dict[str, Any]] | None = None
    events: Callable[[Any, Observation], Iterable[Any]] | None = None
    responses: Callable[[Any, Observation], Mapping[str, Iterable[int]]] | None = None
    zero: Callable[[Any, Observation], int] | None = None
    columns: tuple[Column, ...] = ()
    parallel: bool = False
    summary: str = ""


@dataclass(frozen=True)
class Document:
    """The document that a scenario tests, as it describes itself; what it does not say is empty.

    ``title`` is in the document's own language. ``date`` is YYYY, YYYY-MM or YYYY-MM-DD; where it is not the day of
    publication, words in brackets say what it is: `2023-01-27 (last change)`. ``id`` is the lab's own name for it.
    """

    title: str
    author: str = ""
    date: str = ""
    language: str = ""
    url: str = ""
    licence: str = ""
    id: str = ""

    @property
    def citation(self) -> str:
        """Title, author, date and language in one line."""
        return ", ".join(part for part in (f"“{self.title}”", self.author, self.date, self.language) if part)

    @property
    def short(self) -> str:
        """Title, and in brackets author and year."""
        known = ", ".join(part for part in (self.author, self.date[:4]) if part)
        return f"{self.title} ({known})" if known else self.title


@dataclass(frozen=True)
class Scenario:
    """One documented case: its directory, its factors with the documented values, its experiments.

    ``headline`` is the finding in one sentence, by language (see LANGUAGES).
    """

    name: str
    directory: Path
    title: str
    document: Document
    summary: str
    finding: str
    factors: Mapping[str, str]
    experiments: Mapping[str, Experiment] = field(default_factory=dict)
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    when: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    headline: Mapping[str, str] = field(default_factory=dict)

    @property
    def compose_file(self) -> Path:
        """The stack's Compose file."""
        return self.directory / "compose.yaml"

    @property
    def claims(self) -> tuple[Claim, ...]:
        """All claims, in the order of the experiments."""
        return tuple(claim for experiment in self.experiments.values() for claim in experiment.claims)

    def needs(self, role: str, factors: Mapping[str, str], experiment: str = "") -> bool:
        """Whether the service in a role takes part, with these factors set and in this experiment ("" by hand)."""
        now = {**self.factors, **factors, EXPERIMENT: experiment}
        return all(now[name] in allowed for name, allowed in self.when.get(role, {}).items())

    def variant_key(self, experiment: str, variant: str) -> str:
        """The name a variant has in verdict.json: qualified only where there are several experiments."""
        return variant if len(self.experiments) == 1 else f"{experiment}/{variant}"

    def trials_of(self, experiment: Experiment, variant: str) -> int:
        """How often a variant runs by default: TRIALS where a claim needs it, once where it only illustrates."""
        needed = {DOCUMENTED}.union(*(claim.expectations for claim in experiment.claims))
        return experiment.trials if variant in needed else 1

    def check_factors(self, factors: Mapping[str, str], where: str) -> None:
        """Raise UsageError for a factor that compose.yaml does not use."""
        for name in factors:
            if name not in self.factors:
                raise UsageError(
                    f"{where}: {self.name} has no factor {name}{hint(name, self.factors)}",
                    expected="one of " + ", ".join(f"{k} ({v})" for k, v in self.factors.items()),
                )
            if not factors[name]:
                # Compose would put the documented value in its place, and the report would not show it.
                raise UsageError(f"{where}: {name} has no value", expected=f"{name}=VALUE")
            self._check_value(name, factors[name], where)

    def _check_value(self, name: str, value: str, where: str) -> None:
        known = self.values.get(name)
        if known and value not in known:
            raise UsageError(
                f"{where}: {name} cannot be {value!r}{hint(value, known)}", expected="one of " + ", ".join(known)
            )
