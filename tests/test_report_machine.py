"""The report says which trials were busy, what was not measured, and what the services used."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from cases import claim, in_memory, trial
from reprolab.core import files
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import RunInfo
from reprolab.evidence.series import Sample
from reprolab.machine.load import NO_PRESSURE
from reprolab.report import write
from reprolab.report.html import report, series_chart
from reprolab.report.machine import busy_line, missing_line
from reprolab.scenario.model import Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict.document import write_verdict
from reprolab.verdict.judge import judge
from rich.console import Console

BUSY = "other work used 0.9 of 2 processors (45 %)"
IDLE = in_memory(claim("B-1", shows=["documented"], absent=["old"], needs_idle=True))
SECOND = 1_000_000_000


def rows(*busy: bool) -> list[TrialRecord]:
    """Trials of the documented variant, of which some were busy, and one of the control."""
    return [trial(number=n, busy=BUSY if was else "") for n, was in enumerate(busy, 1)] + [trial("old", False)]


def line(scenario: Scenario, *busy: bool) -> str:
    """The line on the busy trials of such a run."""
    return busy_line(scenario, judge(scenario, "now", rows(*busy)))


def run_of(at: Path, scenario: Scenario, trials: list[TrialRecord], **content: Any) -> RunDirectory:
    """A judged run with these trials."""
    run = RunDirectory(at / "20260101T000000Z")
    run.path.mkdir(parents=True)
    files.write_json(run.path / "run.json", {"scenario": scenario.name, "status": "complete", **content})
    for row in trials:
        run.append(row)
    write_verdict(run, judge(scenario, run.name, trials))
    return run


def test_busy_trials_are_counted_in_one_line() -> None:
    """With the variants, and the claims that they do not count for."""
    assert line(IDLE, True, False, True) == (
        "busy: other work used the processors during 2 of 4 trials (documented 2); they do not count for B-1"
    )
    assert line(IDLE, False, False) == ""
    assert line(in_memory(claim()), True).endswith("(documented 1); no claim here needs an idle machine")


def test_what_was_not_measured_is_said_once() -> None:
    """A reason that all trials share is there once."""
    trials = [trial(number=n, machine={"missing": f"{NO_PRESSURE}; no containers"}) for n in (1, 2)]
    run = RunInfo("blink", machine={"missing": NO_PRESSURE})
    assert missing_line(run, trials) == f"not measured on this machine: {NO_PRESSURE}; no containers"
    assert missing_line(RunInfo("blink", machine={"load": 1.0}), [trial(), trial(machine={"load": 2.0})]) == ""


VIRTUAL = {"kernel": "5.10.223 (5.10.0-32-cloud-amd64)", "hardware": "virtual machine (TCG)"}


def test_terminal_text_and_page_have_the_lines(tmp_path: Path) -> None:
    """The terminal, report.txt and report.html say the same."""
    run = run_of(tmp_path, IDLE, rows(True, False), machine={"missing": NO_PRESSURE}, host=VIRTUAL)
    console = Console(record=True, width=200)
    write.report(console, IDLE, run)
    texts = (console.export_text(), (run.path / "report.txt").read_text(), report.page(IDLE, run, None))
    for text in texts:
        assert "during 1 of 3 trials (documented 1); they do not count for B-1" in text
        assert NO_PRESSURE in text
        assert "ran elsewhere: virtual machine (TCG), kernel 5.10.223 (5.10.0-32-cloud-amd64)" in text
    assert "elsewhere: virtual machine (TCG), kernel 5.10.223" in (run.path / "report.md").read_text()


# -- series ----------------------------------------------------------------------------------------


def samples(number: int, service: str = "app") -> list[Sample]:
    """Two samples a second, with CPU and memory that rise."""
    return [Sample(service, n * SECOND // 2, n / 10, n << 20, 3, n, {"tcp established": n}) for n in range(number)]


def charts(text: str) -> list[Any]:
    """The series charts of a page."""
    match = re.search(r'<script type="application/json" id="charts">(.*?)</script>', text, re.S)
    assert match
    return [chart for chart in json.loads(match[1])["charts"].values() if chart["kind"] == "series"]


def test_a_trial_without_a_timeline_has_its_series(tmp_path: Path) -> None:
    """Its axis begins with the first sample. An older trial without a series has no chart."""
    run = run_of(tmp_path, IDLE, rows(True, False))
    place = run.trial("lamp", "documented", 1)
    text = "".join(json.dumps(sample.to_json()) + "\n" for sample in [*samples(3), *samples(3, "proxy")])
    place.write_text("series.jsonl", text)
    page = report.page(IDLE, run, None)
    (chart,) = charts(page)
    assert chart["services"]["app"] == [[0.0, 0.0, 0.0, 3, 0], [0.5, 0.1, 1.0, 3, 1], [1.0, 0.2, 2.0, 3, 2]]
    assert "documented, trial 1: app at most 0.2 CPUs, 2 MiB, 3 processes, 2 open files, 2 tcp established" in page
    assert f"busy: {BUSY}" in page


def test_a_long_series_is_joined() -> None:
    """Neighbours become one point: the mean of the CPU, the largest of the others."""
    points = series_chart.series_data(samples(10), 0, (0.0, 10_000.0), 3)["app"]
    assert points == [[0.0, 0.15, 3.0, 3, 3], [2.0, 0.55, 7.0, 3, 7], [4.0, 0.85, 9.0, 3, 9]]
    assert len(series_chart.series_data(samples(100_000), 0, (0.0, 1e9), series_chart.MOST_POINTS)["app"]) <= 240


def test_samples_outside_of_the_axis_are_left_out() -> None:
    """The axis is that of the timeline, which begins after the start-up."""
    points = series_chart.series_data(samples(10), SECOND, (0.0, 1_000.0), 100)["app"]
    assert [point[0] for point in points] == [0.0, 0.5, 1.0]


def test_a_page_with_many_trials_keeps_its_size() -> None:
    """All services of a page share the points."""
    assert series_chart.points_for(1) == series_chart.MOST_POINTS
    assert series_chart.points_for(400) * 400 <= series_chart.ALL_POINTS
    assert series_chart.points_for(100_000) == series_chart.FEWEST_POINTS


def test_unknown_descriptors_are_not_drawn() -> None:
    """They are null in the data and missing in the words."""
    unknown = [Sample("app", 0, 0.5, 1 << 20, 2)]
    assert series_chart.series_data(unknown, 0, (0.0, 1.0), 9) == {"app": [[0.0, 0.5, 1.0, 2, None]]}
    assert series_chart.words(unknown) == "app at most 0.5 CPUs, 1 MiB, 2 processes"
