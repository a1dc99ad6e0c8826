"""Of a scenario's runs a command takes the newest that has what is asked, and says which."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cases import lay_out, trial, trials
from click.testing import CliRunner, Result
from reprolab.cli.main import main
from reprolab.core.terminal import Terminal
from reprolab.evidence import lookup
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import PlanEntry, RunInfo
from reprolab.report import write
from reprolab.scenario import loader
from reprolab.scenario.digest import case_digest
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict import fitting
from reprolab.verdict.record import judge_run

OWN = [trial("custom", False, factors={"RELEASE": "0.8"})]
GOOD = trials(documented="+++", old="---")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A checkout with the small scenario."""
    lay_out(tmp_path)
    monkeypatch.setenv("REPROLAB_ROOT", str(tmp_path))
    monkeypatch.delenv("REPROLAB_RESULTS", raising=False)
    yield tmp_path


def run_of(root: Path, stamp: str, rows: list[TrialRecord], status: str = "complete") -> RunDirectory:
    """A finished run; it becomes the latest one."""
    run = RunDirectory(root / "results" / "blink" / stamp)
    run.path.mkdir(parents=True)
    names = list(dict.fromkeys(row.variant for row in rows))
    plan = tuple(PlanEntry("lamp", name, {}, sum(row.variant == name for row in rows)) for name in names)
    run.write_info(RunInfo("blink", "2026-01-02 12:00 UTC", status, plan=plan))
    for row in rows:
        run.append(row)
    lookup.point_latest(run)
    return run


def lab(*words: str) -> Result:
    """The result of a command."""
    return CliRunner().invoke(main, words)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [(OWN, "own factors"), (trials(documented="xx", old="x"), "no valid trial"), (GOOD[:1], "it judges no claim")],
)
@pytest.mark.parametrize("words", [("judge", "blink"), ("html", "blink"), ("accept", "blink")])
def test_a_newer_run_that_does_not_fit_is_passed_over(
    home: Path, words: tuple[str, ...], rows: list[TrialRecord], reason: str
) -> None:
    """The lab says which run it takes, and why not the newest."""
    good = run_of(home, "20260101T000000Z", GOOD)
    newer = run_of(home, "20260102T000000Z", rows)
    result = lab(*words)
    assert result.exit_code == 0, result.output
    assert f"run blink/{good.name}; newer ones do not fit: {newer.name} ({reason})" in result.output
    assert lab(words[0], f"blink/{newer.name}").output != result.output


def test_compare_takes_the_newest_run_with_both_variants(home: Path) -> None:
    """A later run of one variant has nothing to compare."""
    good = run_of(home, "20260101T000000Z", GOOD)
    run_of(home, "20260102T000000Z", GOOD[:2])
    result = lab("compare", "blink", "documented", "old")
    assert f"run blink/{good.name}; newer ones do not fit: 20260102T000000Z (no valid trial of old)" in result.output
    result = lab("compare", "blink", "old")
    assert f"run blink/{good.name}" in result.output


def test_without_a_fitting_run_the_latest_one_is_refused(home: Path) -> None:
    """The command says what is wrong with it."""
    run_of(home, "20260101T000000Z", GOOD, status="aborted")
    result = lab("accept", "blink")
    assert result.exit_code == 2
    assert "20260101T000000Z is aborted" in result.output


def test_obstacles(home: Path) -> None:
    """A run that was cut short is judged, but neither published nor recorded; one of some variants is not recorded."""
    scenario = loader.load(home, "blink")
    kinds: dict[str, Any] = {
        "judge": partial(fitting.to_judge, scenario),
        "publish": partial(fitting.to_publish, scenario),
        "record": partial(fitting.to_record, scenario),
    }
    aborted = run_of(home, "20260101T000000Z", GOOD, status="aborted")
    assert [kind for kind, obstacle in kinds.items() if not obstacle(aborted)] == ["judge"]
    good = run_of(home, "20260102T000000Z", GOOD)
    assert [kind for kind, obstacle in kinds.items() if not obstacle(good)] == ["judge", "publish", "record"]
    assert fitting.to_show(good, [("", "old"), ("lamp", "documented")]) == ""
    assert fitting.to_show(good, [("other", "old")]) == "no valid trial of old"


def test_the_site_publishes_the_newest_complete_run_of_the_case(home: Path) -> None:
    """A later run of own factors, or one that was cut short, is not the report of the case."""
    good = run_of(home, "20260101T000000Z", GOOD)
    newer = [
        run_of(home, "20260102T000000Z", OWN),
        run_of(home, "20260103T000000Z", GOOD, status="aborted"),
        run_of(home, "20260104T000000Z", trials(documented="x", old="x")),
    ]
    for run in (good, *newer):
        for command in ("judge", "html"):
            lab(command, str(run.path))
    assert lab("site").exit_code == 0
    page = (home / "results" / "site" / "reports" / "blink.html").read_text(encoding="utf-8")
    assert good.name in page and not any(run.name in page for run in newer)


def test_a_report_says_if_the_files_of_the_case_have_changed(tmp_path: Path) -> None:
    """Also a run without a record: its trials are of the old files, and its claims of the new ones."""
    scenario = loader.load(tmp_path, "blink")
    run = RunDirectory(tmp_path / "run")
    run.write_info(RunInfo("blink", status="complete", case=case_digest(scenario.directory)))
    run.append(TrialRecord("lamp", "documented", 1, {}, {"blinked": True}))

    def lines() -> str:
        judge_run(scenario, run)
        write.report(Terminal(file=StringIO()), scenario, run)
        return (run.path / "report.txt").read_text(encoding="utf-8")

    assert "files have changed" not in lines()
    (scenario.directory / "app.py").write_text("# another application\n", encoding="utf-8")
    assert "the case's files have changed since this run" in lines()
