"""Bug reports from recorded runs: their text, the refusals, and the removal of private data."""

from __future__ import annotations

import getpass
import gzip
import json
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cases import ROOT, having, recorded_run, trials_of, unplan
from click.testing import CliRunner, Result
from reprolab.bugreport import release_table, render, sections, spec
from reprolab.bugreport.forms import Field, Form
from reprolab.bugreport.input import BugReportInput, gather, obstacles
from reprolab.bugreport.log_excerpt import LONGEST, MOST_LINES, excerpt
from reprolab.bugreport.provenance import changed_files_note
from reprolab.bugreport.spec import BugReport, Logs
from reprolab.cli import main
from reprolab.core.errors import Exit
from reprolab.engine import labels
from reprolab.evidence.run_dir import RunDirectory
from reprolab.run.session import Session
from reprolab.scenario import loader
from reprolab.scenario import model as scenario_model
from reprolab.stack.compose import image_name
from reprolab.verdict.document import Verdict

Change = Callable[[dict[str, Any]], None]


def report_input(run: RunDirectory, name: str = "socket-vanish", only: str = "gunicorn") -> BugReportInput:
    """The input of one report."""
    scenario = loader.load(ROOT, name)
    return gather(scenario, report_of(scenario, only), run, run.info())


def report_of(scenario: scenario_model.Scenario, only: str) -> BugReport:
    """One report of a scenario."""
    return next(report for report in spec.load(scenario).reports if report.name == only)


def run_of(path: Path, name: str, **more: Any) -> RunDirectory:
    """A run made from the trials of a scenario in tests/data."""
    path.mkdir(parents=True)
    (path / "trials.jsonl").write_bytes(trials_of(name))
    content = {"schema": 1, "scenario": name, "status": "complete", "started": "2026-11-21 09:12 UTC"} | more
    (path / "run.json").write_text(json.dumps(content), encoding="utf-8")
    return RunDirectory(path)


def change(run: RunDirectory, variant: str, change_trial: Change) -> None:
    """Change the trials of one variant."""
    path = run.path / "trials.jsonl"
    trials = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for trial in trials:
        if trial["variant"] == variant:
            change_trial(trial)
    path.write_text("".join(json.dumps(trial) + "\n" for trial in trials), encoding="utf-8")


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """The whole recorded run of socket-vanish."""
    return recorded_run(tmp_path / "results", "whole")


@pytest.fixture
def text(run: RunDirectory) -> str:
    """The report of that run."""
    return render.write(report_input(run), ROOT)


# -- the text ----------------------------------------------------------------------------------------


def test_the_report_follows_the_projects_form(text: str) -> None:
    """It has the headings of gunicorn's discussion form in the same order, each with a text."""
    parts = re.split(r"^### (.+)$", text, flags=re.M)[1:]
    assert parts[::2] == [
        "Type",
        "Description",
        "Steps to Reproduce (for bugs)",
        "Configuration",
        "Logs / Error Output",
        "Gunicorn Version",
        "Python Version",
        "Worker Class",
        "Operating System",
        "Additional Context",
        "Checklist",
    ]
    assert all(part.strip() for part in parts[1::2])


def test_the_report_follows_a_scenarios_own_form(run: RunDirectory) -> None:
    """Its place, prefix and headings; an answer that is missing is a dash; the version is that of its package."""
    fields = (Field("Version", "version"), Field("Deployment", "answer:deployment"), Field("What", "description"))
    form = Form("Lamp", "https://example.org/new", "example/lamp has no form", fields, "[Bug] ", "h2o")
    given = report_input(run)
    kept = {
        "documented/socket-vanish-proxy": {"pip": {"lamp": "9"}, "deb": {"h2o": "3.0-1"}},
        "documented/socket-vanish-app": {"pip": {"lamp": "2.1"}, "deb": {}},
    }
    own = replace(given, report=replace(given.report, form=form), info=replace(given.info, packages=kept))
    text = render.write(own, ROOT)
    assert re.findall(r"^### (.+)$", text, flags=re.M) == ["Version", "Deployment", "What"]
    assert "- **Title:** [Bug] gunicorn 19.6.0 removes" in text
    assert "- **For:** Lamp, https://example.org/new" in text
    assert "### Version\n\nh2o 3.0-1" in text
    assert "### Deployment\n\n—" in text
    pip = replace(own, report=replace(own.report, form=replace(form, package="Lamp")))
    assert "### Version\n\nLamp 2.1" in render.write(pip, ROOT)


def test_the_report_of_a_fixed_bug_begins_with_the_fix(text: str) -> None:
    """The first sentence says that there is nothing to file, and names the first clean release."""
    first = next(line for line in text.splitlines() if line.startswith(">"))
    assert first.startswith(
        "> **Already fixed in gunicorn 19.7.1, the first release measured after: there is nothing to file.**"
    )
    assert "Known as [benoitc/gunicorn#1298](https://github.com/benoitc/gunicorn/issues/1298); fixed by " in first
    assert "; fixed by [benoitc/gunicorn#1310](" in first
    assert text.index(first) < text.index("### Type")


def test_rates_have_intervals_and_the_control_differs_in_one_factor(text: str) -> None:
    """The table has 3 of 3 and 0 of 3 with their intervals, and the changed factor."""
    assert "| shows it | 3/3 (44–100 %) |" in text
    assert "| control | 0/3 (0–56 %) | `GUNICORN=19.5.0` |" in text
    assert "The control differs in one factor, `GUNICORN`." in text


def test_the_load_is_named(text: str) -> None:
    """As the run measured it, and before the figures."""
    assert "**How often.** Under load from wrk (200 connections in 10 threads, 10 s). Counted as shown:" in text


def test_other_work_is_told(run: RunDirectory, text: str) -> None:
    """Whoever reads the figures knows that the machine was not idle."""
    assert "Other work used" not in text
    change(run, "documented", lambda trial: trial.update(busy="a build"))
    assert "Other work used the machine's processors during 3 of these" in render.write(report_input(run), ROOT)


def test_a_cause_that_this_run_did_not_measure_is_marked(run: RunDirectory, text: str) -> None:
    """The claim about the cause needs a variant that did not run here."""
    assert "This run did not decide" not in text
    unplan(run, "creator-only")
    path = run.path / "trials.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if '"creator-only"' not in line), encoding="utf-8")
    (why,) = [line for line in render.write(report_input(run), ROOT).splitlines() if line.startswith("**Why.**")]
    assert "(This run did not decide: “The cause: in 19.6.0" in why


def test_the_report_names_the_document(text: str, tmp_path: Path) -> None:
    """It has title, date and language; the host in its link is not masked."""
    assert (
        "- **Described in:** “Gunicorn起動中にUnixドメインソケットが消える”, 2017-02-18 (its log lines), Japanese."
        in text
    )
    other = render.write(report_input(run_of(tmp_path / "run", "spawn-workers"), "spawn-workers", "uvicorn"), ROOT)
    assert ", Korean https://www.sysnet.pe.kr/2/0/13875." in other


def test_the_table_of_releases(text: str) -> None:
    """One row for each measured release; a release without a valid trial is not tested, with the reason."""
    table = text[text.index("| release (gunicorn)") :].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    assert [row[0] for row in rows] == [
        "19.0",
        "19.4.5",
        "19.5.0",
        "19.6.0",
        *2 * ["19.7.1"],
        "19.8.1",
        "20.1.0",
        "21.2.0",
        "27.0.1",
    ]
    words = {(row[0], row[3]): row[1] for row in rows}
    assert words["19.6.0", "—"] == "shows it"
    assert words["19.7.1", "—"].startswith("not tested: app did not start")
    assert words["19.7.1", "`SO_REUSEPORT=hidden`"] == "not seen"
    assert [row[0] for row in rows if row[1] == "shows it"] == ["19.6.0"]


def test_the_steps_have_the_scenarios_file_and_the_runs_values(text: str) -> None:
    """The steps contain web.py, and the release and settings of the run."""
    assert (ROOT / "scenarios" / "socket-vanish" / "web.py").read_text(encoding="utf-8").rstrip() in text
    assert "pip install gunicorn==19.6.0 bottle==0.12.13" in text
    assert "--workers 5 --threads 5 --max-requests 512" in text
    assert "{{" not in text


def test_the_important_lines_are_open_and_the_rest_is_folded(text: str) -> None:
    """The traceback of the document is open; the start of the server is in a folded block."""
    logs = text[text.index("### Logs") : text.index("### Gunicorn Version")]
    open_part, _, rest = logs.partition("<details>")
    assert "FileNotFoundError: [Errno 2] No such file or directory: '/tmp/gunicorn.sock'" in open_part
    assert "Booting worker with pid: 10" not in open_part
    assert "Booting worker with pid: 10" in rest
    assert '"witness"' not in logs


def test_fences_and_folds_are_closed(text: str) -> None:
    """Each code block and each folded block ends, so that GitHub renders the report correctly."""
    assert len(re.findall(r"^```", text, re.M)) % 2 == 0
    assert text.count("<details>") == text.count("</details>")


def test_a_supporting_claim_has_no_names_of_the_lab(text: str) -> None:
    """A maintainer does not know the name of a variant such as `creator-only`."""
    part = text[text.index("**Also found**") : text.index("### Steps")]
    assert "still runs”: 6/6; in the controls 0/6)" in part
    assert "counted: “a FileNotFoundError that ends in sock.py" in part
    assert "creator-only" not in part


def test_a_claim_about_what_avoids_a_bug_names_its_sign(tmp_path: Path) -> None:
    """Without the sign, a count of 1/1 after "any of these avoids it" would read as a failure."""
    run = run_of(tmp_path / "run", "pool-freeze")
    text = render.write(report_input(run, "pool-freeze", "gunicorn"), ROOT)
    line = next(line for line in text.splitlines() if line.startswith("- Any of these avoids it"))
    assert "counted: “at least one request froze”: 1/1; in the controls 0/" in line


def test_a_limited_claim_names_the_claim_that_limits_it(tmp_path: Path) -> None:
    """The claim about Python 3.6.7 and later refers to the claim that the fix came with 3.11."""
    run = run_of(tmp_path / "run", "gunicorn-settings")
    text = render.write(report_input(run, "gunicorn-settings", "syslog"), ROOT)
    line = next(line for line in text.splitlines() if line.startswith("- With Django on Python 3.6.7 and later"))
    assert "but see “The fix came with Python 3.11," in line
    assert "> **Already fixed in Python 3.11" in text


def test_an_undecided_limit_is_not_named(tmp_path: Path) -> None:
    """An inconclusive claim does not limit another one."""
    run = run_of(tmp_path / "run", "gunicorn-settings")
    judged = report_input(run, "gunicorn-settings", "syslog")
    undecided = [
        replace(row, verdict=Verdict.INCONCLUSIVE) if row.id == "GS-49" else row for row in judged.verdict.claims
    ]
    judged = replace(judged, verdict=replace(judged.verdict, claims=tuple(undecided)))
    assert "but see" not in sections.supporting(judged)


def test_cpythons_report_has_a_plain_script(tmp_path: Path) -> None:
    """pool-freeze: the report for CPython does not need gunicorn, and its control differs only in the handler."""
    run = run_of(tmp_path / "run", "pool-freeze", host={"kernel": "6.18"})
    text = render.write(report_input(run, "pool-freeze", "cpython"), ROOT)
    assert "**Known upstream and open: add this to [python/cpython#82408]" in text
    assert "- **For:** CPython, https://github.com/python/cpython/issues/82408" in text
    assert "differs in one factor, `HANDLER`" in text
    assert re.search(r"\| shows it \| \d+/\d+ \(\d+–\d+ %\) \| 1/1 \(21–100 %\) \|", text)
    assert "multiprocessing.set_start_method" in text
    assert "### CPython versions tested on:\n\n3.6.15, 3.7.16" in text


def test_a_bug_that_the_newest_release_does_not_show_is_not_filed(tmp_path: Path) -> None:
    """The measurement has priority over the state in upstream.yaml."""
    run = run_of(tmp_path / "run", "pool-freeze")
    for release in ("gunicorn-23.0.0", "gunicorn-27.0.1"):
        change(run, release, lambda trial: trial["observation"].update(frozen=0))
    headline = render.headline(report_input(run, "pool-freeze", "gunicorn"))
    assert headline.startswith("**The newest release measured does not show it: do not file this as it stands.**")


def test_a_fix_that_does_not_work_is_reported(run: RunDirectory) -> None:
    """The state is `fixed`, but the newest measured release shows the sign."""
    change(run, "gunicorn-27.0.1", lambda trial: trial["observation"].update(socket_after=False))
    headline = render.headline(report_input(run))
    assert headline.startswith("**Upstream calls it fixed")
    assert "the newest release measured here still shows it" in headline


def test_releases_are_ordered_by_number() -> None:
    """2.0.9 comes before 2.0.27."""
    assert sorted(["2.0.27", "2.0.9", "2.0.19.1"], key=release_table.order) == ["2.0.9", "2.0.19.1", "2.0.27"]


@pytest.mark.parametrize("name", [name for name in having(spec.FILE) if trials_of(name)])
def test_no_report_is_too_long_for_github(name: str, tmp_path: Path) -> None:
    """All reports that the kept trials support are short enough, and have no unfilled factor."""
    run = run_of(tmp_path / "run", name)
    for report in spec.load(loader.load(ROOT, name)).reports:
        judged = report_input(run, name, report.name)
        if not obstacles(judged):
            text = render.write(judged, ROOT)
            assert len(text) <= render.MOST
            assert "{{" not in text


def test_a_report_that_is_too_long_has_no_folded_logs(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The important lines stay in the report."""
    monkeypatch.setattr(render, "MOST", 5000)
    text = render.write(report_input(run), ROOT)
    assert "FileNotFoundError: [Errno 2]" in text
    assert "lines, " not in text[text.index("### Logs") :]
    assert "<details><summary>the server's log" not in text


# -- reasons against a report ------------------------------------------------------------------------


def test_the_whole_run_supports_a_report(run: RunDirectory) -> None:
    """Without changes there is no obstacle; the next tests change one thing each."""
    assert obstacles(report_input(run)) == []


@pytest.mark.parametrize("status", ["aborted", "failed", "running"])
def test_an_incomplete_run_supports_no_report(run: RunDirectory, status: str) -> None:
    """The missing trials might contradict the report."""
    content = json.loads((run.path / "run.json").read_text(encoding="utf-8"))
    content.update(status=status, reason="interrupted\nmore", pid=labels.process_identity(os.getpid()))
    (run.path / "run.json").write_text(json.dumps(content), encoding="utf-8")
    assert obstacles(report_input(run)) == [f"the run is {status} (interrupted)"]


def test_a_control_that_shows_the_sign_is_an_obstacle(run: RunDirectory) -> None:
    """One of three trials is enough."""

    def taint(trial: dict[str, Any]) -> None:
        if trial["trial"] == 2:
            trial["observation"]["socket_after"] = False

    change(run, "gunicorn-19.5.0", taint)
    reasons = obstacles(report_input(run))
    assert reasons[0] == "the control gunicorn-19.5.0 did not come out clean: it showed the sign in 1/3"
    assert reasons[1].startswith("SV-1 is intermittent")


def test_a_variant_that_does_not_show_the_sign_is_an_obstacle(run: RunDirectory) -> None:
    """Nothing was reproduced."""
    change(run, "documented", lambda trial: trial["observation"].update(socket_after=True))
    assert "documented did not show the sign (0/3)" in obstacles(report_input(run))


@pytest.mark.parametrize(
    ("variant", "part"),
    [("documented", ""), ("gunicorn-19.5.0", "the control "), ("gunicorn-27.0.1", "the newest release ")],
)
def test_a_missing_variant_is_an_obstacle(run: RunDirectory, variant: str, part: str) -> None:
    """A report needs the showing variant, the control and the newest release."""
    unplan(run, variant)
    assert obstacles(report_input(run)) == [f"{part}{variant} was not run"]


def test_a_variant_without_a_valid_trial_is_an_obstacle(run: RunDirectory) -> None:
    """A server that did not start neither shows the sign nor is clean."""
    change(run, "gunicorn-19.5.0", lambda trial: trial.update(invalid="app did not start", observation={}))
    assert obstacles(report_input(run)) == ["the control gunicorn-19.5.0 has no valid trial: app did not start"]


def test_a_sign_that_cannot_be_read_is_an_obstacle(run: RunDirectory) -> None:
    """The observation lacks the value that the sign reads."""
    change(run, "documented", lambda trial: trial["observation"].pop("socket_after"))
    assert obstacles(report_input(run))[0].startswith("the sign could not be read: trial 1: KeyError")


# -- the command -------------------------------------------------------------------------------------


def call(monkeypatch: pytest.MonkeyPatch, results: Path, *arguments: str) -> Result:
    """Run the command line on this checkout's scenarios and other results."""
    monkeypatch.setenv("REPROLAB_RESULTS", str(results))
    monkeypatch.setenv("REPROLAB_ROOT", str(ROOT))
    return CliRunner().invoke(main.main, ["bugreport", *arguments])


def test_the_report_is_written_to_the_runs_directory(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command prints the path and the headline."""
    done = call(monkeypatch, run.path.parents[1], "socket-vanish")
    assert done.exit_code == Exit.AS_RECORDED
    assert f"written: {run.path / 'bugreport-gunicorn.md'}" in done.output
    assert "Already fixed in gunicorn 19.7.1" in done.output
    assert (run.path / "bugreport-gunicorn.md").read_text(encoding="utf-8").startswith("<!-- Made by reprolab")


def test_one_command_runs_what_a_report_needs(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From nothing: the variants of the report, and then the report. With a run that supports it nothing runs."""
    plans: list[Any] = []

    def execute(self: Session) -> None:
        plans.append(self.plan)
        shutil.copytree(run.path, tmp_path / "new" / "socket-vanish" / "20270101T000000Z")

    monkeypatch.setattr(Session, "execute", execute)
    for _ in range(2):
        done = call(monkeypatch, tmp_path / "new", "socket-vanish", "--run", "--trials", "2")
        assert done.exit_code == Exit.AS_RECORDED, done.output
        assert "bugreport-gunicorn.md" in done.output
    (plan,) = plans
    assert {(row.name, row.trials) for row in plan.variants} == {
        *(("documented", 2), ("gunicorn-19.5.0", 2), ("gunicorn-27.0.1", 2))
    }


def test_output_is_a_directory_with_a_slash(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: RunDirectory) -> None:
    """One that does not exist is made; the file has its usual name in it."""
    done = call(monkeypatch, run.path.parents[1], str(run.path), "--output", f"{tmp_path}/new/place/")
    assert done.exit_code == 0, done.output
    assert [path.name for path in (tmp_path / "new/place").iterdir()] == ["bugreport-gunicorn.md"]


def test_the_report_can_be_printed(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `--output -` no file is written."""
    done = call(monkeypatch, run.path.parents[1], str(run.path), "--output", "-")
    assert "### Steps to Reproduce" in done.output
    assert not (run.path / "bugreport-gunicorn.md").exists()


def test_the_newest_run_that_supports_the_report_is_used(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer run that is aborted, or lacks a variant, is not used."""
    newer = run_of(run.path.parent / "20270101T000000Z", "socket-vanish", status="aborted")
    unplan(newer, "gunicorn-27.0.1")
    done = call(monkeypatch, run.path.parents[1], "socket-vanish")
    assert f"from run {run.name}" in done.output
    assert not (newer.path / "bugreport-gunicorn.md").exists()


def test_a_refusal_has_the_reason_and_the_command(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit status is 3, and no file is written."""
    unplan(run, "gunicorn-27.0.1")
    done = call(monkeypatch, run.path.parents[1], "socket-vanish")
    assert done.exit_code == Exit.INCONCLUSIVE
    assert "not written: gunicorn (gunicorn): the newest release gunicorn-27.0.1 was not run" in done.output
    assert "  expected: one complete run of documented, gunicorn-19.5.0, gunicorn-27.0.1, with the sign" in done.output
    variants = "--variant documented --variant gunicorn-19.5.0 --variant gunicorn-27.0.1"
    assert f"  to do:    reprolab run socket-vanish {variants}" in done.output
    assert not list(run.path.glob("bugreport-*.md"))


def test_a_scenario_without_a_run_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the command that makes a run."""
    done = call(monkeypatch, tmp_path, "socket-vanish")
    assert done.exit_code == Exit.USAGE
    assert "reprolab run socket-vanish" in done.output


def test_an_unknown_report_is_refused(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the known report."""
    done = call(monkeypatch, run.path.parents[1], "socket-vanish", "--only", "gunicron")
    assert done.exit_code == Exit.USAGE
    assert "did you mean gunicorn?" in done.output


def custom_run(run: RunDirectory, **changes: Any) -> RunDirectory:
    """A run of one trial with other factors, which did not show the sign."""
    other = run_of(run.path.parent / "20270102T000000Z", "socket-vanish", **changes)
    trial = json.loads((other.path / "trials.jsonl").read_text(encoding="utf-8").splitlines()[0])
    trial["factors"] = {"GUNICORN": "27.0.1", "PYTHON": "3.12.1", "BOTTLE": "0.12.25"}
    trial.update(variant="custom", observation=trial["observation"] | {"socket_after": True})
    (other.path / "trials.jsonl").write_text(json.dumps(trial) + "\n", encoding="utf-8")
    return other


def test_another_run_adds_a_release(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table has the release of the other run, with its name. All other figures are of the report's run."""
    other = custom_run(run)
    done = call(monkeypatch, run.path.parents[1], str(run.path), "--also", str(other.path), "--output", "-")
    row = "| 27.0.1 (in run 20270102T000000Z) | not seen | 0/1 (0–79 %) | `BOTTLE=0.12.25 PYTHON=3.12.1` |"
    assert row in done.output
    assert "not seen in 19.7.1, 19.8.1, 20.1.0, 21.2.0, 27.0.1 (later)" in done.output
    assert "| 19.6.0 | shows it | 3/3 (44–100 %) | — |" in done.output


def test_an_incomplete_other_run_is_refused(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has its status and what is expected."""
    other = custom_run(run, status="aborted")
    done = call(monkeypatch, run.path.parents[1], str(run.path), "--also", str(other.path))
    assert done.exit_code == Exit.USAGE
    assert f"--also {other.path} is a run of socket-vanish, and aborted" in done.output
    assert "expected: a complete run of socket-vanish" in done.output


def test_a_run_of_another_scenario_is_refused(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """make bugreport-pool-freeze RUN=socket-vanish must not write reports of socket-vanish."""
    results = run.path.parents[1]
    for where in ("socket-vanish", str(run.path)):
        done = call(monkeypatch, results, where, "--scenario", "pool-freeze")
        assert done.exit_code == Exit.USAGE
        assert f"{where} is a run of socket-vanish" in done.output
        assert "expected: a run of pool-freeze" in done.output
    assert not list(run.path.glob("bugreport-*.md"))
    assert call(monkeypatch, results, "socket-vanish", "--scenario", "socket-vanish").exit_code == Exit.AS_RECORDED


def test_another_run_must_be_of_the_same_scenario(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """--also refuses a run of another scenario."""
    other = run_of(run.path.parents[1] / "pool-freeze" / "20270102T000000Z", "pool-freeze")
    done = call(monkeypatch, run.path.parents[1], str(run.path), "--also", str(other.path))
    assert done.exit_code == Exit.USAGE
    assert f"--also {other.path} is a run of pool-freeze\n  expected: a complete run of socket-vanish" in done.output


# -- private data ------------------------------------------------------------------------------------

SECRETS = (
    "build7",
    "corp.example",
    "u4711",
    "u4712",
    "/data/lab",
    "192.168.48.77",
    "2001:db8::7",
    "935b28d640e2",
    "02:42:ac:11:00:02",
    "hunter2",
    "7204f6cd-5f18-4666-a3f5-885b0c6e2da2",
)
PLANTED = (
    "build7 build7.corp.example u4711 u4712@corp.example /home/u4712/x /data/lab/reprolab/results/y 192.168.48.77 "
    "[2001:db8::7]:80 935b28d640e2 02:42:ac:11:00:02 https://bot:hunter2@git.corp.example/z "
    "7204f6cd-5f18-4666-a3f5-885b0c6e2da2"
)


def plant(run: RunDirectory) -> None:
    """Put secrets into all sources of a report: run.json, observations, reasons, logs, the Compose model."""
    content = json.loads((run.path / "run.json").read_text(encoding="utf-8"))
    content["host"] = {
        key: f"{value} {PLANTED}" if isinstance(value, str) else value for key, value in content["host"].items()
    }
    content["bases"] = {
        name: {**base, "detail": f"{base['detail']} {PLANTED}"} for name, base in content["bases"].items()
    }
    content["started"] += f" {PLANTED}"
    content["packages"]["documented/socket-vanish-app"]["pip"]["gunicorn"] = f"19.6.0 {PLANTED}"
    content["factors"]["H2O"] = PLANTED
    (run.path / "run.json").write_text(json.dumps(content), encoding="utf-8")
    change(run, "gunicorn-19.7.1", lambda trial: trial.update(invalid=f"app did not start: {PLANTED}"))
    change(run, "documented", lambda trial: trial["observation"].update(noise=PLANTED))
    log = run.trial("vanish", "documented", 1).streams_path("app")
    lines = gzip.decompress(log.read_bytes())
    log.write_bytes(gzip.compress(lines + f"Exception in worker process {PLANTED}\n{PLANTED}\n".encode()))
    app = {
        "build": {
            "context": "/data/lab/reprolab/scenarios/socket-vanish",
            "args": {"PYTHON_IMAGE": "reprolab-base/python:3.6.15-host-bookworm"},
        },
        "image": "reprolab/socket-vanish-app:0",
    }
    model = {"services": {"socket-vanish-app": app}}
    run.trial("vanish", "documented", 1).write("compose.json", model)


def test_logs_that_are_gone_are_not_called_silent(run: RunDirectory) -> None:
    """A log that could not be read tells nothing; the report must not say that no line matters."""
    for log in run.path.glob("vanish/documented/*/*.log.gz"):
        log.unlink()
    text = render.write(report_input(run), ROOT)
    assert "Not in the trial's directory, so it could not be read: app" in text
    assert "No log line tells more" not in text


def test_planted_secrets_are_in_no_report(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names, paths, addresses, ids, mail addresses and credentials in the sources are not in the report."""
    monkeypatch.setattr(socket, "gethostname", lambda: "build7")
    monkeypatch.setattr(socket, "getfqdn", lambda: "build7.corp.example")
    monkeypatch.setattr(platform, "node", lambda: "build7")
    monkeypatch.setattr(getpass, "getuser", lambda: "u4711")
    plant(run)
    planted = report_input(run)
    assert obstacles(planted) == []
    text = render.write(planted, ROOT)
    assert text.count("[address]") > 5, "the planted texts are not in the report"
    for place in ("not tested: `app did not start", "Exception in worker process", "H2O=", "- **Machine:**"):
        assert place in text
    for secret in SECRETS:
        assert secret not in text, f"{secret} is in the report: {text[text.index(secret) - 80 :][:160]!r}"


def test_this_machines_names_and_paths_are_in_no_report(run: RunDirectory) -> None:
    """The log has the real host name, home, checkout and run directory."""
    host, home = socket.gethostname(), str(Path.home())
    private = f"Exception in worker process on {host} in {ROOT}/scenarios, {run.path}/x and {home}/y\n"
    log = run.trial("vanish", "documented", 1).streams_path("app")
    log.write_bytes(gzip.compress(gzip.decompress(log.read_bytes()) + private.encode()))
    text = render.write(report_input(run), ROOT)
    assert "in [checkout]/scenarios, [checkout]/x and [home]/y" in text
    assert str(ROOT) not in text
    assert str(run.path) not in text
    assert host in ("", "localhost") or not re.search(rf"(?<![\w-]){re.escape(host)}(?![\w-])", text)


# -- files that have changed since the run -----------------------------------------------------------


def built(run: RunDirectory, image: str) -> BugReportInput:
    """The input of the run, with this image of the app, built in another checkout."""
    content = json.loads((run.path / "run.json").read_text(encoding="utf-8"))
    content["bases"] = {"python:3.6.15-slim-bullseye": {"reference": "base:1", "id": "sha256:1", "origin": "hub"}}
    (run.path / "run.json").write_text(json.dumps(content), encoding="utf-8")
    build = {"context": "/elsewhere/scenarios/socket-vanish", "dockerfile": "Dockerfile", "target": "app", "args": ARGS}
    model = {"services": {"socket-vanish-app": {"build": build, "image": image}}}
    run.trial("vanish", "documented", 1).write("compose.json", model)
    return report_input(run)


ARGS = {"PYTHON_IMAGE": "base:1", "GUNICORN": "19.6.0"}


def test_the_files_of_the_run_are_recognised(run: RunDirectory) -> None:
    """The name of an image is a digest of its files, so the same name means the same files in any checkout."""
    context = str(ROOT / "scenarios" / "socket-vanish")
    build = {"context": context, "dockerfile": "Dockerfile", "target": "app", "args": ARGS}
    name = image_name(build, "socket-vanish-app", [("base:1", "sha256:1")])
    assert changed_files_note(built(run, name)) == ""


def test_the_report_notes_files_that_have_changed(run: RunDirectory) -> None:
    """Without the note a reader would assume that these files were measured."""
    changed = built(run, "reprolab/socket-vanish-app:0123456789abcdef")
    assert "files have changed since this run" in changed_files_note(changed)
    assert "files have changed since this run" in render.write(changed, ROOT)


# -- excerpts ----------------------------------------------------------------------------------------


def test_an_excerpt_of_a_long_log_is_short(run: RunDirectory) -> None:
    """Of ten thousand matching lines the first are shown and the others counted. A very long line is cut."""
    trial = run.trial("vanish", "documented", 1)
    lines = b"".join(b"2026-11-21T05:52:25.851813286Z boom %d\n" % n for n in range(10_000)) + b"x" * 5000
    trial.streams_path("app").write_bytes(gzip.compress(lines))
    log = excerpt(trial, Logs("app", ("boom",)))
    assert log is not None
    assert len(log.matching) == MOST_LINES
    assert log.matching[0] == "boom 0"
    assert log.more == 10_000 - MOST_LINES
    assert max(len(line) for line in log.rest()) == LONGEST + 1
    assert any("lines left out" in line for line in log.rest())


def test_a_missing_log_has_no_excerpt(run: RunDirectory) -> None:
    """A file outside the trial's directory has none either."""
    trial = run.trial("vanish", "documented", 1)
    assert excerpt(trial, Logs("nobody", ())) is None
    assert excerpt(trial, Logs("../../../run.json", ())) is None


# -- the steps ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("argument", "ends"), [("default", True), ("", False)])
def test_the_frozen_pool_in_one_file(argument: str, ends: bool) -> None:
    """The shortest steps of pool-freeze: the pool freezes with the handler, and ends with the default one."""
    file = ROOT / "scenarios" / "pool-freeze" / "upstream" / "freeze.py"
    command = [sys.executable, str(file), *([argument] if argument else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            output, _ = process.communicate(timeout=3 if not ends else 8)
        except subprocess.TimeoutExpired:
            output = "frozen"
        finally:
            # The children of the pool outlive their parent.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert output.strip() == ("ended" if ends else "frozen")
