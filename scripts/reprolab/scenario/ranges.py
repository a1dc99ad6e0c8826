"""Which values a factor can go through, and which other factors a value needs: two keys of x-reprolab."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from reprolab.core.config_file import hint, rows
from reprolab.core.errors import UsageError
from reprolab.scenario.requirement import is_range

RANGES_KEY, NEEDS_KEY = "ranges", "needs"
KEYS = (RANGES_KEY, NEEDS_KEY)
NEED_KEYS = ("when", "use")
PACKAGE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
RANGES_EXAMPLE = 'a package whose releases it takes, or a list of its values as texts, such as ["3.9", "3.10"]'
NEEDS_EXAMPLE = 'a list, such as [{when: {GUNICORN: ">=24", PYTHON: "<3.10"}, use: {PYTHON: "3.12.1"}}]'

CheckedValue = Callable[[str, object, str], str]
"""(factor, its value, place of the key) -> the value as text. Raises UsageError."""


@dataclass(frozen=True)
class ValueRange:
    """What a factor can go through: the releases of a package on the index, or ``values`` in their order."""

    package: str = ""
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Need:
    """A stack whose factors are as ``when`` says needs the values in ``use``.

    ``when`` is factor -> a range of versions (">=22, <24"), or values parted by spaces. All its lines must hold.
    """

    when: Mapping[str, str]
    use: Mapping[str, str]

    def concerns(self, settings: Mapping[str, str]) -> bool:
        """Whether a stack with these values of all factors has this need."""
        return all(_fits(settings[name], wanted) for name, wanted in self.when.items())


def _fits(value: str, wanted: str) -> bool:
    if not is_range(wanted):
        return value in wanted.split()
    try:
        return SpecifierSet(wanted).contains(Version(value), prereleases=True)
    except InvalidVersion:
        return False


def read_ranges(
    content: object, factors: Mapping[str, str], values: Mapping[str, tuple[str, ...]], where: str
) -> dict[str, ValueRange]:
    """Read x-reprolab.ranges. ``where`` is the Compose file. Raises UsageError that names the place of a fault."""
    if content is None:
        return {}
    place = f"{where}: x-reprolab.{RANGES_KEY}"
    if not isinstance(content, dict) or not content:
        raise UsageError(f"{place} is {content!r}", expected=f"FACTOR: {RANGES_EXAMPLE}")
    checked = partial(_checked_value, factors=factors, values=values)
    return {name: _range(name, entry, f"{place}.{name}", checked, factors) for name, entry in content.items()}


def _range(name: str, entry: object, place: str, checked: CheckedValue, factors: Mapping[str, str]) -> ValueRange:
    if isinstance(entry, str) and PACKAGE.fullmatch(entry):
        _check_factor(name, place, factors)
        return ValueRange(package=entry)
    if not isinstance(entry, list) or not entry:
        raise UsageError(f"{place} is {entry!r}", expected=RANGES_EXAMPLE)
    listed = tuple(checked(name, value, place) for value in entry)
    if len(set(listed)) < len(listed):
        raise UsageError(f"{place} names a value twice", expected=f"each once: {', '.join(dict.fromkeys(listed))}")
    if factors[name] not in listed:
        raise UsageError(
            f"{place} lacks the documented value {factors[name]!r}", expected="the documented one among them"
        )
    return ValueRange(values=listed)


def read_needs(
    content: object, factors: Mapping[str, str], values: Mapping[str, tuple[str, ...]], where: str
) -> tuple[Need, ...]:
    """Read x-reprolab.needs. ``where`` is the Compose file. Raises UsageError that names the place of a fault."""
    checked = partial(_checked_value, factors=factors, values=values)
    listed = rows(content, NEED_KEYS, f"{where}: x-reprolab.{NEEDS_KEY}", NEEDS_EXAMPLE)
    return tuple(_need(row, place, checked, factors) for row, place in listed)


def _need(row: Mapping[str, Any], place: str, checked: CheckedValue, factors: Mapping[str, str]) -> Need:
    for key in ("when", "use"):
        if not isinstance(row.get(key), dict) or not row[key]:
            raise UsageError(f"{place}.{key} is {row.get(key)!r}", expected=NEEDS_EXAMPLE)
    when = {name: _condition(name, text, f"{place}.when", checked, factors) for name, text in row["when"].items()}
    use = {name: checked(name, value, f"{place}.use.{name}") for name, value in row["use"].items()}
    return Need(when, use)


def _condition(name: str, text: object, place: str, checked: CheckedValue, factors: Mapping[str, str]) -> str:
    if not isinstance(text, str) or not is_range(text):
        words = text.split() if isinstance(text, str) and text.strip() else [text]
        return " ".join(checked(name, word, f"{place}.{name}") for word in words)
    _check_factor(name, place, factors)
    try:
        SpecifierSet(text)
    except InvalidSpecifier as error:
        raise UsageError(
            f"{place}.{name} is {text!r}, which is no range", expected='for example ">=22, <24"'
        ) from error
    return text


def _checked_value(
    name: str, value: object, place: str, factors: Mapping[str, str], values: Mapping[str, tuple[str, ...]]
) -> str:
    """A value of a factor as text. YAML reads 3.10 as the number 3.1, and `on` as a truth value."""
    _check_factor(name, place, factors)
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{place} has the value {value!r}", expected='a text, in quotation marks: "3.10"')
    value = value.strip()
    if name in values and value not in values[name]:
        raise UsageError(
            f"{place}: {name} cannot be {value!r}{hint(value, values[name])}",
            expected="one of " + ", ".join(values[name]),
        )
    return value


def _check_factor(name: object, place: str, factors: Mapping[str, str]) -> None:
    if name not in factors:
        raise UsageError(
            f"{place} names {name}, which is no factor{hint(str(name), factors)}",
            expected="one of " + ", ".join(factors),
        )
