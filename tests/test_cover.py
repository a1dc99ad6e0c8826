"""The variants of the end-to-end tests leave no claim with one side alone."""

import pytest
from cases import having
from cover import cover, needs, recorded

NAMES = having("recorded.json")


@pytest.mark.parametrize("name", NAMES)
def test_every_need_is_met(name: str) -> None:
    """A claim whose sign comes out both ways on record does so among the chosen variants."""
    chosen = set(cover(name))
    assert [need for need in needs(name) if not need.variants & chosen] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_claim_on_record_is_asked(name: str) -> None:
    """No claim drops out of the tests: each needs something, and a refuted one its contradiction."""
    rows = recorded(name)["claims"]
    assert {row["id"] for row in rows} == {need.claim for need in needs(name)}
    refuted = {row["id"] for row in rows if row["verdict"] == "refuted"}
    assert refuted == {need.claim for need in needs(name) if need.what == "contradicted"}
