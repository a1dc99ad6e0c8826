"""The search for the least stack: what it accepts, when it ends, and how many trials it needs."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reprolab.measure.cell import Cell
from reprolab.scenario.load_settings import CONNECTIONS, DURATION, THREADS
from reprolab.scenario.model import Claim, Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.shrink.document import Kind, Status, StepResult
from reprolab.shrink.search import Search
from reprolab.shrink.steps import Move
from simulated_shrink import (
    ABSENT,
    INVALID,
    LOAD,
    NOT_EXERCISED,
    OBSTACLE,
    SHOWN,
    Simulated,
    number,
    question,
    scenario,
    searched,
    states,
    truth,
)


def needs(**least: int) -> Simulated:
    """A measurer of a sign that needs each of these numbers at least."""
    return Simulated(scenario(), truth(lambda s: all(number(s, name) >= value for name, value in least.items())))


def refused(search: Search) -> list[tuple[Move, StepResult]]:
    """The single steps from the least stack with their tests."""
    return [(row.move, search.steps[row.step]) for row in search.remaining]


def kinds(search: Search) -> dict[Kind, int]:
    """How many tests of each kind there were."""
    return {kind: sum(step.kind is kind for step in search.steps) for kind in Kind}


# -- what is found --------------------------------------------------------------------------------


def test_the_least_stack_has_only_what_the_sign_needs() -> None:
    """Two threads and one request; all else at its simplest, the load too."""
    search = searched(needs(THREADS=2, MAX_REQUESTS=1))
    least = {"WORKERS": "1", "THREADS": "2", "MAX_REQUESTS": "1", "WITNESS": "off"}
    assert search.state == least | {THREADS: "1", CONNECTIONS: "1", DURATION: "1"}
    assert search.status is Status.MINIMAL
    assert [(move.words, step.count.text) for move, step in refused(search)] == [("THREADS 2 → 1", "0/1")]


def test_one_test_is_enough_where_nothing_is_needed() -> None:
    """All settings at once, to their simplest values: nothing remains to be tested."""
    search = searched(needs())
    assert kinds(search)[Kind.SEVERAL] == 1
    assert kinds(search)[Kind.SINGLE] == 0
    assert search.remaining == []
    assert search.status is Status.MINIMAL


def test_versions_and_texts_stay() -> None:
    """Only what the scenario names, and numbers."""
    search = searched(needs())
    assert {"SERVER", "CLASS"}.isdisjoint(search.space.start)
    assert all("SERVER" not in cell.settings for cell, _ in needs().asked)


def test_a_large_number_is_the_least_within_an_eighth() -> None:
    """From 512 requests, with 100 needed; the steps from the result are refused."""
    search = searched(needs(MAX_REQUESTS=100))
    assert 100 <= int(search.state["MAX_REQUESTS"]) <= 114
    assert len(search.remaining) == 6


def test_a_small_number_is_the_least() -> None:
    """One less does not do."""
    for least in range(1, 6):
        assert searched(needs(THREADS=least)).state["THREADS"] == str(least)


def test_what_must_get_smaller_together_does() -> None:
    """As many connections as there are threads: neither gets smaller alone without the other."""
    subject = scenario({"SERVER": "1", "THREADS": "4", "IDLE": "4"}, {})
    search = searched(Simulated(subject, truth(lambda s: s["IDLE"] == s["THREADS"])))
    assert (search.state["THREADS"], search.state["IDLE"]) == ("1", "1")


def test_the_load_is_changed_only_where_it_gets_smaller() -> None:
    """A load that stays is the experiment's own, and no setting of the cell."""
    measurer = needs(**{CONNECTIONS: 200, DURATION: 2})
    search = searched(measurer)
    last = search.steps[-1].changes
    assert CONNECTIONS not in last
    assert last[DURATION] == "2"
    assert all(cell.settings.get(CONNECTIONS) != "200" for cell, _ in measurer.asked)


def test_wrk_gets_a_multiple_of_its_threads() -> None:
    """Of all cells that were asked for, since it refuses any other number."""
    measurer = needs(**{CONNECTIONS: 37, THREADS: 4})
    search = searched(measurer)
    for cell, _ in measurer.asked:
        load = LOAD | cell.settings
        assert number(load, CONNECTIONS) % number(load, THREADS) == 0
    assert (search.state[THREADS], search.state[CONNECTIONS]) == ("4", "40")


def test_without_a_load_in_the_observations_there_is_none_to_shrink() -> None:
    """The numbers come from the trials of the starting stack, not from a list."""
    measurer = needs()
    search = Search(question(measurer.subject), measurer)
    plain = Simulated.measure

    def without(wanted: Mapping, claims: list) -> dict:
        results = plain(measurer, wanted, claims)
        for result in results.values():
            for record in result.records:
                record.observation.pop("load", None)  # type: ignore[attr-defined]
        return results

    measurer.measure = without  # type: ignore[method-assign]
    search.run()
    assert set(search.space.start) == {"WORKERS", "THREADS", "MAX_REQUESTS", "WITNESS"}


def test_what_the_user_has_fixed_stays() -> None:
    """In every cell, and it is no step."""
    measurer = needs()
    search = searched(measurer, fixed={"WORKERS": "3", DURATION: "4"})
    assert all(cell.settings["WORKERS"] == "3" and cell.settings[DURATION] == "4" for cell, _ in measurer.asked)
    assert {"WORKERS", DURATION}.isdisjoint(search.space.start)


def test_the_starting_stack_is_the_variant_that_shows_it() -> None:
    """Its changes are in every cell until a step takes them back."""
    search = searched(needs(WORKERS=3), variant="other")
    assert search.steps[0].changes == {"WORKERS": "3", "CLASS": "gthread"}
    assert search.state["CLASS"] == "sync"
    assert search.state["WORKERS"] == "3"


# -- what is refused, and why ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (NOT_EXERCISED, "not exercised: the trigger of the claim did not happen"),
        (INVALID, "invalid: not healthy: exit code 1"),
        (OBSTACLE, "it cannot run: image build failed: no such release: … last line"),
        (ABSENT, "no sign"),
    ],
)
def test_a_stack_that_does_not_show_it_is_refused_with_the_reason(seen: str, reason: str) -> None:
    """One worker does not exercise it, does not start, cannot be built, or lacks the sign."""
    measurer = Simulated(scenario(), lambda s, n: seen if s["WORKERS"] == "1" else SHOWN)
    search = searched(measurer)
    assert search.state["WORKERS"] == "2"
    ((_, step),) = refused(search)
    assert (step.accepted, step.reason) == (False, reason)
    assert step.obstacle.startswith("image" if seen == OBSTACLE else "")


def test_a_sign_that_raises_is_refused() -> None:
    """It neither shows nor is absent."""
    subject = scenario()

    def seen(s: Mapping[str, str], n: int) -> str:
        return None if s["WORKERS"] == "1" else SHOWN  # type: ignore[return-value]

    claim = subject.experiments["lamp"].claims[0]
    object.__setattr__(claim, "sign", lambda o: o["blinked"] or 1 // 0)
    search = searched(Simulated(subject, seen))
    assert refused(search)[0][1].reason.startswith("the sign could not be read: trial 1: ZeroDivisionError")


def test_a_sign_that_raises_in_some_trials_is_refused_too() -> None:
    """All trials that count show it, but nobody knows of the others. So the result may not be 1-minimal."""
    measurer = Simulated(scenario(), lambda s, n: ABSENT if s["WORKERS"] == "1" and n == 1 else SHOWN)
    claim = measurer.subject.experiments["lamp"].claims[0]
    object.__setattr__(claim, "sign", lambda o: o["blinked"] or 1 // 0)
    search = searched(measurer)
    assert search.state["WORKERS"] == "2"
    ((_, step),) = refused(search)
    assert (step.count.shown, step.undecided, search.status) == (step.count.trials, True, Status.UNDECIDED)


def test_a_step_that_other_work_disturbed_leaves_the_result_open() -> None:
    """Nothing was seen against it. A sign that was absent, a start that failed and a trigger are seen."""
    subject = scenario()
    claim = subject.experiments["lamp"].claims[0]
    object.__setattr__(claim, "needs_idle", True)
    measurer = Simulated(subject, lambda s, n: SHOWN)
    trial = measurer._trial

    def disturbed(cell: Cell, settings: Mapping[str, str], number: int) -> TrialRecord:
        busy = "other programs used 40 %" if settings["WORKERS"] == "1" else ""
        return replace(trial(cell, settings, number), busy=busy)

    measurer._trial = disturbed  # type: ignore[method-assign]
    search = searched(measurer)
    ((_, step),) = refused(search)
    assert (step.reason, step.undecided) == ("other work used this machine's processors in 2 valid trials", True)
    assert search.status is Status.UNDECIDED
    for seen in (ABSENT, INVALID, NOT_EXERCISED, OBSTACLE):
        decided = searched(Simulated(scenario(), lambda s, n, seen=seen: seen if s["WORKERS"] == "1" else SHOWN))
        assert decided.status is Status.MINIMAL, seen


def test_a_step_is_refused_by_the_first_trial_without_the_sign() -> None:
    """A refused step costs one trial, an accepted one as many as are asked for; the least stack twice as many."""
    measurer = needs(THREADS=2)
    search = searched(measurer, trials=3)
    accepted = [step for step in search.steps if step.accepted and step.kind in (Kind.SEVERAL, Kind.SINGLE)]
    rejected = [step for step in search.steps if not step.accepted]
    start, confirmation, control = 3, 3, 3
    assert all(step.count.trials == 1 for step in rejected)
    assert measurer.trials_run == start + 3 * len(accepted) + len(rejected) + confirmation + control
    assert measurer.trials_run < 30


def test_what_is_as_simple_as_a_refused_value_is_tested_last() -> None:
    """Else each accepted step would be followed by the same refused ones."""
    measurer = needs(MAX_REQUESTS=100, THREADS=3, WORKERS=2, **{CONNECTIONS: 30, DURATION: 3})
    searched(measurer)
    # 184 without the order.
    assert measurer.trials_run < 90


def test_a_sign_that_comes_and_goes_is_refused() -> None:
    """One worker shows it in two of three trials."""
    measurer = Simulated(scenario(), lambda s, n: ABSENT if s["WORKERS"] == "1" and n == 2 else SHOWN)
    ((_, step),) = refused(searched(measurer))
    assert (step.count.text, step.reason) == ("2/3", "the sign comes and goes")


def test_the_least_stack_is_measured_again() -> None:
    """It showed the sign in three trials and lacks it later: the search goes back, and wants six from then on."""
    measurer = Simulated(scenario(), lambda s, n: ABSENT if s["WORKERS"] == "1" and n == 4 else SHOWN)
    search = searched(measurer)
    again = [step for step in search.steps if step.kind is Kind.CONFIRMATION]
    assert [(step.accepted, step.count.text) for step in again] == [(False, "5/6"), (True, "9/9")]
    assert search.state == search.space.start | dict.fromkeys(NAMES, "1") | {"WORKERS": "2", "WITNESS": "off"}
    assert measurer.trials_run < 60


def test_the_way_back_is_measured_too() -> None:
    """Each stack on the way back must show the sign in twice as many trials."""
    measurer = Simulated(scenario(), lambda s, n: ABSENT if s["WORKERS"] in "123" and n == 4 else SHOWN)
    search = searched(measurer)
    assert search.state["WORKERS"] == "4"
    assert search.steps[-2].count.text == "9/9"


def test_there_is_nothing_to_shrink_from_a_stack_that_does_not_show_it() -> None:
    """The search ends after the starting stack, with its count."""
    search = searched(Simulated(scenario(), lambda s, n: ABSENT if n == 1 else SHOWN))
    assert search.status is Status.NOTHING
    assert [(step.count.text, step.reason) for step in search.steps] == [("2/3", "the sign comes and goes")]


def test_nothing_may_be_left_out() -> None:
    """The starting stack is the least one then, and it is not measured again."""
    search = searched(Simulated(scenario(), lambda s, n: SHOWN if s == {**s, **start_values()} else ABSENT))
    assert search.state == search.space.start
    assert search.status is Status.MINIMAL
    assert kinds(search)[Kind.CONFIRMATION] == 0


def start_values() -> dict[str, str]:
    """The settings of the starting stack that can get simpler."""
    return {"WORKERS": "5", "THREADS": "5", "MAX_REQUESTS": "512", "WITNESS": "on"} | LOAD


# -- the control ----------------------------------------------------------------------------------


def test_the_control_of_the_least_stack_is_measured() -> None:
    """The changes of the claim's control on the least stack: the sign must be able to be absent there."""
    search = searched(needs(THREADS=2))
    control = search.steps[-1]
    assert (control.kind, control.accepted, control.count.text) == (Kind.CONTROL, True, "0/3")
    assert control.changes["SERVER"] == "19.5.0"
    assert control.changes["WORKERS"] == "1"


def test_a_control_that_shows_the_sign_is_kept_as_such() -> None:
    """With few trials everything looks blocked, say: the least stack then says nothing."""
    search = searched(Simulated(scenario(), lambda s, n: SHOWN))
    assert (search.steps[-1].kind, search.steps[-1].accepted) == (Kind.CONTROL, False)


def test_a_control_that_changes_what_is_fixed_is_left_out() -> None:
    """What the user has fixed is never changed."""
    search = searched(needs(), fixed={"SERVER": "19.6.1"})
    assert kinds(search)[Kind.CONTROL] == 0


def idle(factors: Mapping[str, str]) -> Scenario:
    """A claim as that of idle-connections: as many idle connections as threads; its controls change one of both."""
    claim = Claim("B-1", "", sign=lambda o: o["blinked"], shows=["documented"], absent=["less", "more"])
    variants = {"documented": {}, "less": {"IDLE": "3"}, "more": {"THREADS": "5"}}
    subject = scenario({"SERVER": "19.6.0", **factors})
    lamp = replace(subject.experiments["lamp"], variants=variants, claims=(claim,))
    return replace(subject, experiments={"lamp": lamp})


def blocked(settings: Mapping[str, str], trial: int) -> str:
    """A truth: as many idle connections as threads."""
    return SHOWN if number(settings, "IDLE") >= number(settings, "THREADS") else ABSENT


def test_a_control_that_undoes_the_shrink_and_shows_the_sign_says_nothing() -> None:
    """Beside one thread three idle connections are no control any more; more threads than connections are."""
    search = searched(Simulated(idle({"IDLE": "4", "THREADS": "4"}), blocked))
    assert dict(search.state) | LOAD == {"IDLE": "1", "THREADS": "1"} | LOAD
    controls = [step for step in search.steps if step.kind is Kind.CONTROL]
    assert [(step.accepted, step.count.text) for step in controls] == [(False, "3/3"), (True, "0/3")]
    assert (search.control, search.undone) == ("more", ("THREADS",))


def test_a_control_that_undoes_nothing_decides() -> None:
    """It shows the sign too: then no other control is asked."""
    search = searched(Simulated(idle({"IDLE": "1", "THREADS": "1"}), lambda s, n: SHOWN))
    assert (search.control, search.undone, kinds(search)[Kind.CONTROL]) == ("less", (), 1)


# -- the end --------------------------------------------------------------------------------------


def test_the_budget_ends_the_search() -> None:
    """No test begins after it; what is left is named."""
    search = searched(needs(THREADS=2, MAX_REQUESTS=77), budget=100)
    assert search.status is Status.BUDGET
    assert search.untested
    assert search.measurer.trials_run <= 10 + 2  # type: ignore[attr-defined]


def test_a_budget_that_ends_after_the_search_leaves_out_the_control() -> None:
    """The least stack is known; nothing else begins."""
    whole = searched(needs(THREADS=2))
    trials = whole.measurer.trials_run  # type: ignore[attr-defined]
    search = searched(needs(THREADS=2), budget=10.0 * trials - 31)
    assert (search.status, kinds(search)[Kind.CONTROL]) == (Status.MINIMAL, 0)


def test_an_interrupt_keeps_the_state() -> None:
    """It goes on to the caller; the steps so far, and the last accepted stack, are there."""
    measurer = needs(THREADS=2)
    measurer.interrupt = 20
    search = Search(question(measurer.subject), measurer)
    with pytest.raises(KeyboardInterrupt):
        search.run()
    assert search.status is Status.INTERRUPTED
    assert search.steps[0].accepted
    assert search.state != search.space.start


def test_a_search_that_was_interrupted_goes_on_with_the_kept_trials() -> None:
    """The same steps again, without new trials for what was measured."""
    whole, parts = needs(THREADS=2), needs(THREADS=2)
    expected = searched(whole)
    parts.interrupt = 20
    with pytest.raises(KeyboardInterrupt):
        searched(parts)
    parts.interrupt = None
    assert searched(parts).state == expected.state
    assert parts.trials_run == whole.trials_run


def test_an_interrupted_control_does_not_take_the_result_away() -> None:
    """The search had ended."""
    measurer = needs(THREADS=2)
    searched(measurer)
    again = needs(THREADS=2)
    again.interrupt = measurer.trials_run - 1
    search = Search(question(again.subject), again)
    with pytest.raises(KeyboardInterrupt):
        search.run()
    assert search.status is Status.MINIMAL


def test_an_error_of_the_measurer_is_kept_as_the_reason() -> None:
    """The engine has gone away."""
    search = Search(question(), needs())
    search.measurer.measure = lambda wanted, claims: 1 // 0  # type: ignore[method-assign,assignment]
    with pytest.raises(ZeroDivisionError):
        search.run()
    assert (search.status, search.reason) == (Status.FAILED, "ZeroDivisionError: integer division or modulo by zero")


# -- for any truth --------------------------------------------------------------------------------

NAMES = ("WORKERS", "THREADS", "MAX_REQUESTS", THREADS, CONNECTIONS, DURATION)


@st.composite
def subjects(draw: st.DrawFn) -> tuple[Scenario, frozenset[tuple[str, int]], int]:
    """A scenario, the needs of its sign (pairs of a setting and its least number), and a salt."""
    needed = {name: draw(st.integers(1, int((LOAD | start_values())[name]))) for name in NAMES if draw(st.booleans())}
    needed.pop(CONNECTIONS, None)
    return scenario(), frozenset(needed.items()), draw(st.integers(0, 3))


@settings(max_examples=150, deadline=None)
@given(subjects(), st.integers(1, 4))
def test_the_result_shows_it_each_time_and_no_single_step_from_it_does(
    subject: tuple[Scenario, frozenset[tuple[str, int]], int], trials: int
) -> None:
    """For a truth that is the same in each trial, whether or not less of a thing always means less of the sign."""
    place, needed, salt = subject

    def rule(s: Mapping[str, str]) -> bool:
        if all(s.get(name, value) == value for name, value in start_values().items()):
            return True
        odd = salt and sum(number(s, name) for name in NAMES[:3]) % (7 * salt) == 3
        return not odd and all(number(s, name) >= least for name, least in needed)

    measurer = Simulated(place, truth(rule))
    search = searched(measurer, trials=trials)
    assert search.status is Status.MINIMAL
    full = {**place.factors, **LOAD}
    assert rule({**full, **search.state})
    assert not any(rule({**full, **state}) for state in states(search))
    assert [step.state for _, step in refused(search)] == list(states(search))
    assert all(not step.accepted and step.count.shown < step.count.trials for _, step in refused(search))
    least = [step for step in search.steps if step.state == search.state and step.kind is not Kind.CONTROL]
    assert all(step.accepted for step in least)
    assert least[-1].count.shown == least[-1].count.trials >= trials
    sizes = [search.space.size(s.state) for s in search.steps if s.accepted and s.kind in (Kind.SEVERAL, Kind.SINGLE)]
    assert sizes == sorted(set(sizes), reverse=True)
    refusals = sum(not step.accepted for step in search.steps)
    moved = sum(step.accepted and step.kind in (Kind.SEVERAL, Kind.SINGLE) for step in search.steps)
    confirmed = trials if search.state != search.space.start else 0
    assert measurer.trials_run == 2 * trials + trials * moved + refusals + confirmed


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.3, 0.99))
def test_a_flaky_sign_ends_too(seed: int, rate: float) -> None:
    """With fewer workers the sign comes and goes; the search ends, and its result was shown in all its trials."""
    chance = random.Random(seed)

    def seen(s: Mapping[str, str], n: int) -> str:
        return SHOWN if s["WORKERS"] == "5" or chance.random() < rate else ABSENT

    search = searched(Simulated(scenario(), seen))
    assert search.status is Status.MINIMAL
    last = [step for step in search.steps if step.state == search.state and step.kind is not Kind.CONTROL][-1]
    assert last.accepted
    assert last.count.shown == last.count.trials
    assert all(not step.accepted for _, step in refused(search))
    assert not search.untested
