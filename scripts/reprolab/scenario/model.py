"""The data model of a scenario: claims, columns, curves, experiments, and the scenario itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from reprolab.core.config_file import hint
from reprolab.core.errors import UsageError
from reprolab.scenario.allowance import Allowance
from reprolab.scenario.catalogue import CatalogueEntry
from reprolab.scenario.kernel_setting import KERNEL, check_kernel
from reprolab.scenario.load_settings import LOAD_SETTINGS, check_load_setting
from reprolab.scenario.not_tested import NotTested
from reprolab.scenario.ranges import Need, ValueRange
from reprolab.scenario.requirement import Requirement

Observation = Mapping[str, Any]
Sign = Callable[[Observation], bool]
Trigger = Callable[[Observation], bool]
Rate = Callable[[Observation], tuple[int, int]]
Points = Callable[[Observation], Mapping[Any, Any] | None]
DOCUMENTED = "documented"
CUSTOM = "custom"
EXPERIMENT = "experiment"
APP_ROLE = "app"
# The languages of the READMEs. Every headline has English.
LANGUAGES = ("en", "ko", "ja")
# In Compose $$ is an escaped dollar, so $${X} is not a factor.
FACTOR = re.compile(r"(?<!\$)(?:\$\$)*\$\{([A-Z][A-Z0-9_]*)(?::?-([^${}]*))?\}")
# A base image in a variable, so that a user of plain `docker compose` can name another image. The variable's name ends
# like the build arguments for base images.
NAMED_IMAGE = re.compile(r"\$\{([A-Z][A-Z0-9_]*_IMAGE):-(.*)\}")


def official_image(text: str) -> str:
    """Return a value of a Compose file without the variable that names another base image (see NAMED_IMAGE).

    The lab chooses base images itself, so this variable is not a factor.
    """
    match = NAMED_IMAGE.fullmatch(text)
    return match[2] if match else text


@dataclass(frozen=True)
class Claim:
    """A statement of a document, and the sign that shows it.

    ``sign`` is a pure function of one observation that returns a bool. It may raise if the observation cannot decide.
    ``shows`` names the variants in which the sign must show in every trial (with ``sometimes``, in at least one),
    ``absent`` those in which it must never show.

    ``trigger`` is a pure function of one observation that says whether the trial exercised what the claim is about. A
    trial in which the trigger did not happen does not count for the claim. ``untriggered`` names the variants whose
    purpose is the absence of the trigger; there a trial counts only if the trigger did *not* happen.

    ``needs_idle`` is for signs that read a rate or a duration: a trial during which other programs used the processors
    does not count for the claim.

    A claim with variants on one side only has no control. ``no_control`` says why it needs none.

    If a trial makes many tries, ``rate`` returns (k, n) for one observation: k of its n tries. The sum over the
    trials is reported beside the verdict, with its interval. Only the sign decides the verdict.

    ``but`` holds the ids of claims that limit this one. Verdicts refer to them.

    For a table of many claims (the generated part ``settings``), ``setting`` is the subject of the statement, and
    ``measured`` returns in a few words what an observation measured.
    """

    id: str
    text: str
    sign: Sign
    shows: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    sometimes: bool = False
    rate: Rate | None = None
    trigger: Trigger | None = None
    untriggered: tuple[str, ...] = ()
    needs_idle: bool = False
    no_control: str = ""
    but: tuple[str, ...] = ()
    setting: str = ""
    measured: Callable[[Observation], str] | None = None

    def __post_init__(self) -> None:
        for name in ("shows", "absent", "untriggered", "but"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise TypeError(f"{name} is {value!r}, not a list of {'claims' if name == 'but' else 'variants'}")
            object.__setattr__(self, name, tuple(value))
        if self.untriggered and self.trigger is None:
            raise TypeError("untriggered names variants, but the claim has no trigger")
        if strange := set(self.untriggered) - self.expectations.keys():
            raise TypeError(f"untriggered names {', '.join(sorted(strange))}, which the claim does not need")

    @property
    def expectations(self) -> dict[str, bool]:
        """Variant -> whether the sign must show there, for each variant that the claim needs."""
        return dict.fromkeys(self.shows, True) | dict.fromkeys(self.absent, False)


@dataclass(frozen=True)
class Column:
    """One column of the results table: a heading and a function from an observation to its cell.

    The function returns a number (the cell is the median over the trials, formatted with ``form``), a text (the cell
    is each distinct text), a pair (k, n) (the cell is the sum over the trials with its interval), or None.
    If it raises, the report shows "?" and the error. A column with ``note`` is a line below the table.
    """

    heading: str
    value: Callable[[Observation], Any]
    form: str = "{:,.0f}"
    note: bool = False


@dataclass(frozen=True)
class Curve:
    """A curve of the report: a rate or a number over a number x. ``x`` and ``y`` are the titles of its axes.

    ``points`` is a function from an observation to x -> (k, n), k of n tries, or to x -> number, or to None. Over the
    valid trials of a variant the pairs are summed; of numbers the median is shown.

    Each of ``variants`` has a line, all of the experiment if none is named. With ``over_variants`` the points of these
    variants are joined to one line: each variant gives its own x. If ``points`` raises, the report shows the error.
    """

    title: str
    x: str
    y: str
    points: Points
    variants: tuple[str, ...] = ()
    over_variants: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.variants, str):
            raise TypeError(f"variants is {self.variants!r}, not a list of variants")
        object.__setattr__(self, "variants", tuple(self.variants))


@dataclass(frozen=True)
class Experiment:
    """Variants, a function that drives them, and the claims that they decide.

    ``drive(stack)`` works on the running stack and returns JSON data. ``observe(evidence, driven)`` is optional: it
    adds data from the captured logs. It runs after the load and reads only files.

    Three functions are optional and add to a report's timeline: ``events(evidence, observation)`` yields
    `reprolab.Event`, ``responses(evidence, observation)`` returns counts by status, and ``zero(evidence,
    observation)`` returns the timeline's zero in nanoseconds since the epoch.

    ``may_fail`` are the variants in which the start of the server under test may fail: `drive` observes it.
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
    curves: tuple[Curve, ...] = ()
    parallel: bool = False
    summary: str = ""
    may_fail: frozenset[str] = frozenset()

    @property
    def needed(self) -> frozenset[str]:
        """The variants that a claim needs, and the documented one. All others only illustrate."""
        return frozenset({DOCUMENTED}.union(*(claim.expectations for claim in self.claims)))


@dataclass(frozen=True)
class Document:
    """The document that a scenario tests. A field that the document does not give is empty.

    ``title`` is in the document's own language. ``date`` is YYYY, YYYY-MM or YYYY-MM-DD. If it is not the date of
    publication, its meaning follows in brackets: `2023-01-27 (last change)`. ``id`` is the lab's name for it.
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
        """The title, with author and year in brackets."""
        source = ", ".join(part for part in (self.author, self.date[:4]) if part)
        return f"{self.title} ({source})" if source else self.title


@dataclass(frozen=True)
class Scenario:
    """One documented case.

    ``factors`` is factor -> documented value, ``values`` factor -> allowed values (where they are limited), ``when``
    role -> factor (or `experiment`) -> the values that need the service, ``headline`` language (see LANGUAGES) -> the
    finding in one sentence. ``answer`` is claim -> its sign in words, the main claim first; a run's answer is made from
    it. ``requires`` is what the machine must have, ``allow`` what its stacks may have beyond the
    lab's policy. ``catalogue`` is what the site and the README's table sort it by. ``ranges`` is factor -> the values
    that a question can go through, ``companions`` what other factors they need (x-reprolab.needs), in order.
    ``simpler`` is factor -> its values towards the simplest, for a shrink. ``not_tested`` are the document's sentences
    that no run tests.
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
    answer: Mapping[str, str] = field(default_factory=dict)
    requires: tuple[Requirement, ...] = ()
    allow: tuple[Allowance, ...] = ()
    catalogue: CatalogueEntry = field(default_factory=CatalogueEntry)
    simpler: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ranges: Mapping[str, ValueRange] = field(default_factory=dict)
    companions: tuple[Need, ...] = ()
    not_tested: tuple[NotTested, ...] = ()

    @property
    def compose_file(self) -> Path:
        return self.directory / "compose.yaml"

    @property
    def root(self) -> Path:
        """The lab folder, which has `scenarios/` and perhaps `images/`."""
        return self.directory.parent.parent

    @property
    def claims(self) -> tuple[Claim, ...]:
        """All claims, in the order of the experiments."""
        return tuple(claim for experiment in self.experiments.values() for claim in experiment.claims)

    @property
    def main_claim(self) -> Claim | None:
        """The first claim of ``answer``, else the only claim; None where there are several and no answer."""
        claims = {claim.id: claim for claim in self.claims}
        main = next(iter(self.answer), "") or (next(iter(claims)) if len(claims) == 1 else "")
        return claims.get(main)

    @property
    def main_experiment(self) -> Experiment | None:
        """The experiment of the main claim."""
        main = self.main_claim
        return next((row for row in self.experiments.values() if main in row.claims), None) if main else None

    def experiment(self, name: str) -> Experiment:
        """An experiment by its name. Raises UsageError if there is none."""
        if name not in self.experiments:
            raise UsageError(
                f"{self.name} has no experiment {name!r}{hint(name, self.experiments)}",
                expected="one of " + ", ".join(self.experiments),
            )
        return self.experiments[name]

    def needs(self, role: str, factors: Mapping[str, str], experiment: str = "") -> bool:
        """Whether the stack has the service of a role, with these factors and in this experiment ("" for none)."""
        settings = {**self.factors, **factors, EXPERIMENT: experiment}
        return all(settings[name] in allowed for name, allowed in self.when.get(role, {}).items())

    def variant_key(self, experiment: str, variant: str) -> str:
        """Return the name of a variant in verdict.json: with its experiment if the scenario has several."""
        return variant if len(self.experiments) == 1 else f"{experiment}/{variant}"

    def trials_of(self, experiment: Experiment, variant: str) -> int:
        """Return the default number of trials: TRIALS if a claim needs the variant, else 1."""
        return experiment.trials if variant in experiment.needed else 1

    def check_factors(
        self,
        factors: Mapping[str, str],
        where: str,
        words: tuple[str, ...] = (),
        *,
        load: bool = False,
        kernel: bool = False,
    ) -> None:
        """Raise UsageError for a factor that compose.yaml does not use.

        ``words`` are other names that could be meant: make takes both in the same way. With ``load`` the lab's load
        settings are allowed too, with ``kernel`` its setting for the kernel.
        """
        others = (*(LOAD_SETTINGS if load else ()), *((KERNEL,) if kernel else ()))
        for name in factors:
            if name in others:
                check = check_kernel if name == KERNEL else partial(check_load_setting, name)
                check(factors[name], where)
                continue
            if name not in self.factors:
                raise UsageError(
                    f"{where}: {self.name} has no factor {name}{hint(name, (*self.factors, *words, *others))}",
                    expected="one of "
                    + ", ".join(f"{k} ({v})" for k, v in self.factors.items())
                    + (f"; or make's own {', '.join(words)}" if words else ""),
                )
            if not factors[name]:
                # Compose would use the documented value instead, and the report would not show that.
                raise UsageError(f"{where}: {name} has no value", expected=f"{name}=VALUE")
            self._check_value(name, factors[name], where)

    def _check_value(self, name: str, value: str, where: str) -> None:
        allowed = self.values.get(name)
        if allowed and value not in allowed:
            raise UsageError(
                f"{where}: {name} cannot be {value!r}{hint(value, allowed)}", expected="one of " + ", ".join(allowed)
            )
