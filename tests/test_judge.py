"""Verdicts from trials: each rule, the content of verdict.json, drift and exit statuses."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from cases import ROOT, claim, in_memory, recorded_run, trial, trials
from reprolab.core.errors import Exit
from reprolab.core.stats import fisher
from reprolab.evidence.run_dir import RunDirectory
from reprolab.run.watch import Watched
from reprolab.scenario import loader
from reprolab.scenario.model import Claim, Experiment, Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.counting import Count, count
from reprolab.verdict.decide import Decision, decide
from reprolab.verdict.document import ClaimVariant, Rate, SignCount, Verdict, VerdictDocument
from reprolab.verdict.judge import exit_status, exit_words, judge

PAIR = claim(shows=["documented"], absent=["old"])
CONFIRMED, REFUTED = Verdict.CONFIRMED, Verdict.REFUTED
INTERMITTENT, INCONCLUSIVE = Verdict.INTERMITTENT, Verdict.INCONCLUSIVE


def verdict_on(tested: Claim, **shown: str) -> tuple[Verdict, str]:
    """The verdict on a claim, and its reason."""
    (row,) = judge(in_memory(tested), "run", trials(**shown)).claims
    return row.verdict, row.why


def test_a_reason_names_the_claims_that_limit_it() -> None:
    """``but`` must be a list of claims."""
    limited = claim(shows=["documented"], but=["B-2"])
    assert verdict_on(limited, documented="+") == (Verdict.CONFIRMED, "documented 1/1 · but see B-2")
    with pytest.raises(TypeError, match="but is 'B-2', not a list of claims"):
        claim(shows=["documented"], but="B-2")


# -- the rules ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "verdict"),
    [
        ({"documented": "+++", "old": "---"}, CONFIRMED),
        ({"documented": "+", "old": "-"}, CONFIRMED),
        # `shows` means every trial, `absent` means none. The sign in no trial, or in all, refutes the claim ...
        ({"documented": "---", "old": "---"}, REFUTED),
        ({"documented": "+++", "old": "+++"}, REFUTED),
        ({"documented": "---", "old": "+++"}, REFUTED),
        # ... but a sign that comes and goes does not.
        ({"documented": "++-", "old": "---"}, INTERMITTENT),
        ({"documented": "+++", "old": "--+"}, INTERMITTENT),
        ({"documented": "++-", "old": "--+"}, INTERMITTENT),
        ({"documented": "++-", "old": "xxx"}, INTERMITTENT),
        ({"documented": "++-", "old": "+++"}, REFUTED),
        # A claim without one of its variants is not asked, whatever the others say.
        ({"documented": "++-"}, INCONCLUSIVE),
        ({"documented": "---"}, INCONCLUSIVE),
        # A variant without a trial, or whose sign raised, decides nothing ...
        ({"documented": "+++"}, INCONCLUSIVE),
        ({"old": "---"}, INCONCLUSIVE),
        ({}, INCONCLUSIVE),
        ({"documented": "xxx", "old": "---"}, INCONCLUSIVE),
        ({"documented": "+++", "old": "xxx"}, INCONCLUSIVE),
        ({"documented": "++!", "old": "---"}, INCONCLUSIVE),
        ({"documented": "+++", "old": "!!!"}, INCONCLUSIVE),
        # ... but one contradiction refutes, also if other variants have no trial that counts.
        ({"documented": "-xx", "old": "xxx"}, REFUTED),
        ({"documented": "xxx", "old": "+++"}, REFUTED),
        ({"documented": "!!-", "old": "!!!"}, REFUTED),
        # An invalid trial counts neither for nor against the claim.
        ({"documented": "+xx", "old": "x--"}, CONFIRMED),
    ],
)
def test_every_rule(shown: dict[str, str], verdict: Verdict) -> None:
    """Refuted beats intermittent, intermittent beats inconclusive, inconclusive beats confirmed."""
    assert verdict_on(PAIR, **shown)[0] is verdict


@pytest.mark.parametrize(
    ("shown", "verdict"),
    [("+--", CONFIRMED), ("+++", CONFIRMED), ("---", REFUTED), ("xx+", CONFIRMED), ("xxx", INCONCLUSIVE)],
)
def test_sometimes_means_in_at_least_one_trial(shown: str, verdict: Verdict) -> None:
    """A race must show once; in the controls it must not show even once."""
    race = claim(shows=["documented"], absent=["old"], sometimes=True)
    assert verdict_on(race, documented=shown, old="---")[0] is verdict
    assert verdict_on(race, documented="+++", old="--+")[0] is INTERMITTENT
    assert verdict_on(race, documented="+++", old="+++")[0] is REFUTED


def test_an_invalid_trial_is_never_read_as_the_sign() -> None:
    """It does not count, also if its observation has the sign."""
    rows = [trial(invalid="app did not start"), trial("old", shown=False)]
    (row,) = judge(in_memory(PAIR), "run", rows).claims
    assert row.verdict is INCONCLUSIVE
    assert row.variants["documented"] == ClaimVariant(True, SignCount(0, 0), (0.0, 1.0))


@pytest.mark.parametrize("answer", [1, 0, "yes", None, [], 0.0])
def test_a_sign_that_returns_no_bool_is_an_error(answer: Any) -> None:
    """A truthy value is not True: it is an error, and counts neither for nor against the claim."""
    total = count(claim(), [trial(shown=answer)])
    assert (total.shown, total.trials) == (0, 0)
    assert total.errors == (f"trial 1: TypeError: the sign returned {answer!r}, not a bool",)


def test_a_sign_that_raises_is_in_the_reason() -> None:
    """The reason names the variant, the trial and the error."""
    rows = [trial(observation={}, number=2), trial("old", shown=False)]
    decision = decide(
        PAIR, {name: count(PAIR, [row for row in rows if row.variant == name]) for name in ("documented", "old")}
    )
    assert decision.verdict is INCONCLUSIVE
    assert decision.why == "documented: the sign could not be read (trial 2: KeyError: 'blinked')"


def test_reasons_name_every_contradiction_and_every_gap() -> None:
    """All of them are in the reason, not only the first."""
    wide = claim(shows=["documented", "new"], absent=["old", "older"])
    reason = verdict_on(wide, documented="--", new="+", old="++", older="-")[1]
    assert reason == "documented showed it in 0/2, expected in every trial; old showed it in 2/2, expected in none"
    reason = verdict_on(wide, documented="+--", new="+", old="+-", older="-")[1]
    assert reason == (
        "documented showed it in 1/3 (6–79 %), expected in every trial; "
        "old showed it in 1/2 (9–91 %), expected in none; "
        "cases and controls may differ by chance: 2 of 4 against 1 of 3, p = 0.63"
    )
    assert verdict_on(wide, documented="+", old="-")[1] == "new was not run; older was not run"
    assert verdict_on(claim(sometimes=True), documented="--")[1].endswith("0/2, expected in some trial")


def test_the_reason_of_an_agreement_has_the_counts() -> None:
    """Controls with the same number of trials are counted together; others are listed one by one."""
    wide = claim(shows=["documented"], absent=["old", "older"])
    assert verdict_on(wide, documented="+++", old="--", older="--")[1] == "documented 3/3 · 2 controls 0/2 each"
    assert verdict_on(wide, documented="+", old="--", older="-")[1] == "documented 1/1 · old 0/2 · older 0/1"


# -- trials that do not count -----------------------------------------------------------------------


def triggered(observation: Any) -> bool:
    """Whether the lamp had power."""
    return observation["power"]


def lit(variant: str, blinked: Any, power: Any = True, number: int = 1, busy: str = "") -> TrialRecord:
    """A trial of a lamp with or without power."""
    return TrialRecord("lamp", variant, number, {}, {"blinked": blinked, "power": power}, busy=busy)


def test_a_control_whose_trigger_never_happened_decides_nothing() -> None:
    """A lamp without power does not blink: that says nothing of the claim."""
    tested = claim(shows=["documented"], absent=["old"], trigger=triggered)
    (row,) = judge(in_memory(tested), "run", [lit("documented", True), lit("old", False, False)]).claims
    assert row.verdict is INCONCLUSIVE
    assert row.why == "old was not exercised: what the claim is about did not happen in 1 valid trial"
    assert row.variants["old"].count == SignCount(0, 0, not_exercised=1)
    assert row.variants["old"].count.text == "0/0 (1 not exercised)"


def test_a_trial_without_the_trigger_counts_neither_way() -> None:
    """A sign without the trigger does not refute, and an absent sign without it does not confirm."""
    tested = claim(shows=["documented"], absent=["old"], trigger=triggered)
    rows = [lit("documented", True), lit("documented", False, False, 2), lit("old", False), lit("old", True, False, 2)]
    (row,) = judge(in_memory(tested), "run", rows).claims
    assert (row.verdict, row.why) == (CONFIRMED, "documented 1/1 · old 0/1")


def test_a_variant_without_the_trigger_must_not_have_it() -> None:
    """In an untriggered variant a trial counts only if the trigger did not happen."""
    tested = claim(shows=["documented"], absent=["off"], trigger=triggered, untriggered=["off"])
    rows = [lit("documented", True), lit("off", False, False)]
    assert judge(in_memory(tested), "run", rows).claims[0].verdict is CONFIRMED
    rows = [lit("documented", True), lit("off", False, True)]
    assert judge(in_memory(tested), "run", rows).claims[0].verdict is INCONCLUSIVE


def test_a_trigger_that_raises_or_returns_no_bool_is_an_error() -> None:
    """It decides nothing, and the reason names it."""
    tested = claim(shows=["documented"], trigger=triggered)
    total = count(tested, [lit("documented", True, 1), trial(number=2)])
    assert total.errors == ("trial 1: TypeError: the trigger returned 1, not a bool", "trial 2: KeyError: 'power'")


def test_a_claim_names_its_untriggered_variants_among_those_it_needs() -> None:
    """Anything else is a mistake in the scenario."""
    with pytest.raises(TypeError, match="but the claim has no trigger"):
        claim(shows=["documented"], untriggered=["documented"])
    with pytest.raises(TypeError, match="untriggered names other, which the claim does not need"):
        claim(shows=["documented"], trigger=triggered, untriggered=["other"])


def test_a_disturbed_trial_counts_only_for_signs_that_need_no_idle_machine() -> None:
    """A sign that reads a duration says nothing on a machine that others use."""
    rows = [lit("documented", False, busy="others took 90 %"), lit("old", False)]
    timed = claim(shows=["documented"], absent=["old"], needs_idle=True)
    verdict = judge(in_memory(timed), "run", rows)
    assert verdict.claims[0].verdict is INCONCLUSIVE
    assert verdict.claims[0].why.startswith("documented was disturbed: other work used this machine's processors")
    assert verdict.variants["documented"].busy == 1
    assert judge(in_memory(PAIR), "run", rows).claims[0].verdict is REFUTED


@pytest.mark.parametrize(
    "machine",
    [
        # A trial in a virtual machine on a machine that others used: the counters are those of both.
        {
            "processors": 2,
            "load": 4.74,
            "work": 0.9961,
            "stolen": 0.0011,
            "missing": "containers are no processes here",
        },
        {"missing": "what the engine's machine did, since it is another one"},
    ],
)
def test_a_trial_whose_machine_was_not_watched_counts_only_for_signs_that_need_no_idle_machine(
    machine: dict[str, object],
) -> None:
    """Nobody knows whether others used it. A trial of a lab without a watch counts as it did."""
    rows = [replace(lit("documented", True), machine=machine), lit("old", False)]
    timed = claim(shows=["documented"], absent=["old"], needs_idle=True)
    verdict = judge(in_memory(timed), "run", rows)
    assert verdict.claims[0].verdict is INCONCLUSIVE
    expected = "documented decides nothing: the load of the machine was not measured in 1 valid trial"
    assert verdict.claims[0].why.startswith(expected)
    assert verdict.variants["documented"].busy == 0
    assert judge(in_memory(PAIR), "run", rows).claims[0].verdict is CONFIRMED
    watched = replace(rows[0], machine={"processors": 2, "others": 0.01, "host": "a"})
    for record in (watched, replace(watched, machine=None), replace(watched, machine={"host": "a"})):
        assert judge(in_memory(timed), "run", [record, rows[1]]).claims[0].verdict is CONFIRMED


# -- chance ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "p", "thin"),
    [
        ({"documented": "+", "old": "-"}, Fraction(1, 2), "could be chance: 1 of 1 against 0 of 1, p = 0.5"),
        ({"documented": "++", "old": "--"}, Fraction(1, 6), "could be chance: 2 of 2 against 0 of 2, p = 0.17"),
        ({"documented": "+++", "old": "---"}, Fraction(1, 20), ""),
        ({"documented": "---", "old": "---"}, Fraction(1), ""),
        ({"documented": "-", "old": "-"}, Fraction(1), "refuted by a single trial"),
        ({"documented": "-", "old": "+"}, Fraction(1), ""),
        ({"documented": "+++"}, None, ""),
    ],
)
def test_chance_in_one_number(shown: dict[str, str], p: Fraction | None, thin: str) -> None:
    """p is exact: three trials a side are just enough for a verdict that is not thin."""
    decision = decided(PAIR, **shown)
    assert (decision.p, decision.thin) == (p, thin)


def decided(tested: Claim, **shown: str) -> Decision:
    """The decision on a claim."""
    rows = trials(**shown)
    return decide(tested, {name: count(tested, [row for row in rows if row.variant == name]) for name in shown})


def test_a_claim_without_controls_needs_three_trials() -> None:
    """It has no p."""
    assert decided(claim(), documented="++").thin == "only 2 trials"
    assert decided(claim(), documented="+++") == Decision(CONFIRMED, "documented 3/3")


def test_tries_are_pooled_where_a_claim_counts_them() -> None:
    """16 of 20 tries against 0 of 10 is no chance. But the tries of a trial may all be alike, so trials count too."""
    rated = claim(sign=lambda o: o["blinked"] > 0, absent=["old"], rate=flashes)

    def tried(lit: int, dark: int) -> Decision:
        cases = [trial(shown=8, number=number) for number in range(lit)]
        controls = [trial("old", shown=0, number=number) for number in range(dark)]
        return decide(rated, {"documented": count(rated, cases), "old": count(rated, controls)})

    few, enough = tried(2, 1), tried(3, 3)
    assert few.verdict is CONFIRMED and few.p == fisher((16, 20), (0, 10))
    assert few.thin == "the tries are of few trials: 2 of 2 against 0 of 1, p = 0.33"
    assert enough.verdict is CONFIRMED and enough.p == fisher((24, 30), (0, 30)) and not enough.thin


def test_the_reason_of_a_verdict_has_its_p() -> None:
    """A reader sees whether it could be chance."""
    (row,) = judge(in_memory(PAIR), "run", trials(documented="+++", old="---")).claims
    assert row.reason == "documented 3/3 · old 0/3 · p = 0.05"
    (row,) = judge(in_memory(PAIR), "run", trials(documented="+", old="-")).claims
    assert row.reason == "documented 1/1 · old 0/1 · could be chance: 1 of 1 against 0 of 1, p = 0.5"


# -- verdict.json ---------------------------------------------------------------------------------


def test_the_keys_of_verdict_json() -> None:
    """Schema 2 has exactly these keys, at every level."""
    verdict = judge(in_memory(PAIR), "20260101T000000Z", trials(documented="++x", old="---")).to_json()
    assert set(verdict) == {"schema", "scenario", "run", "claims", "variants", "signs"}
    (row,) = verdict["claims"]
    assert set(row) == {"id", "text", "document", "verdict", "recorded", "why", "p", "thin", "variants"}
    assert verdict == {
        "schema": 2,
        "scenario": "blink",
        "run": "20260101T000000Z",
        "claims": [
            {
                "id": "B-1",
                "text": "claim B-1",
                "document": "“doc-1”",
                "verdict": "confirmed",
                "recorded": None,
                "why": "documented 2/2 · old 0/3",
                "p": 0.1,
                "thin": "could be chance: 2 of 2 against 0 of 3, p = 0.1",
                "variants": {
                    "documented": {"expected": True, "shown": 2, "trials": 2, "interval": [0.3424, 1.0]},
                    "old": {"expected": False, "shown": 0, "trials": 3, "interval": [0.0, 0.5615]},
                },
            }
        ],
        "variants": {
            "documented": {"factors": {}, "trials": 3, "valid": 2, "invalid": ["not healthy"]},
            "old": {"factors": {}, "trials": 3, "valid": 3, "invalid": []},
        },
        "signs": {"B-1": {"documented": {"shown": 2, "trials": 2}, "old": {"shown": 0, "trials": 3}}},
    }
    assert json.loads(json.dumps(verdict)) == verdict


def test_signs_cover_variants_that_no_claim_names() -> None:
    """A variant of --set (custom) is judged by every sign, and the run asks no claim."""
    rows = [trial("custom", shown, n, factors={"RELEASE": "2"}) for n, shown in enumerate((True, False), 1)]
    second = claim("B-2", shows=["old"], sign=lambda o: not o["blinked"])
    verdict = judge(in_memory(PAIR, second), "run", rows)
    assert verdict.signs == {name: {"custom": SignCount(1, 2)} for name in ("B-1", "B-2")}
    assert verdict.variants["custom"].factors == {"RELEASE": "2"}
    assert not any(verdict.asked(row) for row in verdict.claims)
    assert exit_status(verdict) is Exit.AS_RECORDED


def test_several_experiments_qualify_their_variants() -> None:
    """The name of a variant is experiment/variant, and no trial counts for the claims of the other experiment."""
    bulb = Experiment("bulb", {"documented": {}}, 1, lambda stack: {}, (claim("B-2"),))
    both = in_memory(claim("B-1"), also=(bulb,))
    rows = [trial(shown=True), trial(shown=False, experiment="bulb")]
    verdict = judge(both, "run", rows)
    assert [row.verdict for row in verdict.claims] == [CONFIRMED, REFUTED]
    assert set(verdict.variants) == {"lamp/documented", "bulb/documented"}
    assert verdict.signs["B-2"] == {"bulb/documented": SignCount(0, 1)}
    assert set(verdict.claims[1].variants) == {"bulb/documented"}


def test_measured_texts_are_kept_with_the_counts() -> None:
    """Each variant has its distinct texts; an invalid trial has none; "?" stands for a function that raised."""
    worded = claim(shows=["documented"], absent=["old"], measured=lambda o: {True: "on", False: "off"}[o["blinked"]])
    (row,) = judge(in_memory(worded), "run", trials(documented="++x-", old="-!")).claims
    assert row.variants["documented"].measured == ("on", "off")
    assert row.variants["old"].measured == ("off", "?")
    (bare,) = judge(in_memory(PAIR), "run", trials(documented="+", old="-")).claims
    assert "measured" not in bare.variants["documented"].to_json()


def test_judging_changes_nothing_and_repeats() -> None:
    """The same trials give the same verdict, also in another order."""
    rows = trials(documented="+-+", old="-x-")
    first = judge(in_memory(PAIR), "run", rows)
    assert judge(in_memory(PAIR), "run", rows) == first
    assert judge(in_memory(PAIR), "run", list(reversed(rows))).claims == first.claims


# -- drift and exit status ------------------------------------------------------------------------


def on_record(**verdicts: str) -> VerdictDocument:
    """A recorded verdict with these claims (B_1="confirmed")."""
    claims = [{"id": name.replace("_", "-"), "verdict": word} for name, word in verdicts.items()]
    return VerdictDocument.from_json({"claims": claims})


def judged(recorded: str | None, **shown: str) -> VerdictDocument:
    """The verdict on the pair, with this recorded verdict."""
    return judge(in_memory(PAIR), "run", trials(**shown), on_record(B_1=recorded) if recorded else None)


GOOD, BAD, OPEN = ({"documented": d, "old": o} for d, o in (("+", "-"), ("-", "-"), ("x", "-")))


@pytest.mark.parametrize(
    ("recorded", "shown", "words"),
    [
        (None, GOOD, "everything decided, nothing on record yet"),
        ("confirmed", GOOD, "as recorded"),
        ("confirmed", {"documented": "+"}, "no claim was judged"),
        ("refuted", GOOD, "drift"),
        (None, OPEN, "inconclusive"),
    ],
)
def test_a_status_in_words(recorded: str | None, shown: dict[str, str], words: str) -> None:
    """A claim without a recorded verdict is not called "as recorded"."""
    verdict = judged(recorded, **shown)
    assert exit_words(exit_status(verdict), verdict) == words


def test_a_new_claim_is_counted_separately() -> None:
    """Only one of the two claims has a recorded verdict."""
    verdict = judge(in_memory(PAIR, claim("B-2")), "run", trials(**GOOD), on_record(B_1="confirmed"))
    assert exit_words(exit_status(verdict), verdict) == "as recorded, but for 1 not on record yet"


@pytest.mark.parametrize(
    ("recorded", "shown", "status"),
    [
        (None, GOOD, Exit.AS_RECORDED),
        (None, BAD, Exit.AS_RECORDED),
        (None, OPEN, Exit.INCONCLUSIVE),
        ("confirmed", GOOD, Exit.AS_RECORDED),
        ("confirmed", BAD, Exit.DRIFT),
        ("confirmed", OPEN, Exit.INCONCLUSIVE),
        ("refuted", GOOD, Exit.DRIFT),
        ("refuted", BAD, Exit.AS_RECORDED),
        ("inconclusive", GOOD, Exit.DRIFT),
        ("inconclusive", OPEN, Exit.AS_RECORDED),
        # The run does not ask the claim: it has only some variants.
        ("confirmed", {"documented": "+"}, Exit.AS_RECORDED),
        ("confirmed", {"documented": "-"}, Exit.AS_RECORDED),
        # A sign that comes and goes is not what is on record.
        ("confirmed", {"documented": "+-", "old": "-"}, Exit.DRIFT),
        ("intermittent", {"documented": "+-", "old": "-"}, Exit.AS_RECORDED),
        (None, {"documented": "+-", "old": "-"}, Exit.AS_RECORDED),
        # Without any valid trial the run is inconclusive.
        ("confirmed", {"documented": "xxx"}, Exit.INCONCLUSIVE),
        ("inconclusive", {"documented": "x", "old": "x"}, Exit.INCONCLUSIVE),
        (None, {}, Exit.INCONCLUSIVE),
    ],
)
def test_exit_statuses(recorded: str | None, shown: dict[str, str], status: Exit) -> None:
    """0 as recorded, 1 drift, 3 inconclusive; a claim that was not asked is no failure."""
    verdict = judged(recorded, **shown)
    assert exit_status(verdict) is status
    assert verdict.drifted == (["B-1"] if status is Exit.DRIFT else [])
    assert verdict.claims[0].recorded == recorded


def test_drift_beats_inconclusive() -> None:
    """One claim that changed is a drift, also if another one is inconclusive."""
    unreadable = claim("B-2", sign=lambda o: o["no such key"])
    before = on_record(B_1="refuted", B_2="confirmed")
    verdict = judge(in_memory(PAIR, unreadable), "run", trials(documented="+", old="-"), before)
    assert [row.verdict for row in verdict.claims] == [CONFIRMED, INCONCLUSIVE]
    assert exit_status(verdict) is Exit.DRIFT
    assert verdict.drifted == ["B-1"]


# -- recorded runs --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vanish() -> Scenario:
    """The scenario of the recorded runs."""
    return loader.load(ROOT, "socket-vanish")


@pytest.fixture
def whole(tmp_path: Any) -> RunDirectory:
    """A run of all variants."""
    return recorded_run(tmp_path, "whole")


def test_a_whole_run_confirms_every_claim(vanish: Scenario, whole: RunDirectory) -> None:
    """62 trials of 28 variants: every claim but SV-13 is confirmed; the release that cannot start is invalid."""
    verdict = judge(vanish, whole.name, whole.trials())
    verdicts = {row.id: row.verdict for row in verdict.claims}
    assert {f"SV-{n}": verdicts[f"SV-{n}"] for n in range(1, 13)} == {f"SV-{n}": "confirmed" for n in range(1, 13)}
    assert sum(row.trials for row in verdict.variants.values()) == 62
    assert len(verdict.variants) == 28
    assert verdict.variants["gunicorn-19.7.1"].valid == 0
    assert "did not start" in verdict.variants["gunicorn-19.7.1"].invalid[0]
    assert verdict.signs["SV-1"]["gunicorn-19.7.1"] == SignCount(0, 0)
    assert verdict.signs["SV-1"]["eventlet"] == SignCount(3, 3)
    assert exit_status(verdict) is Exit.AS_RECORDED


def test_one_changed_observation_changes_the_verdict(vanish: Scenario, whole: RunDirectory) -> None:
    """If the socket still exists in one trial of the documented stack, the claims about it are intermittent."""
    rows = whole.trials()
    first = next(row for row in rows if row.variant == "documented")
    assert isinstance(first.observation, dict)
    first.observation["socket_after"] = True
    verdict = judge(vanish, whole.name, rows)
    intermittent = {row.id for row in verdict.claims if row.verdict is INTERMITTENT}
    assert {f"SV-{n}" for n in (1, 3, 4, 5, 7, 9, 10, 11)} <= intermittent
    # The other claims do not depend on the socket, or need only one trial.
    assert not {"SV-2", "SV-6", "SV-8", "SV-12"} & intermittent


def test_a_run_of_three_variants_asks_no_claim(vanish: Scenario, tmp_path: Any) -> None:
    """documented, eventlet and gevent are not all variants of any claim. This is no failure."""
    run = recorded_run(tmp_path, "partial")
    verdict = judge(vanish, run.name, run.trials())
    assert [row.id for row in verdict.claims if verdict.asked(row)] == []
    assert {row.verdict for row in verdict.claims} == {INCONCLUSIVE}
    assert verdict.signs["SV-1"]["eventlet"] == SignCount(1, 1)
    assert exit_status(verdict) is Exit.AS_RECORDED


def test_an_unreadable_trial_makes_a_sometimes_claim_inconclusive() -> None:
    """The trial whose sign raised may have shown it, so the claim is not refuted."""
    claim = Claim("X-1", "it happens", sign=bool, shows=("documented",), sometimes=True)
    decision = decide(claim, {"documented": Count(0, 2, ("trial 3: KeyError: 'x'",))})
    assert decision.verdict is INCONCLUSIVE and "could not be read" in decision.why
    assert decide(claim, {"documented": Count(0, 3)}).verdict is REFUTED


# -- rates ----------------------------------------------------------------------------------------


def flashes(observation: Any) -> tuple[int, int]:
    """How often the lamp flashed in ten tries."""
    return observation["blinked"], 10


def test_a_rate_is_summed_over_the_trials() -> None:
    """The sign decides for each trial; the rate has the interval of all tries."""
    rated = claim("B-1", sign=lambda o: o["blinked"] > 0, shows=["documented"], absent=["old"], rate=flashes)
    rows = [trial(shown=7), trial(shown=9, number=2), trial("old", shown=0)]
    verdict = judge(in_memory(rated), "now", rows)
    (row,) = verdict.claims
    assert row.why == "documented 2/2 [16/20 (58–92 %)] · old 0/1 [0/10 (0–28 %)]"
    assert row.variants["documented"].count.rate == Rate(16, 20, (0.584, 0.9193))
    old = verdict.signs["B-1"]["old"].rate
    assert old is not None and old.shown == 0
    assert "9/10" in judge(in_memory(rated), "now", [trial(shown=9), trial("old", shown=9)]).claims[0].why


def test_an_impossible_rate_is_an_error() -> None:
    """With more hits than tries the sign cannot be read."""
    rated = claim("B-1", sign=lambda o: True, shows=["documented"], rate=lambda o: (11, 10))
    row = judge(in_memory(rated), "now", [trial()]).claims[0]
    assert row.verdict is INCONCLUSIVE and "11 of 10" in row.why


def test_a_rate_counts_valid_trials_only() -> None:
    """An invalid trial counts neither for the sign nor for the rate."""
    rated = claim("B-1", sign=lambda o: True, shows=["documented"], rate=flashes)
    row = judge(in_memory(rated), "now", [trial(shown=3), trial(shown=9, number=2, invalid="down")]).claims[0]
    rate = row.variants["documented"].count.rate
    assert rate is not None and rate.of == 10


@pytest.mark.parametrize("shown", [{"documented": "---"}, {"old": "+++"}, {"documented": "+-+"}])
def test_a_claim_that_was_not_asked_is_no_drift(shown: dict[str, str]) -> None:
    """A partial run decides it in no way, in verdict.json neither: some of its variants did not run."""
    whole = judge(in_memory(PAIR), "r", trials(documented="+++", old="---"))
    assert whole.claims[0].verdict is CONFIRMED
    verdict = judge(in_memory(PAIR), "now", trials(**shown), whole)
    (row,) = verdict.to_json()["claims"]
    assert (row["verdict"], row["recorded"]) == ("inconclusive", "confirmed") and row["why"].endswith("was not run")
    assert (verdict.drifted, exit_status(verdict)) == ([], Exit.AS_RECORDED)
    watched = Watched("blink", Exit.AS_RECORDED, verdict)
    assert (watched.as_recorded, watched.drifted, watched.undecided) == ([], [], [])
