"""Faults injected into real runs, and the figures of repeated verdicts."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import soak
from cases import ROOT, claim, in_memory, trials
from chaos import faults
from chaos.__main__ import broken_promises, images_of, markdown
from chaos.attempt import CASE, Attempt, Outcome, wrong
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import BaseImage, Image, RunInfo
from reprolab.verdict.judge import judge


@pytest.mark.docker
def test_the_promises_hold_under_faults(tmp_path: Path) -> None:
    """Some faults on real containers: exit status, no wrong verdict, nothing left, a message, no traceback."""
    table = tmp_path / "table.md"
    done = subprocess.run(
        [sys.executable, "-m", "chaos", "--quick", "--markdown", str(table)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert table.read_text(encoding="utf-8").count("| kept |") == sum(fault.quick for fault in faults.all_faults(None))


def test_a_run_of_the_same_second_leaves_nothing_to_this_one(tmp_path: Path) -> None:
    """Runs elsewhere may have the same name: the objects of an attempt are those of its own process."""
    run = RunDirectory(tmp_path / CASE / "20260101T000000Z")
    run.path.mkdir(parents=True)
    run.write_info(RunInfo(CASE, pid="boot:7:99:1:machine"))
    asked: list[Any] = []
    kind = SimpleNamespace(list=lambda **options: asked.append(options["filters"]["label"]) or [])
    client: Any = SimpleNamespace(containers=kind, networks=kind, volumes=kind)
    attempt = Attempt(tmp_path, tmp_path, client, {})
    assert attempt.left() == []
    assert asked == 3 * [["reprolab.run=20260101T000000Z", "reprolab.owner=boot:7:99"]]


def test_the_second_engine_gets_all_images_of_the_run() -> None:
    """It has no network, so it can build none. The lab's own tools were left out once."""
    info = RunInfo(
        "chaos",
        bases={"debian:bookworm-slim": BaseImage("reprolab-base/debian:host"), "python:3.9": BaseImage()},
        images={"documented": {"chaos-app": Image("reprolab/chaos-app:1"), "client": Image("reprolab/client:2")}},
    )
    assert images_of(info) == ["reprolab-base/debian:host", "reprolab/chaos-app:1", "reprolab/client:2"]


def test_there_are_many_faults() -> None:
    """Each has a name of its own, and at least one exit status that is not that of a drift."""
    names = [fault.name for fault in faults.all_faults(None)]
    assert len(names) == len(set(names)) >= 40
    assert all(fault.exits and faults.DRIFT_ONLY not in fault.exits for fault in faults.all_faults(None))


class Finished(Attempt):
    """An attempt that has ended, with this output and this status in run.json."""

    def __init__(self, output: str, status: str) -> None:
        self.printed, self.said = output, status

    @property
    def output(self) -> str:
        return self.printed

    def status(self) -> str:
        return self.said


PROMISED = faults.Fault("a fault", faults.nothing, frozenset({3}), says="proxy", status="complete")


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({}, ""),
        ({"status": None}, "it did not end"),
        ({"status": 0}, "exit status 0, not 3"),
        ({"verdicts": {"X-1": "refuted"}}, "wrong verdict: X-1 refuted, in truth confirmed"),
        ({"left": ["chaos-app-1"]}, "left on the engine: chaos-app-1"),
        ({"output": "Traceback (most recent call last)\nproxy"}, "a traceback"),
        ({"output": ""}, "no message with 'proxy'"),
        ({"said": "running"}, "run.json says running, not complete"),
    ],
)
def test_a_broken_promise_is_seen(changes: dict[str, Any], broken: str) -> None:
    """A check that cannot fail would prove nothing."""
    case: dict[str, Any] = {
        "status": 3,
        "verdicts": {},
        "left": [],
        "output": "proxy ended",
        "said": "complete",
    } | changes
    attempt = Finished(case["output"], case["said"])
    assert "".join(broken_promises(PROMISED, attempt, case["status"], case["verdicts"], case["left"])) == broken


def test_an_undecided_claim_is_not_wrong() -> None:
    """Only a decided verdict can be wrong."""
    assert wrong({"X-1": "inconclusive", "X-2": "refuted"}) == []
    assert wrong({"X-1": "intermittent", "X-2": "confirmed"}) == [
        "X-1 intermittent, in truth confirmed",
        "X-2 confirmed, in truth refuted",
    ]


def test_the_table_of_faults() -> None:
    """One line for each; a bar in a message does not end its cell."""
    outcome = Outcome("killed", 3, {"X-1": "inconclusive"}, (), "proxy | ended", 1.0, ())
    assert markdown([outcome]).splitlines()[-1] == (
        "| killed | 3 | X-1 inconclusive | nothing | proxy \\| ended | kept |"
    )


def test_the_figures_of_repeated_verdicts() -> None:
    """A decided verdict that differs from the record is wrong; an inconclusive one is only counted."""
    scenario = in_memory(claim("B-1"), claim("B-2", absent=["old"]), claim("B-3", shows=["dim"]))
    record = judge(scenario, "then", trials(documented="+++", old="---", dim="+++"))
    verdict = judge(scenario, "now", trials(documented="+", old="+", dim="x"), record)
    row = soak.counted("blink", True, 3, verdict, 61.0)
    assert (row.as_recorded, row.wrong, row.inconclusive) == (1, ("B-2 refuted",), 1)
    line = list(soak.summary([row]))[-1]
    assert line == "| blink | two for each processor | 0% | 1 | 3 | 1 (B-2 refuted) | 33% | 1.0 |"


def test_runs_of_earlier_calls_are_counted(tmp_path: Path) -> None:
    """The file of a collection that goes on for days."""
    row = {
        "case": "blink",
        "pressed": False,
        "status": 0,
        "as_recorded": 2,
        "wrong": [],
        "inconclusive": 0,
        "seconds": 9.5,
        "trials": 4,
        "busy": 1,
    }
    (tmp_path / "soak.jsonl").write_text(2 * (json.dumps(row) + "\n"), encoding="utf-8")
    assert [sample.as_recorded for sample in soak.read_samples(tmp_path / "soak.jsonl")] == [2, 2]
