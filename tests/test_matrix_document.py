"""matrix.json: what it holds, and how a damaged one is refused."""

from __future__ import annotations

import copy
import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cases import DATA
from reprolab.core.errors import UsageError
from reprolab.matrix.csv_file import to_csv
from reprolab.matrix.document import MATRIX_FILE, MatrixDocument, read_matrix, write_matrix

RECORDED = DATA / "matrix"


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    """The content of a file that the lab wrote."""
    text = (RECORDED / MATRIX_FILE).read_text(encoding="utf-8")
    return dict(json.loads(text))


def test_a_map_is_read_as_it_was_written(tmp_path: Path, content: dict[str, Any]) -> None:
    """Nothing is lost on the way."""
    document = read_matrix(RECORDED)
    write_matrix(tmp_path, document)
    assert read_matrix(tmp_path) == document
    assert json.loads((tmp_path / MATRIX_FILE).read_text(encoding="utf-8")) == content


def test_a_cell_of_the_file_is_complete_by_itself(content: dict[str, Any]) -> None:
    """Experiment, factors, counts with their intervals, invalid trials with a reason, and the place of its evidence."""
    cells = {tuple(cell["coordinates"].values()): cell for cell in content["cells"]}
    mixed = cells["20.0.2", "gthread"]
    assert mixed["experiment"] == "vanish"
    assert mixed["changes"] == {"GUNICORN": "20.0.2", "WORKER_CLASS": "gthread"}
    assert mixed["counts"]["SV-1"] == {"shown": 2, "trials": 3, "interval": [0.2077, 0.9385]}
    assert mixed["evidence"].startswith("cells/socket-vanish/vanish/")
    assert cells["19.7.0", "sync"]["invalid"] == 2
    assert cells["19.7.0", "sync"]["reason"] == "app did not start: exit code 1"
    assert cells["22.0.0", "eventlet"]["obstacle"] == "image build failed: no such release"
    assert not {"counts", "evidence", "trials"} & cells["22.0.0", "eventlet"].keys()
    assert cells["22.0.0", "sync"]["companions"] == {"PYTHON": "3.12.1", "BOTTLE": "0.13.4"}


DAMAGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another schema": lambda data: data.update(schema=2),
    "no schema": lambda data: data.pop("schema"),
    "no cells": lambda data: data.pop("cells"),
    "no axes": lambda data: data.update(axes=[], cells=[]),
    "a cell is missing": lambda data: data["cells"].pop(),
    "a cell is there twice": lambda data: data["cells"].__setitem__(1, data["cells"][0]),
    "cells in another order": lambda data: data["cells"].reverse(),
    "a coordinate is missing": lambda data: data["cells"][0]["coordinates"].clear(),
    "more shown than trials": lambda data: data["cells"][0]["counts"]["SV-1"].update(shown=2),
    "fewer than none shown": lambda data: data["cells"][0]["counts"]["SV-1"].update(shown=-1),
    "more counted than run": lambda data: data["cells"][0].update(trials=0),
    "more kept than run": lambda data: data["cells"][0].update(kept=9),
    "fewer than none invalid": lambda data: data["cells"][0].update(invalid=-1),
    "a count that is a text": lambda data: data["cells"][0]["counts"]["SV-1"].update(shown="1"),
    "a count that is a fraction": lambda data: data["cells"][0]["counts"]["SV-1"].update(trials=1.5),
    "counts of an unknown claim": lambda data: data["cells"][0]["counts"].update({"SV-99": {"shown": 0, "trials": 1}}),
    "a claim without a text": lambda data: data["claims"][0].pop("text"),
    "a value that is a number": lambda data: data["axes"][0]["values"][0].update(date=5),
    "cells that are a text": lambda data: data.update(cells="none"),
    "a reason that is a list": lambda data: data["cells"][0].update(reason=["x"]),
    "a seed that is a text": lambda data: data.update(seed="7"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_map_is_refused(
    tmp_path: Path, content: dict[str, Any], damage: Callable[[dict[str, Any]], Any]
) -> None:
    """With an error that names the file; nothing is guessed."""
    damaged = copy.deepcopy(content)
    damage(damaged)
    (tmp_path / MATRIX_FILE).write_text(json.dumps(damaged), encoding="utf-8")
    with pytest.raises(UsageError, match=f"{tmp_path}/{MATRIX_FILE} does not have the lab's format"):
        read_matrix(tmp_path)


@pytest.mark.parametrize(("text", "message"), [("{", "is not JSON"), ("[]", "is not an object"), ("", "is not JSON")])
def test_what_is_no_map_at_all_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """A file that was cut off, or another one."""
    (tmp_path / MATRIX_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=f"{MATRIX_FILE} .*{message}"):
        read_matrix(tmp_path)


def test_a_directory_without_a_map_is_refused(tmp_path: Path) -> None:
    """Such as that of a run."""
    with pytest.raises(UsageError, match=r"holds no map: there is no matrix\.json"):
        read_matrix(tmp_path)


def rows(document: MatrixDocument) -> list[dict[str, str]]:
    """The rows of the map as CSV."""
    return list(csv.DictReader(io.StringIO(to_csv(document))))


def test_the_csv_has_a_row_for_each_cell_and_claim() -> None:
    """With the release date, the interval, the reason and the evidence."""
    document = read_matrix(RECORDED)
    every = rows(document)
    assert len(every) == 60 * 12
    by_cell = {(row["GUNICORN"], row["WORKER_CLASS"], row["claim"]): row for row in every}
    mixed = by_cell["20.0.2", "gthread", "SV-1"]
    assert [mixed[name] for name in ("GUNICORN released", "state", "shown", "trials", "low", "high")] == [
        *("2019-11-23", "in some trials", "2", "3", "0.2077", "0.9385"),
    ]
    broken = by_cell["22.0.0", "eventlet", "SV-1"]
    assert [broken[name] for name in ("state", "reason", "low", "companions", "evidence")] == [
        *("invalid", "image build failed: no such release", "", "PYTHON=3.12.1 BOTTLE=0.13.4", ""),
    ]


def test_a_hostile_text_does_not_break_the_csv() -> None:
    """A reason may have commas, quotes, ends of lines and escape sequences."""
    document = read_matrix(RECORDED)
    (first, *others) = document.cells
    hostile = replace(first, counts={}, trials=1, invalid=1, reason='a,"b"\x1b[31m\nError: c')
    changed = replace(document, cells=(hostile, *others))
    every = rows(changed)
    assert len(every) == 60 * 12
    assert every[0]["reason"] == 'a,"b"\N{REPLACEMENT CHARACTER}[31m: … Error: c'
