"""The sentences of a document that no run tests: how they are read, and that they stand in the table of the claims."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cases import ROOT
from reprolab.core.errors import UsageError
from reprolab.publish import readme_sections
from reprolab.scenario import loader
from reprolab.scenario.not_tested import NotTested, check_ids, read_not_tested

ROW = {"id": "MC-3", "text": "It runs\non Windows.", "why": "no Windows here"}


def test_a_sentence_has_an_id_its_text_and_the_reason() -> None:
    """Line breaks of YAML become spaces."""
    assert read_not_tested([ROW], "compose.yaml") == (NotTested("MC-3", "It runs on Windows.", "no Windows here"),)
    assert read_not_tested(None, "compose.yaml") == ()


@pytest.mark.parametrize("content", [[], "MC-3", [{**ROW, "why": " "}], [{**ROW, "id": "three"}], [{**ROW, "x": "y"}]])
def test_a_malformed_list_is_refused_with_its_place(content: Any) -> None:
    """Nothing that says less than all three is taken."""
    with pytest.raises(UsageError, match=r"not_tested"):
        read_not_tested(content, "compose.yaml")


def test_an_id_belongs_to_one_sentence() -> None:
    """Neither a claim nor another such sentence may have it."""
    (sentence,) = read_not_tested([ROW], "compose.yaml")
    check_ids([sentence], ["MC-1"], "compose.yaml")
    for sentences, claims in (([sentence], ["MC-3"]), ([sentence, sentence], [])):
        with pytest.raises(UsageError, match="MC-3"):
            check_ids(sentences, claims, "compose.yaml")


def test_it_stands_in_the_table_at_its_number() -> None:
    """Between the claims, as not tested, with the reason in place of the counts."""
    scenario = loader.load(ROOT, "spawn-workers")
    table = readme_sections.PARTS["claims"]([replace(scenario, not_tested=(NotTested("SW-2", "a | b", "why"),))])
    rows = table.splitlines()[2:]
    assert [row.split(" | ")[0] for row in rows][:4] == ["| SW-1", "| SW-2", "| SW-2", "| SW-3"]
    assert "*not tested* | why |" in rows[2]


def test_the_sentence_about_windows_is_not_tested() -> None:
    """Its id follows those of the claims, and is free."""
    scenario = loader.load(ROOT, "spawn-workers")
    assert [sentence.id for sentence in scenario.not_tested] == [f"SW-{len(scenario.claims) + 1}"]
