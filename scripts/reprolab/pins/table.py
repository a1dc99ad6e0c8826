"""The answers as a table: what is not as it should be, or all of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from packaging.version import Version
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from reprolab.pins.pin import APT, PIP, Answer, Pin, State, Use

FEW = 3  # variants that are named rather than counted
MOST = 6  # places that are named
STYLES = {State.THERE: "", State.GONE: "red", State.UNASKED: "yellow"}
WORDS = {State.THERE: "", State.GONE: "GONE: ", State.UNASKED: "not asked: "}

Asked = Mapping[Pin, Answer]
Users = Mapping[Pin, Iterable[Use]]


@dataclass(frozen=True)
class Row:
    """Pins of one text that got one answer."""

    text: str
    where: tuple[str, ...]
    bases: tuple[str, ...]
    answer: Answer


def rows(asked: Asked, users: Users, totals: Mapping[str, int]) -> list[Row]:
    """A row for each pin and answer, bases put together. ``totals`` says how many variants a scenario has."""
    groups: dict[tuple[str, str, Answer], list[Pin]] = {}
    for pin, answer in asked.items():
        # What could not be asked has one reason, and that is what matters.
        text = "" if answer.state is State.UNASKED else pin.text
        groups.setdefault((pin.kind, text, answer), []).append(pin)
    return [
        Row(
            text or f"{len({pin.text for pin in pins})} of {kind}",
            tuple(where({use for pin in pins for use in users[pin]}, totals)),
            bases(pins),
            answer,
        )
        for (kind, text, answer), pins in sorted(groups.items(), key=lambda group: group[0][:2])
    ]


def bases(pins: Iterable[Pin]) -> tuple[str, ...]:
    """The images, or the Pythons in one line, the oldest first."""
    images = sorted({pin.base for pin in pins if pin.kind == APT})
    pythons = sorted({pin.base for pin in pins if pin.kind == PIP}, key=Version)
    return (*images, *([f"Python {', '.join(pythons)}"] if pythons else []))


def where(uses: Iterable[Use], totals: Mapping[str, int]) -> list[str]:
    """The places, then for each scenario the variants that take the pin along."""
    uses = sorted(uses)
    places = list(dict.fromkeys(use.place + (f" ({use.argument})" if use.argument else "") for use in uses))
    if len(places) > MOST:
        places[MOST:] = [f"and {len(places) - MOST} more places"]
    variants: dict[str, dict[str, None]] = {}
    for use in uses:
        if use.scenario:
            variants.setdefault(use.scenario, {})[use.variant] = None
    return [*places, *(_variants(name, list(found), totals[name]) for name, found in variants.items())]


def _variants(scenario: str, variants: Sequence[str], total: int) -> str:
    if len(variants) == total:
        return f"{scenario}: all {total} variants"
    if len(variants) <= FEW:
        return f"{scenario}: {', '.join(variants)}"
    return f"{scenario}: {len(variants)} of {total} variants"


def render(console: Console, found: Iterable[Row], *, everything: bool) -> None:
    """Print the rows that somebody must look at, or all."""
    shown = [row for row in found if everything or row.answer.state != State.THERE or row.answer.warning]
    if not shown:
        return
    # A path is cut nowhere: it is what somebody opens next.
    table = Table(*(Column(name, overflow="fold") for name in ("pin", "where", "base", "answer")), box=SIMPLE)
    for row in shown:
        told = WORDS[row.answer.state] + row.answer.text + (f"\n{row.answer.warning}" if row.answer.warning else "")
        cells = (row.text, "\n".join(row.where), "\n".join(row.bases), told)
        table.add_row(*map(escape, cells), style=STYLES[row.answer.state])
    console.print(table)


def summary(asked: Asked, users: Users) -> str:
    """One line: how many can be had, and how many not."""
    files = {use.place.rpartition(":")[0] for uses in users.values() for use in uses}
    counts = {state: len({(pin.kind, pin.text) for pin, one in asked.items() if one.state is state}) for state in State}
    every = len({(pin.kind, pin.text) for pin in asked})
    parts = [f"{counts[State.GONE]} gone"] if counts[State.GONE] else []
    parts += [f"{counts[State.UNASKED]} not asked"] if counts[State.UNASKED] else []
    return f"{every} pins of {len(files)} files " + (f"asked for: {', '.join(parts)}" if parts else "can be had")
