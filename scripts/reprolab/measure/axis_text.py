"""Reads what a user writes behind the = of a factor: ranges and values, such as 19.4.5..20.1.0,21.2.0."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from packaging.version import Version

from reprolab.core.errors import UsageError
from reprolab.measure.axis import Axis, Value
from reprolab.measure.kernels import kernel_axis
from reprolab.measure.known_values import MOST_SHOWN, KnownValues, ReleasesOf, known_values, version
from reprolab.pins.index_releases import NoAnswer, releases_of
from reprolab.scenario.kernel_setting import KERNEL
from reprolab.scenario.model import Scenario
from reprolab.scenario.ranges import RANGES_KEY

DOTS = ".."
EXAMPLE = "values with commas between them, FIRST..LAST, or FIRST.. to the newest: 19.4.5..20.1.0,21.2.0"


def read_axis(root: Path, scenario: Scenario, factor: str, text: str, *, releases: ReleasesOf = releases_of) -> Axis:
    """Read the values of a factor: `19.4.5..20.1.0`, `19.4.5..`, `sync,gthread`, or ranges and values together.

    A range has all releases of the factor's package from the first to the last. Those that are yanked and pre-releases
    are left out, unless they are named. Where x-reprolab.ranges has a list, the range goes along it. With a range all
    values are in that order, else as given. A value that comes twice counts once. For kernels see `kernel_axis`.

    Raises UsageError for an unknown factor, value or package, for an unknown release (with its neighbours), for a range
    that is reversed, has no first value, or whose factor has no `ranges`, and if the index does not answer. Values
    without a range need no answer; `Axis.notes` say then that they were not checked.
    """
    if factor == KERNEL:
        return kernel_axis(root, text)
    where = f"{factor}={text}"
    parts = _parts(scenario, factor, text, where)
    ranged = any(DOTS in part for part in parts)
    entry = scenario.ranges.get(factor)
    axis = Axis(factor, (), package=entry.package if entry else "")
    try:
        known = known_values(root, scenario, factor, releases)
    except NoAnswer as error:
        if ranged:
            raise
        note = f"{factor} was not checked: {str(error).splitlines()[0]}"
        return _plain(replace(axis, notes=(note,)), parts)
    # A list need not have every value that can run: another CPython than those of the list may be on this machine.
    if known is None or not (ranged or known.numbers or all(known.find(part) is not None for part in parts)):
        return _plain(axis, parts)
    return _of_known(axis, parts, known, ranged, where)


def _parts(scenario: Scenario, factor: str, text: str, where: str) -> list[str]:
    """The values and ranges of a text, each once. Raises UsageError for one that cannot be."""
    parts = list(dict.fromkeys(part.strip() for part in text.split(",")))
    if factor not in scenario.factors:
        scenario.check_factors({factor: text}, where)
    if factor not in scenario.ranges and any(DOTS in part for part in parts):
        raise UsageError(
            f"{where}: {factor} of {scenario.name} has no range (x-reprolab.{RANGES_KEY})",
            expected="its values with commas between them"
            + (f"; ranges have {', '.join(scenario.ranges)}" if scenario.ranges else ""),
        )
    if "" in parts or any(part.startswith(DOTS) for part in parts):
        raise UsageError(
            f"{where} has {'an empty value' if '' in parts else 'a range without a beginning'}", expected=EXAMPLE
        )
    for part in parts:
        if DOTS not in part:
            scenario.check_factors({factor: part}, where)
    return parts


def _of_known(axis: Axis, parts: Sequence[str], known: KnownValues, ranged: bool, where: str) -> Axis:
    places: dict[int, None] = {}
    skipped: set[int] = set()
    for part in parts:
        for place, named in _span(part, known, where):
            if named or place not in known.left_out:
                places[place] = None
            else:
                skipped.add(place)
    order = sorted(places) if ranged else list(places)
    notes = (known.note, _left_out(known, sorted(skipped - places.keys())))
    return replace(
        axis,
        values=tuple(known.values[place] for place in order),
        ordered=_in_order(order),
        notes=tuple(note for note in notes if note),
    )


def _span(part: str, known: KnownValues, where: str) -> Iterator[tuple[int, bool]]:
    """The places of a range or a value, and whether the text names that one."""
    first_text, dots, last_text = part.partition(DOTS)
    first = known.place(first_text.strip(), where)
    last = known.place(last_text.strip(), where) if last_text.strip() else len(known.values) - 1 if dots else first
    if first > last:
        raise UsageError(f"{where}: {part} is reversed", expected=f"{last_text.strip()}{DOTS}{first_text.strip()}")
    named = {first, last if last_text or not dots else first}
    yield from ((place, place in named) for place in range(first, last + 1))


def _left_out(known: KnownValues, places: Sequence[int]) -> str:
    """What a range leaves out, in words; "" if nothing."""
    texts: dict[str, list[str]] = {}
    for place in places:
        texts.setdefault(known.left_out[place], []).append(known.values[place].text)
    parts = []
    for reason, names in texts.items():
        more = ", …" if len(names) > MOST_SHOWN else ""
        parts.append(f"{len(names)} {reason} ({', '.join(names[:MOST_SHOWN])}{more})")
    return f"left out: {', '.join(parts)}" if parts else ""


def _plain(axis: Axis, parts: Sequence[str]) -> Axis:
    """The axis with values of which nothing more is known. Versions have an order."""
    numbers = [number for part in parts if (number := version(part))]
    ordered = len(numbers) == len(parts) and _in_order(numbers)
    return replace(axis, values=tuple(Value(part) for part in parts), ordered=ordered)


def _in_order(keys: Sequence[int] | Sequence[Version]) -> bool:
    return list(keys) in (sorted(keys), sorted(keys, reverse=True))
