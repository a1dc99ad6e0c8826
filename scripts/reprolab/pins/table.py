"""The answers as a table: only the problems, or all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from packaging.version import Version
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Column, Table

from reprolab.pins.pin import APT, PIP, Pin, PinAnswer, State, Use

MOST_VARIANTS = 3  # more variants are counted, not named
MOST_PLACES = 6  # more places are counted, not named
STYLES = {State.AVAILABLE: "", State.GONE: "red", State.NOT_ASKED: "yellow"}
PREFIXES = {State.AVAILABLE: "", State.GONE: "GONE: ", State.NOT_ASKED: "not asked: "}

Answers = Mapping[Pin, PinAnswer]
Users = Mapping[Pin, Iterable[Use]]


@dataclass(frozen=True)
class PinRow:
    """Pins with the same text and the same answer."""

    text: str
    where: tuple[str, ...]
    bases: tuple[str, ...]
    answer: PinAnswer


def rows(answers: Answers, users: Users, totals: Mapping[str, int]) -> list[PinRow]:
    """Return one row for each pin and answer, with all bases. ``totals`` is scenario -> its number of variants."""
    groups: dict[tuple[str, str, PinAnswer], list[Pin]] = {}
    for pin, answer in answers.items():
        # Pins that could not be asked are put together by their reason.
        text = "" if answer.state is State.NOT_ASKED else pin.text
        groups.setdefault((pin.kind, text, answer), []).append(pin)
    return [
        PinRow(
            text or f"{len({pin.text for pin in pins})} of {kind}",
            tuple(where({use for pin in pins for use in users[pin]}, totals)),
            bases(pins),
            answer,
        )
        for (kind, text, answer), pins in sorted(groups.items(), key=lambda group: group[0][:2])
    ]


def bases(pins: Iterable[Pin]) -> tuple[str, ...]:
    """Return the images, then all Pythons in one text, the oldest first."""
    images = sorted({pin.base for pin in pins if pin.kind == APT})
    pythons = sorted({pin.base for pin in pins if pin.kind == PIP}, key=Version)
    return (*images, *([f"Python {', '.join(pythons)}"] if pythons else []))


def where(uses: Iterable[Use], totals: Mapping[str, int]) -> list[str]:
    """Return the places of a pin, then for each scenario the variants that use it."""
    uses = sorted(uses)
    places = list(dict.fromkeys(use.place + (f" ({use.argument})" if use.argument else "") for use in uses))
    if len(places) > MOST_PLACES:
        places[MOST_PLACES:] = [f"and {len(places) - MOST_PLACES} more places"]
    variants: dict[str, dict[str, None]] = {}
    for use in uses:
        if use.scenario:
            variants.setdefault(use.scenario, {})[use.variant] = None
    return [*places, *(_variants(name, list(used), totals[name]) for name, used in variants.items())]


def _variants(scenario: str, variants: Sequence[str], total: int) -> str:
    if len(variants) == total:
        return f"{scenario}: all {total} variants"
    if len(variants) <= MOST_VARIANTS:
        return f"{scenario}: {', '.join(variants)}"
    return f"{scenario}: {len(variants)} of {total} variants"


def render(console: Console, rows: Iterable[PinRow], *, everything: bool) -> None:
    """Print the rows with a problem or a warning, or all."""
    shown = [row for row in rows if everything or row.answer.state != State.AVAILABLE or row.answer.warning]
    if not shown:
        return
    # Paths are never truncated, since the user opens them.
    table = Table(*(Column(name, overflow="fold") for name in ("pin", "where", "base", "answer")), box=SIMPLE)
    for row in shown:
        answer = (
            PREFIXES[row.answer.state] + row.answer.text + (f"\n{row.answer.warning}" if row.answer.warning else "")
        )
        cells = (row.text, "\n".join(row.where), "\n".join(row.bases), answer)
        table.add_row(*cells, style=STYLES[row.answer.state])
    console.print(table)


def summary(answers: Answers, users: Users) -> str:
    """Return one line: how many pins are available, gone, and not asked."""
    files = {use.place.rpartition(":")[0] for uses in users.values() for use in uses}
    counts = {
        state: len({(pin.kind, pin.text) for pin, answer in answers.items() if answer.state is state})
        for state in State
    }
    total = len({(pin.kind, pin.text) for pin in answers})
    parts = [f"{counts[State.GONE]} gone"] if counts[State.GONE] else []
    parts += [f"{counts[State.NOT_ASKED]} not asked"] if counts[State.NOT_ASKED] else []
    return f"{total} pins of {len(files)} files " + (f"asked for: {', '.join(parts)}" if parts else "are available")
