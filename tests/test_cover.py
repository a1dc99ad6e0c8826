"""The variants of the end-to-end tests cover both outcomes of each claim."""

import pytest
from cases import having
from cover import cover, needs, recorded

NAMES = having("recorded.json")


@pytest.mark.parametrize("name", NAMES)
def test_every_need_is_met(name: str) -> None:
    """A claim whose sign shows in some recorded variants and not in others has both among the chosen variants."""
    chosen = set(cover(name))
    assert [need for need in needs(name) if not need.variants & chosen] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_recorded_claim_has_needs(name: str) -> None:
    """No claim is left out of the tests, and a refuted claim needs a variant that contradicts it."""
    rows = recorded(name)["claims"]
    assert {row["id"] for row in rows} == {need.claim for need in needs(name)}
    refuted = {row["id"] for row in rows if row["verdict"] == "refuted"}
    assert refuted == {need.claim for need in needs(name) if need.what == "contradicted"}
