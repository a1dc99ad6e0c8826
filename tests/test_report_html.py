"""report.html: what it says, from recorded runs; and what happens where it cannot be written."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from cases import ROOT, claim, in_memory, recorded_run, trial, trials
from reprolab.core import files
from reprolab.core.errors import UsageError
from reprolab.engine.host_facts import Host
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import RunInfo
from reprolab.report import write
from reprolab.report.html import report
from reprolab.scenario import loader
from reprolab.scenario.model import Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict import record
from reprolab.verdict.document import write_verdict
from reprolab.verdict.judge import judge

MOST = 5_000_000
PAIR = claim(shows=["documented"], absent=["old"])


def run_of(at: Path, found: Scenario, rows: list[TrialRecord], **content: Any) -> RunDirectory:
    """A run directory with these trials, judged."""
    run = RunDirectory(at / "20260101T000000Z")
    run.path.mkdir(parents=True)
    files.write_json(run.path / "run.json", {"scenario": found.name, "status": "complete", **content})
    for row in rows:
        run.append(row)
    write_verdict(run, judge(found, run.name, rows))
    return run


def page(at: Path, found: Scenario, rows: list[TrialRecord], **content: Any) -> str:
    """The page of some trials made by hand."""
    return report.page(found, run_of(at, found, rows, **content), None)


def words(text: str) -> str:
    """What a reader reads: no markup, no scripts, no styles, one space between words."""
    body = re.sub(r"<(script|style|template)\b.*?</\1>", " ", text, flags=re.S)
    return " ".join(re.sub(r"<[^>]*>", " ", body).replace("&#39;", "'").replace("&gt;", ">").split())


def charts_of(text: str) -> Any:
    """The data of the page's charts."""
    found = re.search(r'<script type="application/json" id="charts">(.*?)</script>', text, re.S)
    assert found
    return json.loads(found[1])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of the recorded run of socket-vanish."""
    run = recorded_run(tmp_path_factory.mktemp("results"), "whole")
    found = loader.load(ROOT, "socket-vanish")
    record.judge_run(found, run)
    return report.page(found, run, record.read_record(found))


def test_the_page_says_what_the_run_found(whole: str) -> None:
    """Title, document, counts, host, bases, the variants' cells and every claim with its reason are on the page."""
    told = words(whole)
    assert "socket-vanish · gunicorn 19.6.0 removes its own Unix socket" in told
    assert "document “Gunicorn起動中にUnixドメインソケットが消える”, 2017-02-18 (its log lines), Japanese run" in told
    assert "kernel 6.18.44-fc-v657" in told
    assert "python:3.6.15-slim-bullseye built on this host" in told
    assert "SV-1 While gunicorn keeps running" in told
    assert re.search(r"SV-1 .*?confirmed documented 3/3 · gunicorn-19.5.0 0/3", told)
    assert "gunicorn-19.5.0" in told
    assert re.search(r"variant expected shown interval evidence documented shows 3 of 3 44–100 %", told)


def test_the_page_needs_no_other_file_and_no_network(whole: str) -> None:
    """Scripts and styles are inside; links are relative and name no folder of any machine."""
    outside = re.sub(r'<script type="module">.*?</script>', "", whole, flags=re.S)
    assert not re.search(r'(?:src|href)="(?!#|data:,|[a-z0-9])', outside)
    assert not re.search(r'(?:src|href)="\w+:(?!,)', outside)
    assert not re.search(r"<script[^>]+src=|<link[^>]+stylesheet|@import|url\(", outside)
    assert str(ROOT) not in whole


def test_every_link_leads_to_a_file_of_the_run(tmp_path: Path) -> None:
    """The page links to directories and logs that are there, relative to itself."""
    run = recorded_run(tmp_path, "whole")
    found = loader.load(ROOT, "socket-vanish")
    record.judge_run(found, run)
    links = set(re.findall(r'<a href="([^"#]+)"', report.page(found, run, None)))
    assert "vanish/documented/1/app.streams.log.gz" in links
    assert [link for link in links if not (run.path / link).exists()] == []


def test_the_timelines_hold_what_the_logs_hold(whole: str) -> None:
    """The documented case has its marks, socket and traceback included; the control has no `gone`."""
    data = charts_of(whole)
    lines = [item for item in data["charts"].values() if item["kind"] == "timeline"]
    kinds = [{data["kinds"][mark[3]] for mark in item["events"]} for item in lines]
    assert len(lines) == 2
    assert {"gone", "traceback", "ending", "present"} <= kinds[0]
    assert "gone" not in kinds[1]
    assert sum(map(sum, lines[0]["responses"])) > 0
    assert "gone at 0.78 s" in words(whole)


def test_logs_stand_side_by_side(whole: str) -> None:
    """The first two are what a claim compares: where its sign shows and where it must not."""
    assert re.findall(r'<option value="\d+" selected>([^<]*)', whole) == [
        "documented · trial 1",
        "gunicorn-19.5.0 · trial 1",
    ]
    assert '<span class="hot">FileNotFoundError: [Errno 2]' in whole


def test_a_scenario_has_found_only_what_is_on_record(tmp_path: Path) -> None:
    """The finding bears the run that it was recorded from; nobody takes it for what another run says."""
    found = loader.load(ROOT, "pool-freeze")
    rows: list[TrialRecord] = []
    recorded = record.read_record(found)
    assert recorded is not None
    text = words(report.page(found, run_of(tmp_path, found, rows), recorded))
    assert f"as recorded from run {recorded.verdict.run} (this page shows another run)" in text


def test_rates_have_a_chart_with_their_intervals(tmp_path: Path) -> None:
    """A claim that counts tries is drawn: k of n and the interval, for each variant with valid trials."""
    rated = claim(absent=["old"], sign=lambda o: o["blinked"] > 5, rate=lambda o: (o["blinked"], 10))
    text = page(tmp_path, in_memory(rated), [trial(shown=9), trial("old", shown=0)])
    (item,) = charts_of(text)["charts"].values()
    assert [(row["v"], row["d"], row["hi"]) for row in item["rows"]] == [
        ("documented", "9 of 10", pytest.approx(0.98, abs=0.01)),
        ("old", "0 of 10", pytest.approx(0.28, abs=0.01)),
    ]
    assert "9/10 (60–98 %)" in words(text)


def test_no_moment_no_section(tmp_path: Path) -> None:
    """A run whose evidence holds no moment has no timeline, no drawing library, and no word about either."""
    text = page(tmp_path, in_memory(PAIR), trials(documented="+++", old="---"))
    assert "Timeline" not in words(text)
    assert len(text) < 60_000
    assert "1 confirmed 0 refuted" in words(text)


def test_an_aborted_run_says_so(tmp_path: Path) -> None:
    """What was measured before the end is shown, and that the run did not come to its end."""
    text = words(page(tmp_path, in_memory(PAIR), trials(documented="+"), status="aborted", reason="interrupted"))
    assert "This run is aborted : interrupted" in text
    assert "not judged, as not all its variants ran" in text
    assert "1 not asked" in text


def test_a_run_without_trials_is_a_page_too(tmp_path: Path) -> None:
    """A run that was killed before its first trial ended, without a verdict, is shown as what it is."""
    found = in_memory(PAIR)
    run = run_of(tmp_path, found, [], status="running")
    (run.path / "verdict.json").unlink()
    assert "No trial of this run ended." in words(report.page(found, run, None))


def test_an_invalid_trial_keeps_its_reason(tmp_path: Path) -> None:
    """Why a trial is invalid is in the table, in short, and in the notes as it was."""
    rows = [trial(invalid="app did not start: exit code 1\n[7] [ERROR] <b>no</b>"), trial("old", False)]
    text = page(tmp_path, in_memory(PAIR), rows)
    assert "invalid: app did not start: exit code 1" in text
    assert "&lt;b&gt;no&lt;/b&gt;" in text
    assert "documented has no valid trial" in words(text)


def test_factors_of_ones_own_judge_no_claim(tmp_path: Path) -> None:
    """The variant that --set makes has its signs in their own words, and no verdict."""
    text = words(page(tmp_path, in_memory(PAIR), trials(custom="+-+")))
    assert "no claim is judged" in text
    assert "The small scenario's sign. 2/3" in text
    assert "confirmed" not in text


def test_a_sign_is_told_only_of_its_own_sentence(tmp_path: Path) -> None:
    """Where an id stood for another sentence when the run was judged, today's sign is not shown with it."""
    rows = trials(documented="+++", old="---")
    run = run_of(tmp_path, in_memory(PAIR), rows)
    assert "The sign:" in words(report.page(in_memory(PAIR), run, None))
    renamed = type(PAIR)(**{**vars(PAIR), "text": "another sentence"})
    text = words(report.page(in_memory(renamed), run, None))
    assert "The sign:" not in text
    assert "claim B-1" in text
    assert "another sentence" not in text


def test_drift_is_said_with_what_else_differs(tmp_path: Path) -> None:
    """A verdict other than the recorded one stands at the top, with the host's differences."""
    found = in_memory(PAIR)
    rows = trials(documented="---", old="---")
    then = judge(found, "then", trials(documented="+++", old="---"))
    before = record.RecordedRun(then, RunInfo("blink", host=Host(kernel="6.0")))
    run = run_of(tmp_path, found, rows, host={"kernel": "6.1"})
    write_verdict(run, judge(found, run.name, rows, then))
    text = words(report.page(found, run, before))
    assert "Drift from the recorded verdict: B-1" in text
    assert "kernel: recorded 6.0, now 6.1" in text


def test_a_mistake_in_an_experiments_events_costs_one_timeline(tmp_path: Path) -> None:
    """The page says once which variants have no timeline and why; everything else is there."""
    found = in_memory(PAIR)
    lamp = found.experiments["lamp"]
    broken = type(lamp)(**{**vars(lamp), "events": lambda evidence, o: [o["missing"]]})
    found = type(found)(**{**vars(found), "experiments": {"lamp": broken}})
    rows = trials(documented="++", old="-")
    for row in rows:
        (tmp_path / "20260101T000000Z" / "lamp" / row.variant / str(row.trial)).mkdir(parents=True)
    run = RunDirectory(tmp_path / "20260101T000000Z")
    files.write_json(run.path / "run.json", {"scenario": "blink", "status": "complete"})
    for row in rows:
        run.append(row)
    text = words(report.page(found, run, None))
    assert "No timeline for documented, old: its observation has no 'missing'" in text
    assert "1 confirmed" in text


def test_what_a_log_says_is_text(tmp_path: Path) -> None:
    """A line that looks like markup neither ends the page's elements nor runs."""
    rows = trials(documented="+")
    run = run_of(tmp_path, in_memory(PAIR), rows)
    place = run.path / "lamp" / "documented" / "1"
    place.mkdir(parents=True)
    (place / "app.err").write_text("</pre></template><script>alert(1)</script>\n")
    text = report.page(in_memory(PAIR), run, None)
    assert "<script>alert" not in text
    assert "&lt;/template&gt;" in text


# -- where it is written ------------------------------------------------------------------------------


def test_a_page_that_cannot_be_written_costs_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong with the page is said in one line, and nothing is raised."""
    run = recorded_run(tmp_path, "whole")
    found = loader.load(ROOT, "socket-vanish")
    record.judge_run(found, run)
    said: list[str] = []

    def broken(*_: object) -> str:
        raise MemoryError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(report, "page", broken)
        write.add_page(found, run, said.append)
    assert said == ["report.html could not be written, but the verdict stands: MemoryError: no room"]
    assert not (run.path / "report.html").exists()
    write.add_page(found, run, said.append)
    assert (run.path / "report.html").stat().st_size < MOST
    assert said[-1].endswith("report.html")
    assert not list(run.path.glob(".report*"))


def test_a_run_that_cannot_be_read_is_a_usage_error(tmp_path: Path) -> None:
    """A broken run.json is said by name, as every command does."""
    run = recorded_run(tmp_path, "whole")
    (run.path / "run.json").write_text("{")
    with pytest.raises(UsageError, match=r"run\.json is not JSON"):
        report.write(loader.load(ROOT, "socket-vanish"), run, None)


def test_every_recorded_run_renders(tmp_path: Path) -> None:
    """A part of a run, without logs and without a verdict, renders as well."""
    run = recorded_run(tmp_path, "partial")
    path = report.write(loader.load(ROOT, "socket-vanish"), run, None)
    assert "not asked" in words(path.read_text(encoding="utf-8"))
    shutil.rmtree(run.path)


# -- size ---------------------------------------------------------------------------------------------


def test_a_large_run_stays_below_five_megabytes(tmp_path: Path) -> None:
    """Fifty variants of three trials, with responses, events in every step and logs that repeat nothing."""
    names = [f"variant-{n}" for n in range(50)]
    found = in_memory(claim(shows=["documented"], absent=names))
    lamp = found.experiments["lamp"]
    many = {status: [1000 + n for n in range(150)] for status in ("200", "404", "500", "502")}

    def events(trial_evidence: Any, observation: Any) -> Any:
        from reprolab import Event

        return [Event(at * 50, kind, f"{kind} {at}", "app") for at in range(300) for kind in ("started", "killed")]

    told = type(lamp)(**{**vars(lamp), "events": events, "responses": lambda e, o: many, "zero": lambda e, o: 0})
    found = type(found)(**{**vars(found), "experiments": {"lamp": told}})
    rows = [trial(name, shown=name == "documented", number=n) for name in ["documented", *names] for n in (1, 2, 3)]
    run = run_of(tmp_path, found, rows)
    # Letters, not digits: lines that differ in digits alone would be of one kind.
    words_of = ["".join(chr(97 + int(digit)) for digit in str(n)) for n in range(300)]
    lines = "".join(f"{word}: {'a line that is as long as such lines are, and more ' * 4}\n" for word in words_of)
    for row in rows:
        place = run.path / "lamp" / row.variant / str(row.trial)
        place.mkdir(parents=True)
        for file in ("app.err", "proxy.err", "witness.err"):
            (place / file).write_text(lines)
    text = report.page(found, run, None)
    assert len(charts_of(text)["charts"]) == 153
    assert len(text.encode()) < MOST
