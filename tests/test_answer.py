"""The answer of a run: one sentence that says the same as the verdict on the main claim."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cases import COMPOSE, ROOT, claim, in_memory, load, trial, trials
from reprolab.core.errors import UsageError
from reprolab.scenario import loader
from reprolab.scenario.digest import case_digest
from reprolab.scenario.model import Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.answer import Kind, answer
from reprolab.verdict.judge import judge
from reprolab.verdict.record import read_record

MAIN = claim("B-1", absent=["old"])


def lamp(*claims: Any, words: str = "the lamp blinks") -> Scenario:
    """The small scenario with a main sign."""
    return replace(in_memory(*(claims or (MAIN,))), answer={"B-1": words} if words else {})


def sentence(scenario: Scenario, rows: list[TrialRecord], **options: Any) -> str:
    """The answer of these trials."""
    return answer(scenario, judge(scenario, "now", rows), **options).sentence


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ({"documented": "+++", "old": "---"}, "Reproduced: the lamp blinks in documented 3/3, in old 0/3."),
        ({"documented": "+", "old": "-"}, "Reproduced, thin: the lamp blinks in documented 1/1, in old 0/1."),
        ({"documented": "---", "old": "---"}, "Not reproduced: the lamp blinks in documented 0/3, in old 0/3."),
        (
            {"documented": "+++", "old": "+++"},
            "Not reproduced: the lamp blinks in documented 3/3, but also in old 3/3.",
        ),
        ({"documented": "+-+", "old": "---"}, "Comes and goes: the lamp blinks in documented 2/3, in old 0/3."),
        ({"documented": "+++", "old": "xx"}, "Undecided: whether the lamp blinks; old has no valid trial."),
        ({"documented": "xx", "old": "x"}, "Undecided: no trial is valid; documented: not healthy."),
        ({"documented": "++"}, "Seen: the lamp blinks in documented 2/2; old was not run, so nothing is judged."),
        ({"documented": "--"}, "Not seen: the lamp blinks in documented 0/2; old was not run, so nothing is judged."),
        (
            {"documented": "+-"},
            "Comes and goes: the lamp blinks in documented 1/2; old was not run, so nothing is judged.",
        ),
        ({"old": "-"}, "Not seen: the lamp blinks in old 0/1; documented was not run, so nothing is judged."),
    ],
)
def test_every_kind(shown: dict[str, str], expected: str) -> None:
    """The first words follow the verdict; without one they say what was seen."""
    assert sentence(lamp(), trials(**shown)) == expected


def test_without_words_the_claim_is_quoted() -> None:
    """A scenario need not have an answer."""
    rows = trials(documented="+++", old="---")
    assert sentence(lamp(words=""), rows) == "Reproduced: “claim B-1” (in documented 3/3, in old 0/3)."


def test_many_variants_are_counted() -> None:
    """The sentence stays short."""
    names = ["a", "b", "c", "d"]
    scenario = lamp(claim("B-1", absent=names))
    rows = trials(documented="++", a="--", b="--", c="--", d="--")
    assert sentence(scenario, rows) == "Reproduced: the lamp blinks in documented 2/2, in 4 controls 0/8."


def test_a_claim_that_was_judged_goes_before_the_main_one() -> None:
    """Where the main claim's control did not run, another claim's whole answer says more."""
    other = claim("B-2", absent=["tcp"])
    rows = trials(documented="+++", tcp="---")
    assert sentence(lamp(MAIN, other), rows) == "Reproduced: “claim B-2” (in documented 3/3, in tcp 0/3)."


def own(shown: str, factors: dict[str, str]) -> list[TrialRecord]:
    """Trials of own factors."""
    return [trial("custom", mark == "+", number, factors=factors) for number, mark in enumerate(shown, 1)]


def test_own_factors_say_what_they_were_for() -> None:
    """How many signs were looked for and showed, against the run on record."""
    scenario = lamp(MAIN, claim("B-2", absent=["old"], sign=lambda o: not o["blinked"]))
    record = judge(scenario, "then", trials(documented="+++", old="---"))
    rows = own("--", {"RELEASE": "0.8"})
    assert sentence(scenario, rows, recorded=record) == (
        "Not seen: the lamp blinks with RELEASE=0.8 0/2 (on record: documented 3/3); 2 signs looked for, 1 showed."
    )
    assert sentence(scenario, rows).endswith("with RELEASE=0.8 0/2; 2 signs looked for, 1 showed.")


@pytest.mark.parametrize("name", loader.names(ROOT))
def test_the_answer_on_record_agrees_with_the_verdict(name: str) -> None:
    """A scenario that names no main sign is one of many claims; its answer counts them."""
    scenario = loader.load(ROOT, name)
    record = read_record(scenario)
    if record is None:
        return
    of_record = answer(scenario, record.verdict)
    if of_record.kind == Kind.JUDGED:
        claims = record.verdict.claims
        confirmed = sum(claim.verdict == "confirmed" for claim in claims)
        refuted = [claim.id for claim in claims if claim.verdict == "refuted"]
        assert of_record.details.startswith(f"{confirmed} of {len(claims)} claims confirmed; refuted: {refuted[0]}")
        return
    judged = record.verdict.claim(of_record.claim)
    assert judged is not None
    expected = {"confirmed": Kind.REPRODUCED, "refuted": Kind.NOT_REPRODUCED, "intermittent": Kind.COMES_AND_GOES}
    assert of_record.kind == expected[judged.verdict]


def with_answer(text: str) -> str:
    """The small scenario with this answer."""
    return COMPOSE.replace("services:", f"  answer: {text}\nservices:")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("it blinks", "x-reprolab.answer is 'it blinks'"),
        ("{B-2: it blinks}", "x-reprolab.answer names 'B-2', which is not one of its claims"),
        ("{B-1: }", "x-reprolab.answer.B-1 is empty"),
        ("{B-1: [x]}", "x-reprolab.answer.B-1 is ['x']"),
    ],
)
def test_a_malformed_answer(tmp_path: Path, text: str, expected: str) -> None:
    """The message names the key."""
    with pytest.raises(UsageError) as error:
        load(tmp_path, compose=with_answer(text))
    assert expected in str(error.value)


def test_the_words_do_not_change_the_case(tmp_path: Path) -> None:
    """A text about a case decides no run."""
    scenario = load(tmp_path / "a", compose=with_answer("{B-1: the lamp blinks.}"))
    assert scenario.answer == {"B-1": "the lamp blinks"}
    assert case_digest(scenario.directory) == case_digest(load(tmp_path / "b").directory)
