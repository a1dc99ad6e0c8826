"""spawn-workers on real containers: the variants that decide each claim, one trial each."""

import json
from pathlib import Path

import pytest
from cover import differences, run_cover, unmet
from lab import engine, left, read

pytestmark = [pytest.mark.docker, pytest.mark.alone, pytest.mark.timeout(900)]

NAME = "spawn-workers"
# What the tests below look at beside the signs.
ALSO = ("imports/forked", "imports/gunicorn", "distribution/quick")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run of the variants that decide; its directory."""
    return run_cover(tmp_path_factory.mktemp("e2e") / "results", NAME, ALSO)[0]


def seen(run: Path, experiment: str, variant: str) -> dict:
    """The observation of a variant's only trial."""
    rows = [json.loads(line) for line in (run / "trials.jsonl").read_text(encoding="utf-8").splitlines()]
    return next(row for row in rows if (row["experiment"], row["variant"]) == (experiment, variant))["observation"]


def test_every_sign_is_as_recorded(run: Path) -> None:
    """Each claim's sign shows, and does not show, where the committed run has it so."""
    assert differences(run, NAME) == []
    assert unmet(run, NAME) == []


def test_the_document_loads_its_file_seven_times(run: Path) -> None:
    """Once in the parent, twice in each worker, under two names."""
    o = seen(run, "imports", "documented")
    assert len(o["loads"]["printed"]) == 7
    assert sorted(one["name"] for one in o["loads"]["witnessed"]) == ["__main__", *["__mp_main__"] * 3, *["main"] * 3]


def test_forked_and_spawned_workers_are_told_apart_by_four_witnesses(run: Path) -> None:
    """Kernel, memory, interpreter and token say the same of each worker, where one says anything."""
    for variant, forked in (("documented", False), ("forked", True), ("gunicorn", True)):
        o = seen(run, "imports", variant)
        workers = [one for one in o["processes"] if one["pid"] in o["workers"]]
        assert len(workers) == 3
        assert {one["forked"] for one in workers} == {one["layout_of_parent"] for one in workers} == {forked}
        tokens = {one["token"] for one in o["loads"]["begun"] if one["pid"] in (*o["workers"], o["server"])}
        assert len(tokens) == (1 if forked else 4)


def test_nobody_follows_the_threads(run: Path) -> None:
    """Each worker had the most threads by far when three clients came, and they went where they went before."""
    o = seen(run, "distribution", "quick")
    assert [one["target"] for one in o["phases"] if one["phase"] == "three" and "target" in one] == [0, 1, 2]
    rate = read(run / "verdict.json")["signs"]["SW-8"]["distribution/quick"]["rate"]
    assert rate["of"] == 36 and rate["interval"][1] < 0.5


def test_nothing_is_left_on_the_engine(run: Path) -> None:
    """No container, network or volume of the run survives it."""
    assert left(engine(), run) == []
