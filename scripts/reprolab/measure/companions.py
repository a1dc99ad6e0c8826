"""The factors that the chosen values of other factors need: the Python of a release, and the packages beside it."""

from __future__ import annotations

from collections.abc import Container, Mapping

from reprolab.scenario.model import Scenario


def complete(scenario: Scenario, settings: Mapping[str, str], fixed: Container[str]) -> dict[str, str]:
    """Return ``settings`` (factor -> value) with the factors that x-reprolab.needs of the scenario adds or changes.

    The rules apply once, in their order. Each looks at the documented values, the settings, and what the rules before
    it chose; where two choose a value for a factor, the later one wins. Factors in ``fixed`` are never changed.
    """
    chosen = dict(settings)
    for need in scenario.companions:
        if need.concerns({**scenario.factors, **chosen}):
            chosen |= {name: value for name, value in need.use.items() if name not in fixed}
    return chosen
