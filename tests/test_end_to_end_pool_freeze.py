"""pool-freeze on real containers: the variants that decide each claim."""

import json
from pathlib import Path
from typing import Any

import pytest
from cover import differences, run_cover, unmet
from lab import engine, left, read

pytestmark = [pytest.mark.docker, pytest.mark.alone]

# The other side of the cause: no gunicorn, but a handler that takes note.
ALSO = ("freeze/script-noting",)


def trials(run: Path) -> dict[str, dict[str, Any]]:
    """Each trial by experiment/variant."""
    lines = (run / "trials.jsonl").read_text(encoding="utf-8").splitlines()
    return {f"{row['experiment']}/{row['variant']}": row for row in map(json.loads, lines)}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run of the variants that decide; its directory."""
    return run_cover(tmp_path_factory.mktemp("pool-freeze") / "results", "pool-freeze", ALSO)[0]


@pytest.mark.timeout(1200)
def test_every_sign_is_as_recorded(run: Path) -> None:
    """Each claim's sign shows, and does not show, where the committed run has it so."""
    assert differences(run, "pool-freeze") == []
    assert unmet(run, "pool-freeze") == []


def test_the_cause_is_in_the_forensics(run: Path) -> None:
    """A frozen trial's evidence: SIGTERM caught in the child, the worker in waitpid, the child at the queue's lock."""
    where = run / "freeze/documented/1/forensics"
    summary = (where / "summary.txt").read_text(encoding="utf-8")
    seen = trials(run)["freeze/documented"]["observation"]
    first = next(one for one in seen["attempts"] if one["seen"])
    assert f"wait4: until child {first['chain'][1].partition(':')[0]} ends" in summary
    assert "_terminate_pool" in summary and "SIGTERM caught" in summary
    assert "futex: a semaphore in shared memory" in summary and "get queues.py" in summary
    assert read(where / "snapshot.json")["processes"]


def test_only_the_handler_differs_between_freeze_and_answer(run: Path) -> None:
    """Same server, same code, SIGTERM's default: 0 of 60; same code, no gunicorn, a handler that notes: it freezes."""
    seen = {name: row["observation"] for name, row in trials(run).items()}
    default = seen["freeze/handler-default"]
    assert (default["frozen"], default["asked"], default["sigterm"]["children"]) == (0, 60, ["default"])
    noting = seen["freeze/script-noting"]
    # On a busy machine one or the other request wins the race.
    assert 2 * noting["frozen"] > noting["asked"] and noting["sigterm"]["children"] == ["caught"]


def test_a_freed_request_ends(run: Path) -> None:
    """The worker waited for nothing but the children: once they are ended, the request is answered."""
    seen = trials(run)["freeze/documented"]["observation"]
    assert {one["freed"] for one in seen["attempts"] if one["frozen"]} == {"500"}


def test_nothing_is_left_on_the_engine(run: Path) -> None:
    """Nor is the container that looked at the processes."""
    assert left(engine(), run) == []
