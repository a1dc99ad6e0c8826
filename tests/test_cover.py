"""The variants of the end-to-end tests cover both outcomes of each claim."""

import json
from pathlib import Path

import pytest
from cases import having
from cover import by_chance, cover, differences, needs, pure_signs, recorded, unmet
from reprolab.core.stats import wilson

NAMES = having("recorded.json")


@pytest.mark.parametrize("name", NAMES)
def test_every_need_is_met(name: str) -> None:
    """A claim whose sign shows in some recorded variants and not in others has both among the chosen variants."""
    chosen = set(cover(name))
    assert [need for need in needs(name) if not need.variants & chosen] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_recorded_claim_has_needs(name: str) -> None:
    """No claim is left out of the tests, and a refuted claim needs a variant that contradicts it.

    But for those whose sign could come out either way in every variant: there the few trials of a test say nothing.
    """
    record = recorded(name)
    rows = [row for row in record["claims"] if pure_signs(record, row["id"])]
    assert {row["id"] for row in rows} == {need.claim for need in needs(name)}
    refuted = {row["id"] for row in rows if row["verdict"] == "refuted"}
    assert refuted == {need.claim for need in needs(name) if need.what == "contradicted"}


def test_a_sign_that_could_not_be_read_is_a_difference(tmp_path: Path) -> None:
    """A valid trial without the sign has shown nothing; the record itself has no differences."""
    name = NAMES[0]
    verdict = recorded(name)
    (tmp_path / "verdict.json").write_text(json.dumps(verdict), encoding="utf-8")
    before = differences(tmp_path, name)
    need = next(need for need in needs(name) if len(need.variants) == 1)
    (variant,) = need.variants
    verdict["signs"][need.claim][variant] = {"shown": 0, "trials": 0}
    (tmp_path / "verdict.json").write_text(json.dumps(verdict), encoding="utf-8")
    line = f"{need.claim} in {variant}: no valid trial counts: {{'shown': 0, 'trials': 0}}"
    assert set(differences(tmp_path, name)) - set(before) == {line}
    assert need in unmet(tmp_path, name)


def test_a_sign_that_chance_decides_in_a_run_is_no_difference(tmp_path: Path) -> None:
    """On record all 30 tries showed it; 9 of 10 in one trial do not contradict that."""
    verdict = recorded("pool-freeze")
    verdict["signs"]["PF-3"]["freeze/latency-0"] = {
        "shown": 0,
        "trials": 1,
        "rate": {"shown": 9, "of": 10, "interval": wilson(9, 10)},
    }
    (tmp_path / "verdict.json").write_text(json.dumps(verdict), encoding="utf-8")
    assert differences(tmp_path, "pool-freeze") == []


@pytest.mark.parametrize(
    ("shown", "tries", "expected"),
    [(0, (9, 10), True), (0, (0, 10), False), (0, (1, 10), False), (1, (10, 10), False), (1, (1, 10), True)],
)
def test_a_sign_that_could_come_out_the_other_way(shown: int, tries: tuple[int, int], expected: bool) -> None:
    """Nine of ten tries and no sign "in all", or one of ten and the sign "in any": one trial may differ."""
    count = {"shown": shown, "trials": 1, "rate": {"shown": tries[0], "of": tries[1], "interval": wilson(*tries)}}
    assert by_chance(count) is expected
