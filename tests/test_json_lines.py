"""Lines of JSON in a log: what the scenarios' witnesses say."""

from __future__ import annotations

import gzip

import pytest
from cases import DATA, RUNS
from reprolab.logs import json_object, json_objects


def test_the_witnesses_of_recorded_runs() -> None:
    """The engine's timestamp stands before the object; other lines are passed over."""
    with gzip.open(RUNS / "whole/vanish/documented/1/witness.log.gz") as log:
        assert [one["event"] for one in json_objects(log, '"witness": "watch"')] == ["watching", "appeared", "gone"]
    with gzip.open(RUNS / "whole/vanish/documented/1/app.streams.log.gz") as log:
        assert [one["errno"] for one in json_objects(log, '"witness": "unlink"')] == [0, 2, 2, 2, 2]
    with gzip.open(DATA / "spawn-workers/app.log.gz", "rt", encoding="utf-8") as text:
        assert {one["witness"] for one in json_objects(text, '{"witness": ')} == {"start", "load"}


def test_an_object_behind_another_programs_words() -> None:
    """Two programs may write to one line; the object begins at the first brace."""
    assert json_object('g_var 0 as pid 7 loads main.py{"witness": "load", "inner": {"a": 1}}\n') == {
        "witness": "load",
        "inner": {"a": 1},
    }


@pytest.mark.parametrize(
    "line",
    ['2026-11-21T14:45:47.4Z {"witness": "watch", "t_ns": 17', '"witness": "watch"', '{"witness": "watch"} and more'],
)
def test_a_torn_line_is_an_error(line: str) -> None:
    """A line that a witness began is evidence: it is not left out."""
    for given in ([line], [line.encode()]):
        with pytest.raises(ValueError, match=r".*"):
            list(json_objects(given, '"witness"'))  # type: ignore[arg-type]
