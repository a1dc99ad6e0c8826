"""JSON lines in a log, as the scenarios' witnesses write them."""

from __future__ import annotations

import gzip

import pytest
from cases import DATA, RUNS
from reprolab.logs import json_object, json_objects


def test_the_witnesses_of_recorded_runs() -> None:
    """The engine's timestamp before the object is skipped; so are other lines."""
    with gzip.open(RUNS / "whole/vanish/documented/1/witness.log.gz") as log:
        assert [row["event"] for row in json_objects(log, '"witness": "watch"')] == ["watching", "appeared", "gone"]
    with gzip.open(RUNS / "whole/vanish/documented/1/app.streams.log.gz") as log:
        assert [row["errno"] for row in json_objects(log, '"witness": "unlink"')] == [0, 2, 2, 2, 2]
    with gzip.open(DATA / "spawn-workers/app.log.gz", "rt", encoding="utf-8") as text:
        assert {row["witness"] for row in json_objects(text, '{"witness": ')} == {"start", "load"}


def test_an_object_after_other_text() -> None:
    """Two programs may write to one line; the object begins at the first brace."""
    assert json_object('g_var 0 as pid 7 loads main.py{"witness": "load", "inner": {"a": 1}}\n') == {
        "witness": "load",
        "inner": {"a": 1},
    }


@pytest.mark.parametrize(
    "line",
    ['2026-11-21T14:45:47.4Z {"witness": "watch", "t_ns": 17', '"witness": "watch"', '{"witness": "watch"} and more'],
)
def test_an_incomplete_line_is_an_error(line: str) -> None:
    """It is evidence, so it is not skipped."""
    for lines in ([line], [line.encode()]):
        with pytest.raises(ValueError, match=r".*"):
            list(json_objects(lines, '"witness"'))  # type: ignore[arg-type]
