"""The claim and the factors that a question can be about, for users who name none or another one."""

from __future__ import annotations

from collections.abc import Iterable

from reprolab.core import command_text
from reprolab.core.config_file import hint
from reprolab.core.errors import UsageError
from reprolab.scenario.kernel_setting import KERNEL
from reprolab.scenario.model import Claim, Experiment, Scenario


def known_claim(name: str, claims: Iterable[str], owner: str) -> str:
    """The id of a claim. Raises UsageError if there is none with it."""
    known = list(claims)
    if name not in known:
        raise UsageError(
            f"{command_text.option('claim', name)}: {owner} has no such claim{hint(name, known)}",
            expected="one of " + ", ".join(known),
        )
    return name


def choose_claim(scenario: Scenario, experiment: str, wanted: str, *, shown: bool = False) -> tuple[Experiment, Claim]:
    """The claim with the id ``wanted``, with its experiment; without an id the main claim.

    If the main claim is none of the named experiment, it is the experiment's first claim that expects its sign in a
    variant. With ``shown`` the claim must be such a one. Raises UsageError if there is no such claim.
    """
    rows = [scenario.experiment(experiment)] if experiment else list(scenario.experiments.values())
    claims = {claim.id: (row, claim) for row in rows for claim in row.claims}
    owner, showing = experiment or scenario.name, [name for name, (_, claim) in claims.items() if claim.shows]
    main = scenario.main_claim
    if wanted:
        chosen = known_claim(wanted, claims, owner)
    elif main and main.id in claims:
        chosen = main.id
    elif experiment and showing:
        chosen = showing[0]
    else:
        raise UsageError(
            f"{owner} has no main claim, and none is named",
            expected=f"{command_text.option('claim', 'ID')}, one of " + ", ".join(showing if shown else claims),
        )
    if shown and chosen not in showing:
        raise UsageError(
            f"{chosen} expects its sign in no variant, so there is no stack to start from",
            expected="a claim whose sign shows: " + (", ".join(showing) or "(none)"),
        )
    return claims[chosen]


def ranged_factors(scenario: Scenario) -> list[str]:
    """The factors that have a range: first those that are releases of a package."""
    return sorted(scenario.ranges, key=lambda name: not scenario.ranges[name].package)


def example_values(scenario: Scenario, factor: str = "") -> str:
    """A factor with values, as a user may write them; without a factor one that has a range, if there is one."""
    if factor == KERNEL:
        return f"{KERNEL}=5.10,6.1"
    name = factor or next(iter([*ranged_factors(scenario), *scenario.factors]))
    documented, values = scenario.factors[name], scenario.values.get(name, ())
    if name in scenario.ranges:
        return f"{name}={documented}.."
    return f"{name}={','.join(values) or ','.join(dict.fromkeys([documented, '2']))}"
