"""What of a stack can get simpler: the values that a scenario names, numbers, and the load."""

from __future__ import annotations

from pathlib import Path

import pytest
from cases import COMPOSE, ROOT, load
from hypothesis import given
from hypothesis import strategies as st
from reprolab.core.errors import UsageError
from reprolab.scenario import loader
from reprolab.scenario.digest import case_digest
from reprolab.scenario.load_settings import CONNECTIONS, THREADS
from reprolab.shrink.steps import Move, Reducible, Space, applied, smaller, space_of
from simulated_shrink import LOAD, scenario


def simpler(*lines: str) -> str:
    """The small scenario's Compose file with these lines below x-reprolab.simpler."""
    rows = "".join(f"    {line}\n" for line in lines)
    return COMPOSE.replace("services:\n", f"  simpler:\n{rows}services:\n")


# -- numbers --------------------------------------------------------------------------------------


def test_a_number_gets_smaller_in_large_and_small_steps() -> None:
    """To 1, to a sixteenth, a quarter and a half of it, and by a quarter and an eighth."""
    assert smaller(512) == [1, 32, 128, 256, 384, 448]
    assert smaller(5) == [1, 3, 4]
    assert smaller(2) == [1]
    assert smaller(1) == []


@given(st.integers(2, 10**6))
def test_each_step_makes_a_number_smaller_and_the_last_one_by_an_eighth_at_most(number: int) -> None:
    """But by one at least."""
    steps = smaller(number)
    assert steps == sorted(set(steps))
    assert steps[0] == 1
    assert steps[-1] == number - max(1, number // 8)


def test_a_number_has_only_the_values_that_its_factor_may_have() -> None:
    """x-reprolab.values limits them."""
    assert Reducible("BUSY", "4", allowed=("0", "4", "2", "1")).simpler("4") == ["1", "2"]
    assert Reducible("BUSY", "8", allowed=("5", "8", "9")).simpler("8") == ["5"]


# -- named values ---------------------------------------------------------------------------------


def test_named_values_are_taken_as_they_stand() -> None:
    """The simplest first; 0 and the empty value only where they are named."""
    item = Reducible("THREADS", "8", ("4", "1", "0"))
    assert item.simpler("8") == ["0", "1", "4"]
    assert item.simpler("1") == ["0"]
    assert [item.size(value) for value in ("8", "4", "1", "0")] == [1, pytest.approx(2 / 3), pytest.approx(1 / 3), 0]
    assert Reducible("OPTIONS", "--x", ("",)).simpler("--x") == [""]


def test_what_stands_before_the_present_value_is_not_simpler() -> None:
    """A variant may start in the middle of the list, or at its end."""
    subject = scenario({"SERVER": "1", "WORKERS": "2", "CLASS": "c"}, {"WORKERS": ("4", "2", "1"), "CLASS": ("a", "b")})
    space = space_of(subject, {"CLASS": "b"}, {}, ())
    assert [(item.name, item.named) for item in space.reducibles] == [("WORKERS", ("1",))]


def test_an_empty_list_keeps_a_number_as_it_is() -> None:
    """A time limit is no load."""
    assert space_of(scenario({"TIMEOUT": "30"}, {"TIMEOUT": ()}), {}, {}, ()).reducibles == ()


def test_versions_texts_and_what_is_fixed_stay() -> None:
    """Without a named value only whole numbers above 1 get smaller."""
    factors = {"A": "19.6.0", "B": "text", "C": "1", "D": "0", "E": "007", "F": "2", "G": "3", "H": ""}
    space = space_of(scenario(factors, {}), {}, {}, ("G",))
    assert list(space.start) == ["F"]


# -- steps from a state ---------------------------------------------------------------------------


def both() -> Space:
    """Two settings: a list of three values, and a number."""
    return Space((Reducible("CLASS", "a", ("b", "c")), Reducible("WORKERS", "9")), {})


def test_the_steps_that_take_most_away_come_first() -> None:
    """All to the simplest first; then by the part that they leave, in the order of the settings."""
    words = [move.words for move in both().single({"CLASS": "a", "WORKERS": "9"})]
    assert words == [
        *("CLASS a → c", "WORKERS 9 → 1", "WORKERS 9 → 2", "CLASS a → b"),
        *("WORKERS 9 → 5", "WORKERS 9 → 7", "WORKERS 9 → 8"),
    ]


def test_a_step_makes_the_state_smaller() -> None:
    """Each of them, and the simplest state has the size 0."""
    space = both()
    for move in space.single(space.start):
        assert space.size(applied(space.start, (move,))) < space.size(space.start) == 2
    simplest = applied(space.start, space.simplest(space.start, space.start))
    assert simplest == {"CLASS": "c", "WORKERS": "1"}
    assert space.size(simplest) == 0
    assert space.single(simplest) == []


def test_the_connections_stay_a_multiple_of_the_threads() -> None:
    """wrk opens as many in each thread."""
    space = space_of(scenario({}, {}), {}, LOAD, ())
    moves = space.single(space.start)
    assert [move.after for move in moves if move.name == THREADS] == ["1", "2", "5", "8"]
    assert [move.after for move in moves if move.name == CONNECTIONS] == ["10", "50", "100", "150", "180"]
    together = space.simplest(space.start, (THREADS, CONNECTIONS))
    assert [move.after for move in together] == ["1", "1"]
    assert space.simplest(space.start, (CONNECTIONS,)) == (Move(CONNECTIONS, "200", "10"),)


def test_threads_that_stay_decide_the_connections() -> None:
    """The user has fixed them."""
    space = space_of(scenario({}, {}), {THREADS: "4"}, LOAD | {THREADS: "4"}, (THREADS,))
    assert THREADS not in space.start
    assert next(move.after for move in space.single(space.start) if move.name == CONNECTIONS) == "4"


# -- compose.yaml ---------------------------------------------------------------------------------


def test_a_scenario_names_simpler_values(tmp_path: Path) -> None:
    """In one line, as a list, as a number; empty where the documented value is empty."""
    text = simpler('WORKERS: "2 1"', 'RELEASE: ["0.9 beta", 0.8]'.replace("0.8", '"0.8"'), "OPTIONS: ''", "EMPTY: []")
    text += '      OPTIONS: "${OPTIONS:-}"\n      EMPTY: ${EMPTY:-7}\n'
    expected = {"WORKERS": ("2", "1"), "RELEASE": ("0.9 beta", "0.8"), "OPTIONS": ("",), "EMPTY": ()}
    assert load(tmp_path / "a", compose=text).simpler == expected
    assert load(tmp_path / "b", compose=simpler("WORKERS: 1")).simpler == {"WORKERS": ("1",)}
    assert load(tmp_path / "c").simpler == {}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("WORKRES: 1", r"x-reprolab.simpler names WORKRES, which is no factor \(did you mean WORKERS\?\)"),
        ("WORKERS: off", "x-reprolab.simpler.WORKERS is False"),
        ("WORKERS: 1.5", "x-reprolab.simpler.WORKERS is 1.5"),
        ("WORKERS: {a: b}", "x-reprolab.simpler.WORKERS is {'a': 'b'}"),
        ("WORKERS: 2 1 2", "x-reprolab.simpler.WORKERS names a value twice: 2 1 2"),
        ("WORKERS: ''", "x-reprolab.simpler.WORKERS has an empty value"),
        ("WORKERS: 3", "x-reprolab.simpler.WORKERS: it cannot be '3'"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, line: str, expected: str) -> None:
    """The key, what is wrong, and what is expected."""
    text = simpler(line).replace("  simpler:\n", '  values: {WORKERS: "2 1"}\n  simpler:\n')
    with pytest.raises(UsageError, match=rf"scenarios/blink/compose.yaml: {expected}") as caught:
        load(tmp_path, compose=text)
    assert "\n  expected: " in str(caught.value) or "no factor" in str(caught.value)


def test_simpler_must_be_a_mapping(tmp_path: Path) -> None:
    """A list of factors does not say how they get simpler."""
    text = COMPOSE.replace("services:\n", "  simpler: [WORKERS]\nservices:\n")
    with pytest.raises(UsageError, match=r"x-reprolab\.simpler is "):
        load(tmp_path, compose=text)


def test_simpler_values_do_not_change_the_digest_of_a_case(tmp_path: Path) -> None:
    """Only a shrink reads them; runs on record stay of the same case."""
    plain, named = load(tmp_path / "a"), load(tmp_path / "b", compose=simpler("WORKERS: 1"))
    assert case_digest(plain.directory) == case_digest(named.directory)


@pytest.mark.parametrize("name", loader.names(ROOT))
def test_the_simpler_values_of_the_scenarios_lead_somewhere(name: str) -> None:
    """A factor with values starts, documented or in a variant, with another value than the simplest."""
    subject = loader.load(ROOT, name)
    variants = [changes for experiment in subject.experiments.values() for changes in experiment.variants.values()]
    for factor, values in subject.simpler.items():
        starts = {subject.factors[factor], *(changes[factor] for changes in variants if factor in changes)}
        assert not values or starts - {values[-1]}, f"{name}: {factor} is never more than {values[-1]!r}"
