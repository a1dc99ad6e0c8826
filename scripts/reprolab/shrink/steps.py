"""What of a stack can get simpler, and the steps towards the simplest.

A state is setting -> value, for the settings that can get simpler. A step takes some of them to simpler values. Each
value has a size between 0, the simplest, and 1, that of the starting stack; every step makes a state smaller.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from reprolab.scenario.load_settings import CONNECTIONS, LOAD_SETTINGS, THREADS
from reprolab.scenario.model import Scenario

State = Mapping[str, str]
NUMBER = re.compile(r"[1-9]\d{0,8}")


@dataclass(frozen=True)
class Move:
    """A setting that gets a simpler value."""

    name: str
    before: str
    after: str

    @property
    def words(self) -> str:
        """For example "WORKERS 5 → 1"."""
        return f"{self.name} {self.before or '(empty)'} → {self.after or '(empty)'}"


Step = tuple[Move, ...]
"""The moves of one step. A single step has one."""


@dataclass(frozen=True)
class Reducible:
    """A setting that can get simpler; ``start`` is its value in the starting stack.

    ``named`` are its simpler values, the simplest last. Without them it is a number that gets smaller, to 1; then
    ``allowed`` are the values that it may have, if they are limited.
    """

    name: str
    start: str
    named: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()

    def size(self, value: str) -> Fraction:
        """The size of a value: 0 for the simplest, 1 for that of the starting stack."""
        if self.named:
            chain = (self.start, *self.named)
            return Fraction(len(chain) - 1 - chain.index(value), len(chain) - 1)
        return Fraction(int(value) - 1, int(self.start) - 1)

    def simpler(self, value: str, unit: int = 1) -> list[str]:
        """The values to which a single step leads, the simplest first; a number stays a multiple of ``unit``."""
        if self.named:
            chain = (self.start, *self.named)
            return list(reversed(chain[chain.index(value) + 1 :]))
        if self.allowed:
            numbers = [int(text) for text in self.allowed if NUMBER.fullmatch(text)]
            return [str(number) for number in sorted(numbers) if number < int(value)]
        return [str(number * unit) for number in smaller(int(value) // unit)]


def smaller(number: int) -> list[int]:
    """The numbers to which a step leads: 1, a sixteenth, a quarter, a half, and an eighth less, each at least one less.

    So a number from which no step is left is the least within an eighth, and exactly the least up to 15.
    """
    less = (number - max(1, number // part) for part in (2, 4, 8))
    return sorted({1, number // 16, number // 4, *less} - {0, number})


@dataclass(frozen=True)
class Space:
    """All settings that can get simpler, in their order; ``stays`` has the values of the load settings that stay."""

    reducibles: tuple[Reducible, ...]
    stays: State

    @property
    def start(self) -> dict[str, str]:
        """The state of the starting stack."""
        return {item.name: item.start for item in self.reducibles}

    def size(self, state: State) -> Fraction:
        """The sum of the sizes of its values."""
        return sum((item.size(state[item.name]) for item in self.reducibles), Fraction(0))

    def single(self, state: State) -> list[Move]:
        """All single steps from a state: those that take away the largest part of what is left first."""
        moves = [
            Move(item.name, state[item.name], value) for item in self.reducibles for value in self._to(item, state)
        ]
        return sorted(moves, key=self._part_left)

    def simplest(self, state: State, names: Iterable[str]) -> Step:
        """The step that takes all these settings to their simplest values at once."""
        wanted, after, moves = set(names), dict(state), []
        for item in self.reducibles:
            values = self._to(item, after) if item.name in wanted else []
            if values:
                moves.append(Move(item.name, after[item.name], values[0]))
                after[item.name] = values[0]
        return tuple(moves)

    def size_after(self, move: Move) -> Fraction:
        """The size of the value to which a move leads."""
        return next(item for item in self.reducibles if item.name == move.name).size(move.after)

    def _part_left(self, move: Move) -> Fraction:
        item = next(item for item in self.reducibles if item.name == move.name)
        return item.size(move.after) / item.size(move.before)

    def _to(self, item: Reducible, state: State) -> list[str]:
        """The values of single steps. wrk takes only a number of connections that is a multiple of its threads."""
        load = {**self.stays, **state}
        unit = int(load.get(THREADS, 1)) if item.name == CONNECTIONS else 1
        values = item.simpler(state[item.name], unit)
        if item.name == THREADS and CONNECTIONS in load:
            values = [value for value in values if int(load[CONNECTIONS]) % int(value) == 0]
        return values


def applied(state: State, step: Step) -> dict[str, str]:
    """The state after a step."""
    return {**state, **{move.name: move.after for move in step}}


def space_of(scenario: Scenario, settings: Mapping[str, str], load: Mapping[str, str], fixed: Iterable[str]) -> Space:
    """What can get simpler in a stack with these settings, and with this load; ``fixed`` settings stay.

    A factor gets the values that x-reprolab.simpler names. Of the others numbers get smaller; versions and texts stay.
    """
    stay = set(fixed)
    values = {**scenario.factors, **load, **settings}
    reducibles = [item for name in values if name not in stay for item in _reducible(scenario, name, values[name])]
    names = {item.name for item in reducibles}
    return Space(tuple(reducibles), {name: values[name] for name in LOAD_SETTINGS if name in values.keys() - names})


def _reducible(scenario: Scenario, name: str, start: str) -> Iterator[Reducible]:
    if name in scenario.simpler:
        named = scenario.simpler[name]
        # What comes before the present value in the list is not simpler than it.
        named = named[named.index(start) + 1 :] if start in named else named
        if named:
            yield Reducible(name, start, named)
    elif NUMBER.fullmatch(start) and start != "1":
        yield Reducible(name, start, allowed=scenario.values.get(name, ()))
