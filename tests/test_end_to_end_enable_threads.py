"""enable-threads on real containers: the variants that decide each claim."""

import json
from pathlib import Path
from typing import Any

import pytest
from cover import differences, run_cover, unmet
from lab import engine, left

pytestmark = [pytest.mark.docker, pytest.mark.alone]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run of the variants that decide; its directory."""
    return run_cover(tmp_path_factory.mktemp("enable-threads") / "results", "enable-threads")[0]


def observed(run: Path, experiment: str, variant: str) -> dict[str, Any]:
    """What a trial saw."""
    for line in (run / "trials.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if (row["experiment"], row["variant"]) == (experiment, variant):
            return row["observation"]
    raise AssertionError(f"{experiment}/{variant} did not run")


@pytest.mark.timeout(1200)
def test_every_sign_is_as_recorded(run: Path) -> None:
    """Each claim's sign shows, and does not show, where the committed run has it so."""
    assert differences(run, "enable-threads") == []
    assert unmet(run, "enable-threads") == []


def test_the_thread_stands_still_and_goes_on(run: Path) -> None:
    """Its second line is due 2 s after the first, and comes only during the next request, 5 s and more later."""
    moments = [at for at, what in observed(run, "background-thread", "documented")["timeline"] if what == "once line 1"]
    assert moments and moments[0] > 4
    moments = [
        at for at, what in observed(run, "background-thread", "enable-threads")["timeline"] if what == "once line 1"
    ]
    assert moments and 1.9 < moments[0] < 3


def test_the_router_serves_nothing_and_is_needed(run: Path) -> None:
    """The child of the documented server, by what happens without it."""
    server, child = observed(run, "who-serves", "documented")["processes"]
    assert (server["served"], child["served"]) == (60, 0)
    assert child["needed"] and child["parent"] == server["pid"]


def test_nothing_is_left_on_the_engine(run: Path) -> None:
    """No container, network or volume of the run survives it."""
    assert left(engine(), run) == []
