"""failed-startup: the signs and triggers on small observations and on recorded ones, and one pair of real trials."""

from __future__ import annotations

import asyncio
import gzip
import json
import runpy
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cases import ROOT, trials_of
from lab import lab, read, run_directory
from reprolab.evidence.run_dir import TrialDirectory
from reprolab.scenario import loader

NAME = "failed-startup"
FAILED = {"type": "lifespan.startup.failed"}


@pytest.fixture(scope="module")
def claims() -> ModuleType:
    """The experiment's module."""
    return sys.modules[loader.load(ROOT, NAME).experiments["claims"].drive.__module__]


def seen(status: int | None = None, *answers: str, **more: Any) -> dict[str, Any]:
    """A small observation: the exit status of the server (None: it runs on) and what its clients got."""
    base = {"sent": [FAILED], "raised": ["LifespanFailureError"], "tracebacks": ["LifespanFailureError"]}
    return base | {"start": {"exit_status": status}, "answers": list(answers)} | more


def test_a_server_that_runs_on_answers_500_alone(claims: ModuleType) -> None:
    """Other answers, none at all, or an end are something else."""
    assert claims.runs_and_fails(seen(None, "500", "500"))
    assert not claims.runs_and_fails(seen(None, "500", "200"))
    assert not claims.runs_and_fails(seen(None, "refused"))
    assert not claims.runs_and_fails(seen(None))
    assert not claims.runs_and_fails(seen(0))


def test_the_message_is_the_cause_where_the_server_raised_keyerror(claims: ModuleType) -> None:
    """And only if the server runs on after it."""
    assert claims.trips_over_the_message(seen(None, raised=["KeyError"]))
    assert not claims.trips_over_the_message(seen(0, raised=["KeyError"]))
    assert not claims.trips_over_the_message(seen(None))


@pytest.mark.parametrize(("status", "success", "failure"), [(0, True, False), (1, False, True), (None, False, False)])
def test_only_a_server_that_ended_has_a_status(
    claims: ModuleType, status: int | None, success: bool, failure: bool
) -> None:
    """While it runs neither sign shows."""
    assert (claims.status_of_success(seen(status)), claims.status_of_failure(seen(status))) == (success, failure)


def test_an_end_for_another_reason_does_not_count(claims: ModuleType) -> None:
    """The application must have said that it failed, and this must have ended the worker."""
    assert claims.worker_ended_by_it(seen(0)) and claims.said_failed(seen(0))
    assert not claims.worker_ended_by_it(seen(0, tracebacks=["ModuleNotFoundError"]))
    assert not claims.worker_ended_by_it(seen(None))
    assert not claims.worker_ended_by_it(seen(0, sent=[]))
    assert not claims.said_failed(seen(sent=[{"type": "lifespan.startup.complete"}]))


def test_the_log_tells_what_was_sent_and_raised(claims: ModuleType, tmp_path: Path) -> None:
    """From the application's own lines and the worker's traceback."""
    stamp = "2026-01-01T00:00:00.000000000Z "
    lines = [
        '{"app": {"sends": {"type": "lifespan.startup.failed"}}}',
        '{"app": {"raised": "LifespanFailureError"}}',
        "Traceback (most recent call last):",
        '  File "/usr/local/lib/python3.11/site-packages/hypercorn/asyncio/lifespan.py", line 118, in asgi_send',
        "hypercorn.utils.LifespanFailureError: Lifespan failure in startup. ''",
    ]
    with gzip.open(tmp_path / "app.log.gz", "wt", encoding="utf-8") as log:
        log.writelines(f"{stamp}{line}\n" for line in lines)
    o = claims.observe(TrialDirectory(tmp_path), {})
    assert o == {"sent": [FAILED], "raised": ["LifespanFailureError"], "tracebacks": ["LifespanFailureError"]}


def recorded() -> dict[str, dict[str, Any]]:
    """The observations of a recorded run, by variant."""
    rows = map(json.loads, trials_of(NAME).splitlines())
    return {row["variant"]: row["observation"] for row in rows}


def test_the_signs_on_the_recorded_trials(claims: ModuleType) -> None:
    """Each sign shows where the record has it, and nowhere else."""
    observations = recorded()
    assert set(observations) == set(claims.VARIANTS)

    def where(sign: Any) -> set[str]:
        return {variant for variant, o in observations.items() if sign(o)}

    assert where(claims.runs_and_fails) == {"documented", "hypercorn-0.13.2"} == where(claims.trips_over_the_message)
    status_1 = {name for name in claims.VARIANTS if name.endswith(("-kept-status", "-no-worker"))}
    assert where(claims.status_of_failure) == status_1
    assert where(claims.status_of_success) == set(claims.VARIANTS) - status_1 - {
        "documented",
        "hypercorn-0.13.2",
        "startup-works",
    }


@pytest.mark.parametrize(
    ("startup", "message", "sent"),
    [
        ("fails", "", FAILED),
        ("fails", "no database", FAILED | {"message": "no database"}),
        ("works", "", {"type": "lifespan.startup.complete"}),
    ],
)
def test_the_application_sends_what_it_is_told_to(
    monkeypatch: pytest.MonkeyPatch, startup: str, message: str, sent: dict[str, str]
) -> None:
    """The message has no key where there is no text."""
    monkeypatch.setenv("STARTUP", startup)
    monkeypatch.setenv("MESSAGE", message)
    app = runpy.run_path(str(ROOT / "scenarios" / NAME / "app.py"))["app"]
    got = []

    async def receive() -> dict[str, str]:
        return {"type": "lifespan.startup"}

    async def send(event: dict[str, str]) -> None:
        got.append(event)

    asyncio.run(app({"type": "lifespan"}, receive, send))
    assert got[0] == sent


@pytest.mark.docker
@pytest.mark.timeout(900)
def test_a_failed_start_on_real_containers(tmp_path: Path) -> None:
    """The status of 0.18.0 is 0, and 1 with the condition turned around."""
    chosen = ("hypercorn-0.18.0", "0.18.0-kept-status")
    options = [word for name in chosen for word in ("--variant", name)]
    code, text = lab(tmp_path / "results", "run", NAME, *options, "--trials", "1")
    assert code == 0, text
    run = run_directory(tmp_path / "results", NAME)
    counts = read(run / "verdict.json")["signs"]["FS-6"]
    assert [counts[name]["shown"] for name in chosen] == [1, 0]
