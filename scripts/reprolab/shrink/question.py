"""What a shrink asks: a claim, the stack that it starts from, and how many trials must show the sign."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from reprolab.core import command_text
from reprolab.core.config_file import read_yaml
from reprolab.measure.asked import choose_claim
from reprolab.measure.cell import Cell
from reprolab.measure.companions import complete
from reprolab.scenario.model import APP_ROLE, DOCUMENTED, Claim, Experiment, Scenario


@dataclass(frozen=True)
class Control:
    """A variant in which the claim's sign must be absent, made from another stack: that stack with what it changes.

    ``undoes`` are the settings that it changes though the shrink changed them too. Three idle connections are a control
    beside four threads, and none beside a single one. So only a control that undoes nothing can speak against a stack.
    """

    variant: str
    settings: Mapping[str, str]
    undoes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Question:
    """The sign of ``claim`` shall show in each of ``trials`` trials of the least stack.

    The starting stack is ``variant`` with the settings that the user has ``fixed``; these stay as they are.
    ``companions`` are factors that the fixed ones need. ``roles`` are those of all services in the scenario's file.
    """

    scenario: Scenario
    experiment: Experiment
    claim: Claim
    variant: str
    trials: int
    fixed: Mapping[str, str] = field(default_factory=dict)
    companions: Mapping[str, str] = field(default_factory=dict)
    roles: tuple[str, ...] = (APP_ROLE,)

    @property
    def settings(self) -> dict[str, str]:
        """The settings of the starting stack that are no documented ones, or that the user has fixed."""
        return {**self.experiment.variants[self.variant], **self.companions, **self.fixed}

    @property
    def stays(self) -> tuple[str, ...]:
        """The settings that are never changed."""
        return tuple({**self.companions, **self.fixed})

    def cell(self, settings: Mapping[str, str]) -> Cell:
        """The starting stack with other settings."""
        return Cell.of(self.scenario, self.experiment.name, {**self.settings, **settings})

    def services(self, settings: Mapping[str, str]) -> tuple[str, ...]:
        """The roles of the services that the starting stack has with these settings."""
        factors = {**self.settings, **settings}
        return tuple(role for role in self.roles if self.scenario.needs(role, factors, self.experiment.name))

    def controls(self, state: Mapping[str, str]) -> list[Control]:
        """The claim's controls made from another stack, ``state``: first those that undo none of its settings.

        A variant is left out if its changes are fixed otherwise, if they make no difference, or if the trigger must not
        happen in it.
        """
        return sorted(self._controls(state), key=lambda control: bool(control.undoes))

    def _controls(self, state: Mapping[str, str]) -> Iterator[Control]:
        documented = self.scenario.factors
        usual = {**documented, **self.experiment.variants[self.variant]}
        for name in self.claim.absent:
            full = {**documented, **self.experiment.variants[name]}
            changes = {factor: value for factor, value in full.items() if value != usual[factor]}
            changed = {**state, **changes}
            if name in self.claim.untriggered or changes.keys() & {*self.stays}:
                continue
            if self.cell(changed) != self.cell(state):
                yield Control(name, changed, tuple(factor for factor in changes if factor in state))


def ask(
    scenario: Scenario,
    experiment: str = "",
    claim: str = "",
    fixed: Mapping[str, str] | None = None,
    trials: int | None = None,
) -> Question:
    """The question of a user. Raises UsageError for an unknown experiment, claim or factor."""
    settings = dict(fixed or {})
    owner, chosen = choose_claim(scenario, experiment, claim, shown=True)
    scenario.check_factors(settings, command_text.factors(), load=not owner.parallel, kernel=True)
    variant = DOCUMENTED if DOCUMENTED in chosen.shows else chosen.shows[0]
    services = read_yaml(scenario.compose_file, str(scenario.compose_file))["services"]
    roles = tuple(str(name).removeprefix(f"{scenario.name}-") for name in services)
    start = {**owner.variants[variant], **settings}
    companions = {name: value for name, value in complete(scenario, start, start).items() if name not in start}
    return Question(scenario, owner, chosen, variant, trials or owner.trials, settings, companions, roles)
