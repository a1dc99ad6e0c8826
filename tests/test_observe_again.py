"""The kept files of a run are read again with another observe(), without a new run."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
from cases import lay_out, load, trial, write_run_json
from click.testing import CliRunner
from reprolab.cli import main
from reprolab.core.errors import InvalidTrial, UsageError
from reprolab.engine import labels
from reprolab.evidence.run_dir import RunDirectory
from reprolab.run import observe_again, runner
from reprolab.scenario import loader
from reprolab.stack.outcome import Ending, Outcome
from reprolab.stack.starts import Start

LAMP = '''\
"""Whether the lamp blinks."""
from reprolab import Claim, InvalidTrial

VARIANTS = {"documented": {}, "old": {"RELEASE": "0.9"}}
TRIALS = 1


def drive(stack):
    return {"asked": 1}


def observe(evidence, driven):
    return driven | {"blinked": any(b"BLINK" in line for line in evidence.lines("app"))}


CLAIMS = [Claim("B-1", "It blinks.", sign=lambda o: o["blinked"], shows=["documented"], absent=["old"])]
'''
READS = 'any(b"BLINK" in line for line in evidence.lines("app"))'


def changed(root: Path, reads: str) -> Any:
    """The scenario with another way to read the log."""
    (root / "scenarios" / "blink" / "lamp.py").write_text(LAMP.replace(READS, reads), encoding="utf-8")
    return loader.load(root, "blink")


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run with one trial for each variant; documented wrote a line in lower case, and old none."""
    lay_out(tmp_path, lamp=LAMP)
    directory = RunDirectory(tmp_path / "results" / "blink" / "20260101T000000Z")
    write_run_json(directory, started="2026-01-01 00:00 UTC", status="complete")
    for name, line in (("documented", b"2026 blink\n"), ("old", b"2026 dark\n")):
        evidence = directory.trial("lamp", name, 1)
        evidence.write("driven.json", {"asked": 1})
        evidence.log_path("app").write_bytes(gzip.compress(line))
        directory.append(trial(name, observation={"asked": 1, "blinked": False}, seconds={"up": 1.0}, busy="a build"))
    return directory


def observed(directory: RunDirectory) -> list[tuple[Any, bool]]:
    """For each trial, whether it blinked and whether it is valid."""
    return [(record.observation.get("blinked"), record.valid) for record in directory.trials()]


def test_the_same_code_gives_the_same_observations(tmp_path: Path, run: RunDirectory) -> None:
    """Nothing else of a trial changes either."""
    before = run.trials()
    readings = observe_again.observe_again(loader.load(tmp_path, "blink"), run)
    assert run.trials() == before and observe_again.lines(readings) == []
    summary = run.info().observed
    assert summary and (summary.trials, summary.changed, summary.kept) == (2, 0, 0)


def test_a_mended_observe_gives_other_observations(tmp_path: Path, run: RunDirectory) -> None:
    """What the run recorded is kept byte for byte; run.json says how many observations differ from it."""
    first = (run.path / "trials.jsonl").read_bytes()
    readings = observe_again.observe_again(changed(tmp_path, READS.replace("BLINK", "blink")), run)
    assert observed(run) == [(True, True), (False, True)]
    assert observe_again.lines(readings) == ["lamp/documented #1: other values of blinked"]
    assert (run.path / "trials.first.jsonl").read_bytes() == first
    assert run.trials()[0].busy == "a build" and run.trials()[0].seconds == {"up": 1.0}
    summary = run.info().observed
    assert summary and (summary.trials, summary.changed) == (2, 1)
    assert "1 of 2 observations differ from those of the run" in summary.text


def test_each_reading_begins_with_what_the_run_recorded(tmp_path: Path, run: RunDirectory) -> None:
    """A mistake in between leaves nothing behind, and with the run's own code the run's observations are back."""
    before = run.trials()
    readings = observe_again.observe_again(changed(tmp_path, "evidence.nothing()"), run)
    assert [valid for _, valid in observed(run)] == [False, False]
    assert observe_again.lines(readings)[0].startswith(
        "lamp/documented #1: invalid now: observe() failed: AttributeError: "
    )
    assert run.info().observed and run.info().observed.now_invalid == 2  # type: ignore[union-attr]
    observe_again.observe_again(changed(tmp_path, READS), run)
    assert run.trials() == before
    assert run.info().observed and run.info().observed.changed == 0  # type: ignore[union-attr]


@pytest.mark.parametrize("raises", ["1 / 0", "exec('raise InvalidTrial(\"lines are missing\")')"])
def test_a_trial_that_observe_made_invalid_becomes_valid(tmp_path: Path, run: RunDirectory, raises: str) -> None:
    """Whether observe() had failed, or had said itself that the trial is invalid."""
    broken = changed(tmp_path, raises).experiments["lamp"]
    evidence = run.trial("lamp", "documented", 2)
    evidence.write("driven.json", {"asked": 1})
    evidence.log_path("app").write_bytes(gzip.compress(b"2026 BLINK\n"))
    with pytest.raises(InvalidTrial) as caught:
        runner.observe(broken, evidence, {"asked": 1})
    assert (evidence.path / "observe-error.txt").exists()
    run.append(trial("documented", number=2, observation={}, invalid=str(caught.value)))
    readings = observe_again.observe_again(changed(tmp_path, READS), run)
    assert observed(run)[2] == (True, True)
    assert observe_again.lines(readings) == ["lamp/documented #2: valid now"]
    assert run.info().observed and run.info().observed.now_valid == 1  # type: ignore[union-attr]


def test_a_trial_that_is_invalid_for_another_reason_stays(tmp_path: Path, run: RunDirectory) -> None:
    """Its logs may be there, but its server was not as it should be."""
    evidence = run.trial("lamp", "old", 2)
    evidence.write("driven.json", {"asked": 1})
    evidence.log_path("app").write_bytes(gzip.compress(b"2026 BLINK\n"))
    run.append(trial("old", number=2, observation={}, invalid="app did not start: exit code 1\nmore"))
    readings = observe_again.observe_again(loader.load(tmp_path, "blink"), run)
    assert observed(run)[2] == (None, False)
    reason = "invalid for another reason: app did not start: exit code 1"
    assert observe_again.lines(readings) == [f"not read again: lamp/old #2: {reason}"]
    assert run.info().observed and run.info().observed.kept == 1  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda path: (path / "driven.json").unlink(), "driven.json is missing"),
        (lambda path: (path / "driven.json").write_text("{"), "is not JSON"),
        (lambda path: (path / "app.log.gz").unlink(), "app.log.gz is missing"),
        (
            lambda path: (path / "app.log.gz").write_bytes((path / "app.log.gz").read_bytes()[:-9]),
            "app.log.gz is damaged: it is torn",
        ),
        (
            lambda path: (path / "app.log.gz").write_bytes(b"plain"),
            "app.log.gz is damaged: a part of it, or all, is not gzip",
        ),
    ],
)
def test_a_trial_whose_files_are_missing_stays(tmp_path: Path, run: RunDirectory, harm: Any, reason: str) -> None:
    """Lost or damaged evidence says nothing against what was read when it was whole."""
    harm(run.trial("lamp", "documented", 1).path)
    before = run.trials()
    readings = observe_again.observe_again(changed(tmp_path, READS.replace("BLINK", "dark")), run)
    assert run.trials()[0] == before[0] and observed(run)[1] == (True, True)
    (line,) = [line for line in observe_again.lines(readings) if line.startswith("not read again: lamp/documented #1")]
    assert reason in line
    assert not (run.trial("lamp", "documented", 1).path / "observe-error.txt").exists()


def test_without_observe_nothing_is_read_or_written(tmp_path: Path) -> None:
    """The observation is what drive() returned."""
    scenario = load(tmp_path)
    directory = RunDirectory(tmp_path / "results" / "blink" / "1")
    write_run_json(directory, status="complete")
    directory.append(trial())
    directory.append(trial("old"))
    readings = observe_again.observe_again(scenario, directory)
    assert observe_again.lines(readings) == [
        "not read again: lamp/documented #1 and 1 more trial: the experiment has no observe()"
    ]
    assert not (directory.path / "trials.first.jsonl").exists() and directory.info().observed is None


def test_a_run_that_still_runs_is_refused(tmp_path: Path, run: RunDirectory) -> None:
    """It appends to trials.jsonl. A run that was killed has the same status but no process."""
    write_run_json(run, status="running", pid=labels.process_identity(os.getpid()))
    with pytest.raises(UsageError, match="is still running"):
        observe_again.observe_again(loader.load(tmp_path, "blink"), run)
    write_run_json(run, status="running", pid="boot:1:1")
    observe_again.observe_again(loader.load(tmp_path, "blink"), run)


def test_a_torn_line_is_kept_in_the_first_file(tmp_path: Path, run: RunDirectory) -> None:
    """The new file has whole lines only."""
    with (run.path / "trials.jsonl").open("ab") as stream:
        stream.write(b'{"experiment": "lamp", "variant": "old", "tri')
    observe_again.observe_again(loader.load(tmp_path, "blink"), run)
    assert (run.path / "trials.first.jsonl").read_bytes().endswith(b'"tri')
    assert [json.loads(line)["variant"] for line in (run.path / "trials.jsonl").open()] == ["documented", "old"]


def test_judge_with_observe(tmp_path: Path, run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The verdict is by the new observations, and the report says that the logs were read again."""
    monkeypatch.setenv("REPROLAB_ROOT", str(tmp_path))
    plain = CliRunner().invoke(main.main, ["judge", str(run.path)])
    assert "1 refuted" in plain.output and "logs read again" not in plain.output
    changed(tmp_path, READS.replace("BLINK", "blink"))
    again = CliRunner().invoke(main.main, ["judge", str(run.path), "--observe"])
    assert "1 confirmed" in again.output and "· lamp/documented #1: other values of blinked" in again.output
    assert "1 of 2 observations differ from those of the run" in again.output
    assert "1 of 2 observations differ" in (run.path / "report.txt").read_text(encoding="utf-8")
    CliRunner().invoke(main.main, ["html", str(run.path)])
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "1 of 2 observations differ" in page and "trials.first.jsonl" in page


def test_observe_gets_what_a_file_holds(tmp_path: Path) -> None:
    """During the run as later: keys are texts and tuples are lists, so that both readings are the same."""
    assert runner.checked_observation({1: (2, 3)}) == {"1": [2, 3]}


def test_what_a_stack_returns_may_stand_in_an_observation() -> None:
    """As the JSON that it has itself, wherever it stands."""
    start, outcome = Start(False, 3, 1.5, ("no module",), 0), Outcome(Ending.REFUSED, error="ECONNREFUSED")
    stored = runner.checked_observation({"start": start, "ends": [outcome]})
    assert stored == {"start": json.loads(json.dumps(start.to_json())), "ends": [outcome.to_json()]}
