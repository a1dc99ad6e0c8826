"""Every claim has a trigger, or docs/verdicts.md says why not; controls, and enough default trials for its verdict."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from cases import ROOT, trials_of
from reprolab.scenario import loader
from reprolab.scenario.model import Claim, Experiment, Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.counting import Count, exercises
from reprolab.verdict.decide import decide
from reprolab.verdict.document import ClaimVerdict, Verdict
from reprolab.verdict.judge import judge
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


@pytest.mark.parametrize("name", ["enable-threads", "gunicorn-settings"])
def test_the_default_trials_are_enough(name: str) -> None:
    """If every trial of a run is as on record, no verdict is thin.

    The other scenarios count tries: tests/test_default_trials.py has them. Confirmed: p is at most 1/20, or there are
    three trials where there is no control. Refuted: by two trials or more.
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


# -- on recorded observations ---------------------------------------------------------------------


def first_line_missing(o: dict[str, Any]) -> None:
    """The thread of the second request never prints."""
    o["timeline"] = [row for row in o["timeline"] if row[1] != "held line 0"]


def requests_follow_at_once(o: dict[str, Any]) -> None:
    """The second request comes a second after the first."""
    begins = next(row for row in o["timeline"] if row[1] == "request held begins")
    begins[0] = 1.0


def view_not_run(o: dict[str, Any]) -> None:
    """The log has no line of the view that starts the first thread."""
    o["timeline"] = [row for row in o["timeline"] if not row[1].startswith("request once")]


def request_cut_short(o: dict[str, Any]) -> None:
    """The request that sleeps ends a second after it began."""
    moments = {row[1]: row for row in o["timeline"]}
    moments["request held ends"][0] = moments["request held begins"][0] + 1.0


def another_process(o: dict[str, Any]) -> None:
    """Not the process that started the threads is asked for them."""
    o["pids"] = [1, 2]


def one_process(o: dict[str, Any]) -> None:
    """The server has no second process."""
    del o["processes"][1:]


def never_missing(o: dict[str, Any]) -> None:
    """Requests are answered whichever process is stopped."""
    for row in o["processes"]:
        row["needed"] = False


Change = Callable[[dict[str, Any]], Any]
# Scenario -> the ids of claims and one change of an observation after which it does not exercise them.
NOT_EXERCISED: dict[str, list[tuple[str, Change]]] = {
    "gunicorn-settings": [
        ("GS-1 GS-2 GS-3 GS-4 GS-41 GS-42", lambda o: o.update(in_force=False)),
        ("GS-1 GS-2 GS-3 GS-41 GS-42", lambda o: o.update(code=1)),
        ("GS-3", lambda o: o.update(asked=None)),
        ("GS-5 GS-43 GS-44", lambda o: o.update(noticed=False)),
        ("GS-6 GS-46", lambda o: o.update(status=500)),
        ("GS-7", lambda o: o.update(faulty=False)),
        ("GS-7 GS-45", lambda o: o.update(no_directory=False)),
        ("GS-8", lambda o: o.update(imports=False)),
        ("GS-9 GS-45", lambda o: o.update(serves=True)),
        ("GS-10 GS-11 GS-47", lambda o: o.update(status=None)),
        ("GS-12 GS-13 GS-48", lambda o: o.update(replaced=False)),
        ("GS-14 GS-15 GS-16 GS-17 GS-49 GS-50", lambda o: o.update(status=None)),
        ("GS-14 GS-15 GS-16", lambda o: o.update(started_in_syslog=False)),
        ("GS-49 GS-50", lambda o: o.update(syslog=False)),
        ("GS-18 GS-51", lambda o: o.update(limit=4094)),
        ("GS-19", lambda o: o.update(limit=None)),
        ("GS-20 GS-21 GS-22 GS-24 GS-27 GS-52", lambda o: o.update(in_force=False)),
        ("GS-23", lambda o: o.update(master=[1000, 1000])),
        ("GS-25 GS-26 GS-53", lambda o: o.update(busy=False)),
        ("GS-25 GS-26 GS-53", lambda o: o.update(waiting=1, accepted=1, knocking=0, refused=0)),
        ("GS-28 GS-29 GS-31 GS-55", lambda o: o.update(overlap=False)),
        ("GS-30 GS-54", lambda o: o.update(others_took_s=1.0)),
        ("GS-32 GS-33", lambda o: o.update(answered=19)),
        ("GS-34 GS-35 GS-40 GS-56 GS-67", lambda o: o.update(lasts_s=2.0)),
        ("GS-36 GS-37 GS-38 GS-39 GS-57 GS-58 GS-59", lambda o: o.update(heard=False)),
        ("GS-36 GS-37 GS-38 GS-39 GS-57 GS-58 GS-59", lambda o: o.update(after_s=-0.1)),
        ("GS-60", lambda o: o.update(in_file=False, unknown_option=False)),
        ("GS-61", lambda o: o.update(workers=None)),
        ("GS-62 GS-76", lambda o: o.update(failed=1)),
        ("GS-62 GS-76", lambda o: o["rates"].update({"2": 0.0})),
        ("GS-63 GS-73 GS-74", lambda o: o.update(status=500)),
        ("GS-63 GS-73 GS-74", lambda o: o["rounds"][1].update(written=False)),
        ("GS-64", lambda o: o.update(status=None)),
        ("GS-65 GS-72", lambda o: o.update(status=None)),
        ("GS-66", lambda o: o.update(kept_mib=o["limit_mib"])),
        ("GS-68 GS-75", lambda o: o.update(after_s=-0.1)),
        ("GS-68 GS-75", lambda o: o.update(master=False)),
        ("GS-69", lambda o: o.update(proxied=None)),
        ("GS-70", lambda o: o.update(begun=1)),
        ("GS-71", lambda o: o.update(started_in_syslog=False)),
    ],
    "enable-threads": [
        ("ET-1 ET-8", view_not_run),
        ("ET-2", request_cut_short),
        ("ET-3 ET-4 ET-5 ET-6 ET-7 ET-17 ET-18 ET-19 ET-20", requests_follow_at_once),
        ("ET-3 ET-4 ET-5 ET-6 ET-7 ET-17 ET-18 ET-19 ET-20", first_line_missing),
        ("ET-4 ET-17", another_process),
        ("ET-9 ET-13 ET-22", one_process),
        ("ET-10 ET-15 ET-16", lambda o: o.update(under_way=1)),
        ("ET-21", never_missing),
        ("ET-29", lambda o: o.update(first_threads=None)),
        ("ET-29", lambda o: o.update(second_threads=None)),
        ("ET-11 ET-12 ET-14", lambda o: o["B"].update(sent=o["A"]["ended"] + 0.1)),
        ("ET-25 ET-26 ET-27 ET-28", lambda o: o["B"].update(asked=o["A"]["ended"] + 0.1)),
        ("ET-25 ET-26", lambda o: o["A"].update(others=[])),
    ],
}
CHANGES = [
    pytest.param(name, identifier, change, id=f"{identifier}-{number}")
    for name, changes in NOT_EXERCISED.items()
    for number, (identifiers, change) in enumerate(changes, 1)
    for identifier in identifiers.split()
]


@cache
def recorded_trials(name: str) -> tuple[TrialRecord, ...]:
    """The trials of the recorded run that the tests have."""
    rows = [json.loads(line) for line in trials_of(name).decode().splitlines()]
    return tuple(TrialRecord(**({"trial": 1, "factors": {}} | row)) for row in rows)


@cache
def loaded(name: str) -> Scenario:
    """A scenario of this checkout."""
    return loader.load(ROOT, name)


@pytest.mark.parametrize(("name", "identifier", "change"), CHANGES)
def test_a_trial_that_did_not_exercise_a_claim_does_not_count(name: str, identifier: str, change: Change) -> None:
    """The one fact is changed in every trial of the claim, but not in variants whose purpose is its absence."""
    experiment, claim = next(pair for pair in claims_of(loaded(name)) if pair[1].id == identifier)
    affected = claim.expectations.keys() - set(claim.untriggered)
    trials = [
        changed(trial, change) if trial.experiment == experiment.name and trial.variant in affected else trial
        for trial in recorded_trials(name)
    ]
    verdict = judge(loaded(name), "recorded", trials).claim(identifier)
    assert verdict is not None and verdict.verdict == Verdict.INCONCLUSIVE
    for variant in affected:
        assert f"{variant} was not exercised" in verdict.why


def changed(trial: TrialRecord, change: Change) -> TrialRecord:
    """A trial with a changed observation."""
    observation = copy.deepcopy(dict(trial.observation))
    if trial.valid:
        change(observation)
    return replace(trial, observation=observation)


@pytest.mark.parametrize("name", NOT_EXERCISED)
def test_each_trigger_is_shown_to_be_able_to_fail(name: str) -> None:
    """Each claim with a trigger is in the list above."""
    tested = {identifier for identifiers, _ in NOT_EXERCISED[name] for identifier in identifiers.split()}
    assert tested == {claim.id for claim in loaded(name).claims if claim.trigger}


@pytest.mark.parametrize("name", SCENARIOS)
def test_recorded_trials_exercise_their_claims(name: str) -> None:
    """Every valid trial of the recorded run counts for every claim that needs its variant."""
    for experiment, claim in claims_of(loaded(name)):
        for trial in recorded_trials(name):
            if trial.valid and trial.experiment == experiment.name and trial.variant in claim.expectations:
                assert exercises(claim, trial.variant, trial.observation), (claim.id, trial.variant)
