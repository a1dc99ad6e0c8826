"""Every claim has a trigger, or docs/verdicts.md says why not; controls, and enough default trials for its verdict."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from cases import ROOT
from reprolab.scenario import loader
from reprolab.scenario.model import Claim, Experiment, Scenario
from reprolab.verdict.counting import Count
from reprolab.verdict.decide import decide
from reprolab.verdict.document import ClaimVerdict, Verdict
from reprolab.verdict.record import recorded_verdict

PAGE = "docs/verdicts.md"
HEADING = "## Claims without a trigger"
SCENARIOS = loader.names(ROOT)


def without_trigger() -> set[str]:
    """The ids of claims in the section of the page."""
    section = (ROOT / PAGE).read_text(encoding="utf-8").partition(f"\n{HEADING}\n")[2].partition("\n## ")[0]
    return set(re.findall(r"\b[A-Z]+-\d+\b", section))


def claims_of(scenario: Scenario) -> Iterator[tuple[Experiment, Claim]]:
    """Each claim with its experiment."""
    for experiment in scenario.experiments.values():
        for claim in experiment.claims:
            yield experiment, claim


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_claim_has_a_trigger_or_the_page_says_why_not(name: str) -> None:
    """The section of docs/verdicts.md names exactly the claims without a trigger, each by its id."""
    claims = loader.load(ROOT, name).claims
    missing = {claim.id for claim in claims if claim.trigger is None}
    named = without_trigger() & {claim.id for claim in claims}
    assert missing == named, f"scenarios/{name}: give a trigger, or name the claim under “{HEADING}” in {PAGE}"


def test_the_page_names_claims_that_exist() -> None:
    """No id of a claim that is gone."""
    assert without_trigger() <= {claim.id for name in SCENARIOS for claim in loader.load(ROOT, name).claims}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_trigger_is_another_function_than_the_sign(name: str) -> None:
    """A trigger that is the sign would leave out every trial that speaks against the claim."""
    for claim in loader.load(ROOT, name).claims:
        assert claim.trigger is not claim.sign, claim.id
        assert claim.trigger is None or claim.trigger.__doc__, f"{claim.id}: say in words what must have happened"


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_claim_has_a_control_or_says_why_not(name: str) -> None:
    """A claim with variants on one side only has no p."""
    for claim in loader.load(ROOT, name).claims:
        assert bool(claim.shows and claim.absent) != bool(claim.no_control), (
            f"scenarios/{name}: {claim.id} needs variants on both sides, or else no_control= with the reason"
        )


def as_recorded(scenario: Scenario, experiment: Experiment, claim: Claim, record: ClaimVerdict) -> dict[str, Count]:
    """Counts with the default trials, each as on record; a variant that is not on record is as expected."""
    counts = {}
    for variant, expected in claim.expectations.items():
        row = record.variants.get(scenario.variant_key(experiment.name, variant))
        trials = scenario.trials_of(experiment, variant)
        shown = row.count.shown == row.count.trials if row and row.count.trials else expected
        counts[variant] = Count(trials if shown else 0, trials)
    return counts


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_default_trials_are_enough(name: str) -> None:
    """If every trial of a run is as on record, no verdict is thin.

    Confirmed: p is at most 1/20, or there are three trials where there is no control. Refuted: by two trials or more.
    """
    scenario = loader.load(ROOT, name)
    recorded = recorded_verdict(scenario)
    for experiment, claim in claims_of(scenario):
        record = recorded and recorded.claim(claim.id)
        if record and record.verdict in (Verdict.CONFIRMED, Verdict.REFUTED):
            decision = decide(claim, as_recorded(scenario, experiment, claim, record))
            assert (decision.verdict, decision.thin) == (record.verdict, ""), (
                f"scenarios/{name}/{experiment.name}.py: {claim.id}: {decision.thin or decision.why}; "
                f"TRIALS is {experiment.trials}: raise it, or give the claim another control"
            )
