"""The values that a factor can go through, in their order: releases of its package, or the list of the scenario."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from packaging.version import InvalidVersion, Version

from reprolab.core.errors import UsageError
from reprolab.measure.axis import Value
from reprolab.pins.index_releases import ReleaseList
from reprolab.scenario.model import Scenario

MOST_SHOWN = 5

ReleasesOf = Callable[[Path, str], ReleaseList]
"""(checkout, package) -> its releases. Raises UsageError, or NoAnswer."""


@dataclass(frozen=True)
class KnownValues:
    """The values in their order; ``kind`` is what each of them is, for messages.

    ``numbers`` is version -> place, empty for values that are no releases. ``left_out`` is place -> why a range leaves
    the value out. ``note`` is where the values come from, "" if from the index.
    """

    kind: str
    values: tuple[Value, ...]
    numbers: Mapping[Version, int] = field(default_factory=dict)
    left_out: Mapping[int, str] = field(default_factory=dict)
    note: str = ""

    def find(self, text: str) -> int | None:
        """The place of a value, None for an unknown one. A release has several spellings: 19.0 is 19.0.0."""
        if self.numbers:
            number = version(text)
            return self.numbers.get(number) if number else None
        return next((place for place, value in enumerate(self.values) if value.text == text), None)

    def place(self, text: str, where: str) -> int:
        """The place of a value. Raises UsageError for an unknown one, with the values next to it."""
        place = self.find(text)
        if place is None:
            raise UsageError(f"{where}: {text} is no {self.kind}", expected=self._neighbours(version(text)))
        return place

    def _neighbours(self, number: Version | None) -> str:
        usable = [value.text for place, value in enumerate(self.values) if place not in self.left_out]
        if not self.numbers:
            return "one of " + ", ".join(usable)
        if number is None:
            return "for example " + ", ".join(usable[-MOST_SHOWN:])
        before = [text for text in usable if Version(text) < number][-1:]
        after = [text for text in usable if Version(text) > number][:1]
        return "for example " + ", ".join(before + after)


def known_values(root: Path, scenario: Scenario, factor: str, releases: ReleasesOf) -> KnownValues | None:
    """What x-reprolab.ranges of the scenario names for the factor; None if nothing. Raises what ``releases`` raises."""
    entry = scenario.ranges.get(factor)
    if entry is None:
        return None
    if not entry.package:
        return KnownValues(f"value in the range of {factor}", tuple(Value(text) for text in entry.values))
    listed = releases(root, entry.package)
    spellings = _spellings(scenario, factor)
    return KnownValues(
        f"release of {entry.package}",
        tuple(Value(spellings.get(row.number, row.version), row.date) for row in listed.releases),
        {row.number: place for place, row in enumerate(listed.releases)},
        {place: row.left_out for place, row in enumerate(listed.releases) if row.left_out},
        listed.kept,
    )


def _spellings(scenario: Scenario, factor: str) -> dict[Version, str]:
    """The releases as the scenario writes them: with another spelling a documented value would count as a change."""
    variants = (changes for experiment in scenario.experiments.values() for changes in experiment.variants.values())
    texts = [*(changes[factor] for changes in variants if factor in changes), scenario.factors[factor]]
    return {number: text for text in texts if (number := version(text))}


def version(text: str) -> Version | None:
    """The text as a version number, None if it is none."""
    try:
        return Version(text)
    except InvalidVersion:
        return None
