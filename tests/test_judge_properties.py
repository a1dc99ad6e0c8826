"""The judge under generated trials: what must hold for every claim and for any trials (docs/judge.md)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from typing import Any

import bench_judge
import pytest
from cases import ROOT, in_memory
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reprolab.core.stats import fisher
from reprolab.scenario.model import Claim
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.document import ClaimVerdict, Verdict
from reprolab.verdict.judge import judge

CASES, CONTROLS, OTHER = ("documented", "also"), ("old", "older"), "custom"
CONFIRMED, REFUTED, INTERMITTENT, INCONCLUSIVE = (
    Verdict.CONFIRMED,
    Verdict.REFUTED,
    Verdict.INTERMITTENT,
    Verdict.INCONCLUSIVE,
)
TRIES = 4
# The same examples in every run; nothing is written into the checkout.
fixed = settings(derandomize=True, database=None, deadline=None, max_examples=300)


def sign(observation: Any) -> bool:
    """Returns None, which is an error, if the observation cannot decide."""
    return observation["shown"]  # type: ignore[no-any-return]


def trigger(observation: Any) -> bool:
    """Returns None, which is an error, if the observation cannot decide."""
    return observation["happened"]  # type: ignore[no-any-return]


def tried(observation: Any) -> tuple[int, int]:
    """The tries of a trial."""
    return observation["tries"], TRIES


@st.composite
def claims(draw: st.DrawFn) -> Claim:
    """A claim of any kind: with cases, controls or both, with or without trigger, tries and `sometimes`."""
    shows = draw(st.lists(st.sampled_from(CASES), unique=True))
    absent = draw(st.lists(st.sampled_from(CONTROLS), unique=True, min_size=0 if shows else 1))
    has_trigger = draw(st.booleans())
    quiet = draw(st.lists(st.sampled_from([*shows, *absent]), unique=True)) if has_trigger else []
    return Claim(
        "P-1",
        "a claim",
        sign,
        shows=tuple(shows),
        absent=tuple(absent),
        sometimes=draw(st.booleans()),
        rate=tried if draw(st.booleans()) else None,
        trigger=trigger if has_trigger else None,
        untriggered=tuple(quiet),
        needs_idle=draw(st.booleans()),
    )


def trial(variant: str, shown: bool | None = True, happened: bool | None = True, **changes: Any) -> TrialRecord:
    """A trial. The number of its tries agrees with the sign."""
    observation = {"shown": shown, "happened": happened, "tries": 3 if shown else 0}
    return TrialRecord("lamp", variant, 1, {}, observation, **changes)


# Mostly readable trials, so that decided verdicts are frequent.
readable = st.sampled_from((True, True, True, False, False, False, None))
trials = st.lists(
    st.builds(
        trial,
        st.sampled_from((*CASES, *CONTROLS, OTHER)),
        readable,
        st.sampled_from((True, True, True, False, None)),
        invalid=st.sampled_from(("", "", "", "did not start")),
        busy=st.sampled_from(("", "", "other work")),
    ),
    max_size=12,
)


@st.composite
def decided(draw: st.DrawFn) -> tuple[Claim, list[TrialRecord]]:
    """A claim and trials that all count for it; most of them are as expected."""
    claim = draw(claims())
    expected_share = draw(st.sampled_from((0, 5, 10)))
    rows = []
    for variant, expected in claim.expectations.items():
        for _ in range(draw(st.integers(1, 4))):
            as_expected = draw(st.integers(1, 10)) <= expected_share
            rows.append(trial(variant, expected == as_expected, variant not in claim.untriggered))
    return claim, rows


anything = st.one_of(decided(), st.tuples(claims(), trials))


def verdict_on(claim: Claim, rows: list[TrialRecord]) -> ClaimVerdict:
    """What the judge says."""
    (verdict,) = judge(in_memory(claim), "run", rows).claims
    return verdict


def outcome(claim: Claim, rows: list[TrialRecord]) -> tuple[Verdict, float | None, str]:
    """The parts of a verdict that other trials must not change."""
    verdict = verdict_on(claim, rows)
    return verdict.verdict, verdict.p, verdict.thin


def counts_for(claim: Claim, row: TrialRecord) -> bool | None:
    """Whether a trial counts for a claim, as docs/verdicts.md says it; None if its sign or trigger raises."""
    if row.invalid or row.variant not in claim.expectations:
        return False
    happened = row.observation["happened"]
    if claim.trigger:
        if happened is None:
            return None
        if happened == (row.variant in claim.untriggered):
            return False
    if claim.needs_idle and row.busy:
        return False
    return None if row.observation["shown"] is None else True


def table(claim: Claim, rows: list[TrialRecord]) -> Verdict:
    """The verdict by the table of docs/verdicts.md, read variant by variant."""
    if not set(claim.expectations) <= {row.variant for row in rows}:
        return INCONCLUSIVE
    words = set()
    for variant, expected in claim.expectations.items():
        of_variant = [row for row in rows if row.variant == variant]
        shown = [row.observation["shown"] for row in of_variant if counts_for(claim, row)]
        unreadable = any(counts_for(claim, row) is None for row in of_variant)
        if unreadable or not shown:
            words.add(INCONCLUSIVE)
        if expected and claim.sometimes:
            # A trial that cannot be read may be the one that showed it.
            words |= {REFUTED} if shown and not any(shown) and not unreadable else set()
        elif shown and all(one != expected for one in shown):
            words.add(REFUTED)
        elif any(one != expected for one in shown):
            words.add(INTERMITTENT)
    return next((word for word in (REFUTED, INTERMITTENT, INCONCLUSIVE) if word in words), CONFIRMED)


@fixed
@given(anything)
def test_the_verdict_is_the_one_of_the_table(given_: tuple[Claim, list[TrialRecord]]) -> None:
    """Refuted beats intermittent, intermittent beats inconclusive, inconclusive beats confirmed."""
    claim, rows = given_
    assert verdict_on(claim, rows).verdict is table(claim, rows)


@fixed
@given(anything, st.randoms(use_true_random=False))
def test_the_order_of_trials_does_not_matter(given_: tuple[Claim, list[TrialRecord]], chance: Any) -> None:
    """Verdict, p and counts are the same in any order."""
    claim, rows = given_
    mixed = list(rows)
    chance.shuffle(mixed)
    assert outcome(claim, mixed) == outcome(claim, rows)


@fixed
@given(anything, trials)
def test_a_trial_that_does_not_count_changes_nothing(
    given_: tuple[Claim, list[TrialRecord]], more: list[TrialRecord]
) -> None:
    """Invalid trials, those without the trigger, busy ones for a sign that needs an idle machine, other variants."""
    claim, rows = given_
    ran = {row.variant for row in rows}
    idle = [row for row in more if counts_for(claim, row) is False and row.variant in ran | {OTHER}]
    assume(idle)
    assert outcome(claim, [*rows, *idle]) == outcome(claim, rows)


@fixed
@given(anything, st.data())
def test_a_contradicting_trial_never_helps_a_claim(
    given_: tuple[Claim, list[TrialRecord]], data: st.DataObject
) -> None:
    """Refuted stays refuted or becomes intermittent. Nothing becomes confirmed by it, and no p becomes smaller."""
    claim, rows = given_
    variant = data.draw(st.sampled_from(list(claim.expectations)))
    against = trial(variant, not claim.expectations[variant], variant not in claim.untriggered)
    before, after = verdict_on(claim, rows), verdict_on(claim, [*rows, against])
    if before.verdict is REFUTED:
        assert after.verdict in (REFUTED, INTERMITTENT)
    asked = set(claim.expectations) <= {variant, *(row.variant for row in rows)}
    if asked and not (claim.sometimes and claim.expectations[variant]):
        assert after.verdict in (REFUTED, INTERMITTENT)
    if before.p is not None and after.p is not None and not claim.rate:
        assert after.p >= before.p


@fixed
@given(anything)
def test_confirmed_means_as_expected_in_every_variant(given_: tuple[Claim, list[TrialRecord]]) -> None:
    """Every needed variant has a trial that counts, and no trial that counts is against the claim."""
    claim, rows = given_
    assume(verdict_on(claim, rows).verdict is CONFIRMED)
    for variant, expected in claim.expectations.items():
        shown = [row.observation["shown"] for row in rows if row.variant == variant and counts_for(claim, row)]
        assert shown
        assert any(shown) if expected and claim.sometimes else all(one is expected for one in shown)


@fixed
@given(anything, st.data())
def test_a_function_that_raises_never_gives_confirmed(
    given_: tuple[Claim, list[TrialRecord]], data: st.DataObject
) -> None:
    """Whatever the other trials say; it gives refuted or intermittent only where they are against the claim."""
    claim, rows = given_
    variant = data.draw(st.sampled_from(list(claim.expectations)))
    broken = trial(variant, None, variant not in claim.untriggered)
    if claim.trigger and data.draw(st.booleans()):
        broken = trial(variant, True, None)
    assert verdict_on(claim, [*rows, broken]).verdict is not CONFIRMED
    assert verdict_on(claim, [broken]).verdict is INCONCLUSIVE


# -- p -------------------------------------------------------------------------------------------


def by_enumeration(cases: tuple[int, int], controls: tuple[int, int]) -> Fraction:
    """The same probability, by a count of all ways to choose which trials are the cases."""
    (k, n), (other, others) = cases, controls
    results = [True] * (k + other) + [False] * (n + others - k - other)
    ways = list(combinations(results, n))
    return Fraction(sum(sum(way) >= k for way in ways), len(ways))


def tables_up_to(size: int) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Every pair of (k, n) with at most so many trials on each side."""
    sides = [(k, n) for n in range(1, size + 1) for k in range(n + 1)]
    return ((cases, controls) for cases in sides for controls in sides)


def test_p_is_that_of_an_enumeration() -> None:
    """For every table with up to four trials on each side."""
    for cases, controls in tables_up_to(4):
        assert fisher(cases, controls) == by_enumeration(cases, controls), (cases, controls)


@pytest.mark.parametrize(("trials_each", "p"), [(3, Fraction(1, 20)), (1, Fraction(1, 2)), (5, Fraction(1, 252))])
def test_p_in_known_cases(trials_each: int, p: Fraction) -> None:
    """Three against three gives exactly 1/20, and is not thin; one against one gives 1/2."""
    assert fisher((trials_each, trials_each), (0, trials_each)) == p
    claim = Claim("P-1", "a claim", sign, shows=("documented",), absent=("old",))
    rows = [trial(variant, variant == "documented") for variant in ("documented", "old") for _ in range(trials_each)]
    verdict = verdict_on(claim, rows)
    assert verdict.verdict is CONFIRMED and bool(verdict.thin) == (p > Fraction(1, 20))
    assert verdict.p == pytest.approx(float(p), rel=1e-3)


@fixed
@given(decided())
def test_p_pools_the_trials_or_the_tries(given_: tuple[Claim, list[TrialRecord]]) -> None:
    """It is that of all trials of the cases against all of the controls; None for one side only."""
    claim, rows = given_
    sides = [
        [
            tried(row.observation) if claim.rate else (int(row.observation["shown"]), 1)
            for row in rows
            if row.variant in side
        ]
        for side in (claim.shows, claim.absent)
    ]
    p = verdict_on(claim, rows).p
    if not all(sides):
        assert p is None
    else:
        cases, controls = ((sum(k for k, _ in side), sum(n for _, n in side)) for side in sides)
        assert p == pytest.approx(float(fisher(cases, controls)), rel=1e-3)


# -- the promise ---------------------------------------------------------------------------------


@pytest.mark.parametrize("sometimes", [False, True])
@pytest.mark.parametrize("rounds", [1, 2, 3, 4, 5, 7, 10, 20])
def test_without_a_difference_hardly_a_run_is_confirmed(rounds: int, sometimes: bool) -> None:
    """At every rate at most 5 % of the runs end confirmed and not thin. The share is exact."""
    for rate in bench_judge.RATES:
        assert bench_judge.false_confirmed(rounds, rate, sometimes=sometimes) <= bench_judge.PROMISE


def test_the_exact_share_is_the_simulated_one() -> None:
    """Both ways to find the share agree."""
    world = replace(bench_judge.WORLDS[0], name="half against half", case=0.5, control=0.5, sometimes=True, rounds=4)
    simulated = bench_judge.shares(world, 1500).get("confirmed", 0)
    assert simulated == pytest.approx(bench_judge.false_confirmed(4, 0.5, sometimes=True), abs=0.01)


BROKEN = ("one variant after the other", "one after the other")


@pytest.mark.parametrize("world", bench_judge.WORLDS, ids=lambda world: world.name)
def test_the_promise_in_simulated_runs(world: bench_judge.World) -> None:
    """It holds where the page says so: in random rounds.

    The page's row is what comes out.
    """
    share = bench_judge.shares(world)
    if not world.differs and not any(words in world.name for words in BROKEN):
        assert share.get("confirmed", 0) <= bench_judge.PROMISE
    page = (ROOT / "docs" / "judge.md").read_text(encoding="utf-8")
    assert bench_judge.row(world, share) in page, "write the tables anew: make bench ARGS=--judge"


def test_the_page_has_the_exact_shares() -> None:
    """The second table of docs/judge.md is what the command prints."""
    page = (ROOT / "docs" / "judge.md").read_text(encoding="utf-8")
    assert "\n".join(bench_judge.worst_rates()) in page, "write the tables anew: make bench ARGS=--judge"


def test_drift_is_harmless_only_in_rounds() -> None:
    """A machine that changes during a run is taken for the variant if the variants run one after the other."""
    drifting = [world for world in bench_judge.WORLDS if world.drift and not world.sometimes]
    for world in drifting:
        confirmed = bench_judge.shares(world, 300).get("confirmed", 0)
        assert confirmed > 0.1 if world.one_after_the_other else confirmed <= bench_judge.PROMISE
