"""report.html of recorded runs, and errors when it is written."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cases import ROOT, claim, in_memory, recorded_run, trial, trials
from reprolab.core import files
from reprolab.core.errors import UsageError
from reprolab.core.number_words import seconds
from reprolab.engine.host_facts import Host
from reprolab.evidence.run_dir import RunDirectory
from reprolab.evidence.run_info import RunInfo
from reprolab.report import write
from reprolab.report.html import opening, report, thumbnail, timeline_chart
from reprolab.report.html import page as html_page
from reprolab.scenario import loader
from reprolab.scenario.model import Scenario
from reprolab.scenario.trial import TrialRecord
from reprolab.verdict import record
from reprolab.verdict.document import write_verdict
from reprolab.verdict.judge import judge

MOST = 5_000_000
PAIR = claim(shows=["documented"], absent=["old"])


def run_of(at: Path, scenario: Scenario, rows: list[TrialRecord], **content: Any) -> RunDirectory:
    """A run directory with these trials, judged."""
    run = RunDirectory(at / "20260101T000000Z")
    run.path.mkdir(parents=True)
    files.write_json(run.path / "run.json", {"scenario": scenario.name, "status": "complete", **content})
    for row in rows:
        run.append(row)
    write_verdict(run, judge(scenario, run.name, rows))
    return run


def page(at: Path, scenario: Scenario, rows: list[TrialRecord], **content: Any) -> str:
    """The page for some made-up trials."""
    return report.page(scenario, run_of(at, scenario, rows, **content), None)


def words(text: str) -> str:
    """The visible text of a page, without markup, scripts and styles, with single spaces."""
    body = re.sub(r"<(script|style|template)\b.*?</\1>", " ", text, flags=re.S)
    return " ".join(re.sub(r"<[^>]*>", " ", body).replace("&#39;", "'").replace("&gt;", ">").split())


def charts_of(text: str) -> Any:
    """The data of the page's charts."""
    match = re.search(r'<script type="application/json" id="charts">(.*?)</script>', text, re.S)
    assert match
    return json.loads(match[1])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of the recorded run of socket-vanish."""
    run = recorded_run(tmp_path_factory.mktemp("results"), "whole")
    scenario = loader.load(ROOT, "socket-vanish")
    record.judge_run(scenario, run)
    return report.page(scenario, run, record.read_record(scenario))


def test_the_page_has_the_facts_of_the_run(whole: str) -> None:
    """Title, document, host, base images, the cells of the variants, and each claim with its reason."""
    text = words(whole)
    assert "socket-vanish · gunicorn 19.6.0 removes its own Unix socket" in text
    assert "document “Gunicorn起動中にUnixドメインソケットが消える”, 2017-02-18 (its log lines), Japanese run" in text
    assert "kernel 6.18.44-fc-v657" in text
    assert "python:3.6.15-slim-bullseye built on this host" in text
    assert "SV-1 While gunicorn keeps running" in text
    assert re.search(r"SV-1 .*?confirmed documented 3/3 · gunicorn-19.5.0 0/3", text)
    assert "gunicorn-19.5.0" in text
    assert re.search(r"variant expected shown interval evidence documented shows 3 of 3 44–100 %", text)


def test_the_page_needs_no_other_file_and_no_network(whole: str) -> None:
    """Scripts and styles are in the page. Links are relative, and no directory of a machine is named."""
    outside = re.sub(r'<script type="module">.*?</script>', "", whole, flags=re.S)
    assert not re.search(r'(?:src|href)="(?!#|data:,|[a-z0-9])', outside)
    assert not re.search(r'(?:src|href)="\w+:(?!,)', outside)
    assert not re.search(r"<script[^>]+src=|<link[^>]+stylesheet|@import|url\(", outside)
    assert str(ROOT) not in whole


def test_every_link_leads_to_a_file_of_the_run(tmp_path: Path) -> None:
    """All relative links of the page have a target in the run's directory."""
    run = recorded_run(tmp_path, "whole")
    scenario = loader.load(ROOT, "socket-vanish")
    record.judge_run(scenario, run)
    links = set(re.findall(r'<a href="([^"#]+)"', report.page(scenario, run, None)))
    assert "vanish/documented/1/app.streams.log.gz" in links
    assert [link for link in links if not (run.path / link).exists()] == []


def test_the_timelines_have_the_events_of_the_logs(whole: str) -> None:
    """The documented variant has the events of socket and traceback; the control has no `gone`."""
    data = charts_of(whole)
    lines = [item for item in data["charts"].values() if item["kind"] == "timeline"]
    kinds = [{data["kinds"][mark[3]] for mark in item["events"]} for item in lines]
    assert len(lines) == 2 + 2, "two at the top, and two in the section"
    assert {"gone", "traceback", "ending", "present"} <= kinds[0]
    assert "gone" not in kinds[1]
    assert sum(map(sum, lines[0]["responses"])) > 0
    assert "gone at 0.78 s" in words(whole)


def test_the_page_begins_with_the_answer_and_the_pair_behind_it(whole: str) -> None:
    """The answer is the heading. The first two charts are of the documented variant and of its control."""
    assert re.search(r"<h1>.*Reproduced:", whole)
    opening = words(re.search(r'<div class="opening.*?</ul>', whole, re.S)[0])  # type: ignore[index]
    assert opening.index("documented") < opening.index("gunicorn-19.5.0")
    assert opening.index("gone at 0.78 s") < opening.index("gunicorn-19.5.0")
    first, second = list(charts_of(whole)["charts"].values())[-2:]
    assert first["spec"] == second["spec"], "one axis and one scale"


def test_answers_and_errors_are_stacked_apart() -> None:
    """Each class of statuses is a lane; a text that is no status is one too."""
    assert timeline_chart.response_lanes(["200", "302", "404", "502", "views done"]) == [
        ["200", "302"],
        ["404", "502"],
        ["views done"],
    ]


def test_what_went_wrong_is_in_colour_and_words() -> None:
    """The cells of a table for what is gone, for the status of an error, and for anything else."""
    assert report.marked("gone") == '<b style="color:var(--gone)">gone</b>'
    assert report.marked("502") == '<b style="color:var(--server)">502 <small>bad gateway</small></b>'
    assert report.marked("599") == '<b style="color:var(--server)">599 <small>error</small></b>'
    assert report.marked("200") == "200"


def test_a_time_before_zero_has_a_minus_sign() -> None:
    """Not a hyphen."""
    assert html_page.signed(-300) == "\N{MINUS SIGN}0.300 s"
    assert seconds(-300) == "\N{MINUS SIGN}0.30 s"


def test_a_run_of_own_factors_has_a_headline_of_its_own(tmp_path: Path) -> None:
    """It says what was looked for, and has no bar of verdicts; so has a run without any valid trial."""
    told = replace(in_memory(PAIR), summary="A lamp that blinks.")
    text = page(tmp_path / "own", told, trials(custom="---"))
    assert re.search(r"<h1>.*Not seen:", text)
    assert 'class="bar"' not in text
    # The documented effect is not what these trials showed.
    assert "A lamp that blinks." not in text
    assert "A lamp that blinks." in page(tmp_path / "documented", told, trials(documented="x"))
    text = page(tmp_path / "invalid", in_memory(PAIR), [trial(invalid="no such file")])
    assert re.search(r"<h1>.*Undecided:.*no trial is valid", text)
    assert "0/1 invalid" in words(text)


def test_a_thumbnail_needs_no_script(tmp_path: Path) -> None:
    """An SVG with the names of both variants, and bars in the colours of the page."""
    run, scenario = recorded_run(tmp_path, "whole"), loader.load(ROOT, "socket-vanish")
    pair = opening.read_pair(scenario, run)
    assert [shown.record.variant for shown in pair] == ["documented", "gunicorn-19.5.0"]
    picture = thumbnail.thumbnail(pair)
    assert picture.startswith("<svg") and "<script" not in picture
    for part in (">documented<", ">gunicorn-19.5.0<", 'fill="var(--ok)"', 'fill="var(--server)"', 'fill="var(--gone)"'):
        assert part in picture
    assert thumbnail.thumbnail([]) == ""


def test_logs_are_side_by_side(whole: str) -> None:
    """The first two are of a variant that shows a claim's sign, and of one that does not."""
    assert re.findall(r'<option value="\d+" selected>([^<]*)', whole) == [
        "documented · trial 1",
        "gunicorn-19.5.0 · trial 1",
    ]
    assert '<span class="hot">FileNotFoundError: [Errno 2]' in whole


def test_the_finding_names_its_run(tmp_path: Path) -> None:
    """The finding has the name of the recorded run, as it may not be the run of the page."""
    scenario = loader.load(ROOT, "pool-freeze")
    rows: list[TrialRecord] = []
    recorded = record.read_record(scenario)
    assert recorded is not None
    text = words(report.page(scenario, run_of(tmp_path, scenario, rows), recorded))
    assert f"as recorded from run {recorded.verdict.run} (this page shows another run)" in text


def test_rates_have_a_chart_with_their_intervals(tmp_path: Path) -> None:
    """The chart of a claim that counts tries has k of n and the interval for each variant."""
    rated = claim(absent=["old"], sign=lambda o: o["blinked"] > 5, rate=lambda o: (o["blinked"], 10))
    text = page(tmp_path, in_memory(rated), [trial(shown=9), trial("old", shown=0)])
    (item,) = charts_of(text)["charts"].values()
    assert [(row["v"], row["d"], row["hi"]) for row in item["rows"]] == [
        ("documented", "9 of 10", pytest.approx(0.98, abs=0.01)),
        ("old", "0 of 10", pytest.approx(0.28, abs=0.01)),
    ]
    assert "9/10 (60–98 %)" in words(text)


def test_a_run_without_events_has_no_timeline(tmp_path: Path) -> None:
    """Then the page has neither the section nor the drawing library."""
    text = page(tmp_path, in_memory(PAIR), trials(documented="+++", old="---"))
    assert "Timeline" not in words(text)
    assert len(text) < 60_000
    assert "1 confirmed" in words(text)
    assert "0 refuted" not in words(text)


def test_the_page_of_an_aborted_run(tmp_path: Path) -> None:
    """The page has the status of the run, and the results of the trials before its end."""
    text = words(page(tmp_path, in_memory(PAIR), trials(documented="+"), status="aborted", reason="interrupted"))
    assert "This run is aborted : interrupted" in text
    assert "not judged, as not all its variants ran" in text
    assert "1 not judged" in text


def test_the_page_of_a_run_without_trials(tmp_path: Path) -> None:
    """A run that was killed before the end of its first trial has no verdict, but a page."""
    scenario = in_memory(PAIR)
    run = run_of(tmp_path, scenario, [], status="running")
    (run.path / "verdict.json").unlink()
    assert "No trial of this run ended." in words(report.page(scenario, run, None))


def test_an_invalid_trial_keeps_its_reason(tmp_path: Path) -> None:
    """The table has the reason in one line, and the notes have all of it."""
    rows = [trial(invalid="app did not start: exit code 1\n[7] [ERROR] <b>no</b>"), trial("old", False)]
    text = page(tmp_path, in_memory(PAIR), rows)
    assert "invalid: app did not start: exit code 1" in text
    assert "&lt;b&gt;no&lt;/b&gt;" in text
    assert "documented has no valid trial" in words(text)


def test_a_custom_variant_judges_no_claim(tmp_path: Path) -> None:
    """The variant that --set defines has its signs, and no verdict."""
    text = words(page(tmp_path, in_memory(PAIR), trials(custom="+-+")))
    assert "no claim is judged" in text
    assert "The small scenario's sign. 2/3" in text
    assert "confirmed" not in text


def test_the_sign_of_a_changed_claim_is_not_shown(tmp_path: Path) -> None:
    """If an id had another sentence when the run was judged, the current sign is not shown."""
    rows = trials(documented="+++", old="---")
    run = run_of(tmp_path, in_memory(PAIR), rows)
    assert "The sign:" in words(report.page(in_memory(PAIR), run, None))
    renamed = type(PAIR)(**{**vars(PAIR), "text": "another sentence"})
    text = words(report.page(in_memory(renamed), run, None))
    assert "The sign:" not in text
    assert "claim B-1" in text
    assert "another sentence" not in text


def test_drift_is_shown_with_other_differences(tmp_path: Path) -> None:
    """A verdict that differs from the recorded one is at the top, with the differences of the host."""
    scenario = in_memory(PAIR)
    rows = trials(documented="---", old="---")
    then = judge(scenario, "then", trials(documented="+++", old="---"))
    before = record.RecordedRun(then, RunInfo("blink", host=Host(kernel="6.0")))
    run = run_of(tmp_path, scenario, rows, host={"kernel": "6.1"})
    write_verdict(run, judge(scenario, run.name, rows, then))
    text = words(report.page(scenario, run, before))
    assert "Drift from the recorded verdict: B-1" in text
    assert "kernel: recorded 6.0, now 6.1" in text


def test_a_mistake_in_an_experiments_events_removes_its_timelines(tmp_path: Path) -> None:
    """The page names these variants and the error once. All other parts are on the page."""
    scenario = in_memory(PAIR)
    lamp = scenario.experiments["lamp"]
    broken = type(lamp)(**{**vars(lamp), "events": lambda evidence, o: [o["missing"]]})
    scenario = type(scenario)(**{**vars(scenario), "experiments": {"lamp": broken}})
    rows = trials(documented="++", old="-")
    for row in rows:
        (tmp_path / "20260101T000000Z" / "lamp" / row.variant / str(row.trial)).mkdir(parents=True)
    run = RunDirectory(tmp_path / "20260101T000000Z")
    files.write_json(run.path / "run.json", {"scenario": "blink", "status": "complete"})
    for row in rows:
        run.append(row)
    text = words(report.page(scenario, run, None))
    assert "No timeline for documented, old: its observation has no 'missing'" in text
    assert "1 confirmed" in text


def test_markup_in_a_log_is_text(tmp_path: Path) -> None:
    """A line that looks like markup ends no element of the page, and no script in it runs."""
    rows = trials(documented="+")
    run = run_of(tmp_path, in_memory(PAIR), rows)
    place = run.path / "lamp" / "documented" / "1"
    place.mkdir(parents=True)
    (place / "app.err").write_text("</pre></template><script>alert(1)</script>\n")
    text = report.page(in_memory(PAIR), run, None)
    assert "<script>alert" not in text
    assert "&lt;/template&gt;" in text


# -- writing ------------------------------------------------------------------------------------------


def test_a_page_that_cannot_be_written_raises_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is reported in one line, and no partial file remains."""
    run = recorded_run(tmp_path, "whole")
    scenario = loader.load(ROOT, "socket-vanish")
    record.judge_run(scenario, run)
    messages: list[str] = []

    def broken(*_: object) -> str:
        raise MemoryError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(report, "page", broken)
        write.add_page(scenario, run, messages.append)
    assert messages == ["report.html could not be written, but the verdict stands: MemoryError: no room"]
    assert not (run.path / "report.html").exists()
    write.add_page(scenario, run, messages.append)
    assert (run.path / "report.html").stat().st_size < MOST
    assert messages[-1].endswith("report.html")
    assert not list(run.path.glob(".report*"))


def test_a_run_that_cannot_be_read_is_a_usage_error(tmp_path: Path) -> None:
    """The message names the broken file."""
    run = recorded_run(tmp_path, "whole")
    (run.path / "run.json").write_text("{")
    with pytest.raises(UsageError, match=r"run\.json is not JSON"):
        report.write(loader.load(ROOT, "socket-vanish"), run, None)


def test_an_incomplete_recorded_run_renders(tmp_path: Path) -> None:
    """A run without logs and without a verdict has a page too."""
    run = recorded_run(tmp_path, "partial")
    path = report.write(loader.load(ROOT, "socket-vanish"), run, None)
    assert "not judged" in words(path.read_text(encoding="utf-8"))
    shutil.rmtree(run.path)


# -- size ---------------------------------------------------------------------------------------------


def test_a_large_run_stays_below_five_megabytes(tmp_path: Path) -> None:
    """A run of 51 variants with three trials each, with responses, events in each step, and logs of different lines."""
    names = [f"variant-{n}" for n in range(50)]
    scenario = in_memory(claim(shows=["documented"], absent=names))
    lamp = scenario.experiments["lamp"]
    many = {status: [1000 + n for n in range(150)] for status in ("200", "404", "500", "502")}

    def events(trial_evidence: Any, observation: Any) -> Any:
        from reprolab import Event

        return [Event(at * 50, kind, f"{kind} {at}", "app") for at in range(300) for kind in ("started", "killed")]

    with_events = type(lamp)(**{**vars(lamp), "events": events, "responses": lambda e, o: many, "zero": lambda e, o: 0})
    scenario = type(scenario)(**{**vars(scenario), "experiments": {"lamp": with_events}})
    rows = [trial(name, shown=name == "documented", number=n) for name in ["documented", *names] for n in (1, 2, 3)]
    run = run_of(tmp_path, scenario, rows)
    # Letters, not digits: lines that differ in digits alone would be of one kind.
    words_of = ["".join(chr(97 + int(digit)) for digit in str(n)) for n in range(300)]
    lines = "".join(f"{word}: {'a line that is as long as such lines are, and more ' * 4}\n" for word in words_of)
    for row in rows:
        place = run.path / "lamp" / row.variant / str(row.trial)
        place.mkdir(parents=True)
        for file in ("app.err", "proxy.err", "witness.err"):
            (place / file).write_text(lines)
    text = report.page(scenario, run, None)
    assert len(charts_of(text)["charts"]) == 2 + 153, "two of them at the top"
    assert len(text.encode()) < MOST
