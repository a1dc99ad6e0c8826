"""Bug reports on recorded runs: what they say, when they are refused, and that nothing private is in them."""

from __future__ import annotations

import getpass
import gzip
import json
import os
import platform
import re
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
from cases import ROOT, having, recorded_run, trials_of
from click.testing import CliRunner, Result
from reprolab.bugreport import release_table, render, sections, spec
from reprolab.bugreport.input import BugReportInput, gather, obstacles
from reprolab.bugreport.log_excerpt import LONGEST, MOST_LINES, excerpt
from reprolab.bugreport.provenance import as_it_ran
from reprolab.bugreport.spec import BugReport, Logs
from reprolab.cli import main
from reprolab.core.errors import Exit
from reprolab.evidence.run_dir import RunDirectory
from reprolab.scenario import loader
from reprolab.scenario import model as scenario_model
from reprolab.stack.compose import image_name
from reprolab.verdict.document import Verdict

Change = Callable[[dict[str, Any]], None]


def report_input(run: RunDirectory, name: str = "socket-vanish", only: str = "gunicorn") -> BugReportInput:
    """What a report is made from."""
    found = loader.load(ROOT, name)
    return gather(found, report_of(found, only), run, run.info())


def report_of(found: scenario_model.Scenario, only: str) -> BugReport:
    """One report of a scenario."""
    return next(one for one in spec.load(found).reports if one.name == only)


def run_of(path: Path, name: str, **more: Any) -> RunDirectory:
    """A run made from the trials that are kept of a scenario."""
    path.mkdir(parents=True)
    (path / "trials.jsonl").write_bytes(trials_of(name))
    content = {"schema": 1, "scenario": name, "status": "complete", "started": "2026-11-21 09:12 UTC"} | more
    (path / "run.json").write_text(json.dumps(content), encoding="utf-8")
    return RunDirectory(path)


def change(run: RunDirectory, variant: str, how: Change) -> None:
    """Change the trials of one variant."""
    path = run.path / "trials.jsonl"
    trials = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for trial in trials:
        if trial["variant"] == variant:
            how(trial)
    path.write_text("".join(json.dumps(trial) + "\n" for trial in trials), encoding="utf-8")


def without(run: RunDirectory, variant: str) -> None:
    """Take one variant out."""
    path = run.path / "trials.jsonl"
    kept = [line for line in path.read_text(encoding="utf-8").splitlines() if json.loads(line)["variant"] != variant]
    path.write_text("\n".join(kept) + "\n", encoding="utf-8")


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """The whole recorded run of socket-vanish."""
    return recorded_run(tmp_path / "results", "whole")


@pytest.fixture
def text(run: RunDirectory) -> str:
    """Its report."""
    return render.write(report_input(run), ROOT)


# -- what it says ------------------------------------------------------------------------------------


def test_it_follows_the_projects_form(text: str) -> None:
    """The headings of gunicorn's discussion form, in its order, each with something under it."""
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


def test_a_fixed_bug_says_so_first_and_by_our_measurement(text: str) -> None:
    """The first words to be read are that there is nothing to file, and which release came out clean."""
    first = next(line for line in text.splitlines() if line.startswith(">"))
    assert first.startswith(
        "> **Already fixed in gunicorn 19.7.1, the first release measured after: there is nothing to file.**"
    )
    assert "Known as [benoitc/gunicorn#1298](https://github.com/benoitc/gunicorn/issues/1298); fixed by " in first
    assert "; fixed by [benoitc/gunicorn#1310](" in first
    assert text.index(first) < text.index("### Type")


def test_rates_have_intervals_and_the_control_differs_in_one_factor(text: str) -> None:
    """3 of 3 and 0 of 3, with what three runs allow, and which factor it is."""
    assert "| shows it | 3/3 (44–100 %) |" in text
    assert "| control | 0/3 (0–56 %) | `GUNICORN=19.5.0` |" in text
    assert "The control differs in one factor, `GUNICORN`." in text


def test_it_names_the_document(text: str, tmp_path: Path) -> None:
    """By title, author and date; a link to it is not taken for a private host."""
    assert (
        "- **Described in:** “Gunicorn起動中にUnixドメインソケットが消える”, 2017-02-18 (its log lines), Japanese."
        in text
    )
    found = render.write(report_input(run_of(tmp_path / "run", "spawn-workers"), "spawn-workers", "uvicorn"), ROOT)
    assert ", Korean https://www.sysnet.pe.kr/2/0/13875." in found


def test_the_table_of_releases(text: str) -> None:
    """One row for each release that was measured; an invalid one is not tested, with its reason; no other release."""
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


def test_the_steps_hold_the_scenarios_own_file_and_the_runs_own_values(text: str) -> None:
    """web.py as it lies there, and the release and settings that were in force."""
    assert (ROOT / "scenarios" / "socket-vanish" / "web.py").read_text(encoding="utf-8").rstrip() in text
    assert "pip install gunicorn==19.6.0 bottle==0.12.13" in text
    assert "--workers 5 --threads 5 --max-requests 512" in text
    assert "{{" not in text


def test_the_telling_lines_stand_open_and_the_rest_is_folded(text: str) -> None:
    """The traceback of the document is there to be seen; the start of the server opens on demand."""
    logs = text[text.index("### Logs") : text.index("### Gunicorn Version")]
    open_part, _, rest = logs.partition("<details>")
    assert "FileNotFoundError: [Errno 2] No such file or directory: '/tmp/gunicorn.sock'" in open_part
    assert "Booting worker with pid: 10" not in open_part
    assert "Booting worker with pid: 10" in rest
    assert '"witness"' not in logs


def test_fences_and_folds_are_closed(text: str) -> None:
    """So that GitHub shows what was meant."""
    assert len(re.findall(r"^```", text, re.M)) % 2 == 0
    assert text.count("<details>") == text.count("</details>")


def test_a_claim_beside_it_is_told_without_the_labs_names(text: str) -> None:
    """A maintainer does not know what `creator-only` is."""
    found = text[text.index("**Also found**") : text.index("### Steps")]
    assert "still runs”: 6/6; in the controls 0/6)" in found
    assert "counted: “a FileNotFoundError that ends in sock.py" in found
    assert "creator-only" not in found


def test_what_avoids_it_is_not_said_to_show_it(tmp_path: Path) -> None:
    """Beneath "any of these avoids it" stands what was counted: else 1/1 reads as if it had not helped."""
    run = run_of(tmp_path / "run", "pool-freeze")
    text = render.write(report_input(run, "pool-freeze", "gunicorn"), ROOT)
    line = next(line for line in text.splitlines() if line.startswith("- Any of these avoids it"))
    assert "counted: “at least one request froze”: 1/1; in the controls 0/" in line


def test_a_sentence_that_another_limits_names_it(tmp_path: Path) -> None:
    """ "On Python 3.6.7 and later", and in 3.11.7 not seen: the claim that says where it ends stands beside it."""
    run = run_of(tmp_path / "run", "gunicorn-settings")
    text = render.write(report_input(run, "gunicorn-settings", "syslog"), ROOT)
    line = next(line for line in text.splitlines() if line.startswith("- With Django on Python 3.6.7 and later"))
    assert "but see “The fix came with Python 3.11," in line
    assert "> **Already fixed in Python 3.11" in text


def test_a_limit_that_the_run_did_not_decide_is_not_named(tmp_path: Path) -> None:
    """What was not measured limits nothing."""
    run = run_of(tmp_path / "run", "gunicorn-settings")
    found = report_input(run, "gunicorn-settings", "syslog")
    undecided = [
        replace(row, verdict=Verdict.INCONCLUSIVE) if row.id == "GS-49" else row for row in found.verdict.claims
    ]
    found = replace(found, verdict=replace(found.verdict, claims=tuple(undecided)))
    assert "but see" not in sections.supporting(found)


def test_the_first_report_is_of_the_cause_without_gunicorn(tmp_path: Path) -> None:
    """pool-freeze: CPython's report shows a plain script; its control differs in the handler alone."""
    run = run_of(tmp_path / "run", "pool-freeze", host={"kernel": "6.18"})
    text = render.write(report_input(run, "pool-freeze", "cpython"), ROOT)
    assert "**Known upstream and open: add this to [python/cpython#82408]" in text
    assert "- **For:** CPython, https://github.com/python/cpython/issues/82408" in text
    assert "differs in one factor, `HANDLER`" in text
    assert re.search(r"\| shows it \| 1/1 \(21–100 %\) \| \d+/\d+ \(\d+–\d+ %\) \|", text)
    assert "multiprocessing.set_start_method" in text
    assert "### CPython versions tested on:\n\n3.6.15, 3.7.16" in text


def test_where_the_newest_release_is_clean_nothing_is_to_be_filed(tmp_path: Path) -> None:
    """Whatever upstream.yaml says of a bug: the measurement decides."""
    run = run_of(tmp_path / "run", "pool-freeze")
    for release in ("gunicorn-23.0.0", "gunicorn-27.0.1"):
        change(run, release, lambda trial: trial["observation"].update(frozen=0))
    headline = render.headline(report_input(run, "pool-freeze", "gunicorn"))
    assert headline.startswith("**The newest release measured does not show it: do not file this as it stands.**")


def test_a_fix_that_is_none_is_told(run: RunDirectory) -> None:
    """Upstream calls it fixed, and the newest release measured shows it."""
    change(run, "gunicorn-27.0.1", lambda trial: trial["observation"].update(socket_after=False))
    headline = render.headline(report_input(run))
    assert headline.startswith("**Upstream calls it fixed")
    assert "the newest release measured here still shows it" in headline


def test_releases_are_ordered_by_number() -> None:
    """2.0.9 comes before 2.0.27."""
    assert sorted(["2.0.27", "2.0.9", "2.0.19.1"], key=release_table.order) == ["2.0.9", "2.0.19.1", "2.0.27"]


@pytest.mark.parametrize("name", [one for one in having(spec.FILE) if trials_of(one)])
def test_no_report_is_too_long_for_github(name: str, tmp_path: Path) -> None:
    """Every report that the kept trials bear stays below what a body may hold, and its texts are filled."""
    run = run_of(tmp_path / "run", name)
    for report in spec.load(loader.load(ROOT, name)).reports:
        found = report_input(run, name, report.name)
        if not obstacles(found):
            text = render.write(found, ROOT)
            assert len(text) <= render.MOST
            assert "{{" not in text


def test_what_would_be_too_long_loses_the_folded_logs(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """GitHub would refuse it; the lines that matter stay."""
    monkeypatch.setattr(render, "MOST", 5000)
    text = render.write(report_input(run), ROOT)
    assert "FileNotFoundError: [Errno 2]" in text
    assert "lines, " not in text[text.index("### Logs") :]
    assert "<details><summary>the server's log" not in text


# -- when there is none ------------------------------------------------------------------------------


def test_the_whole_run_bears_it(run: RunDirectory) -> None:
    """No obstacle: so the cases below are refused for what they change."""
    assert obstacles(report_input(run)) == []


@pytest.mark.parametrize("status", ["aborted", "failed", "running"])
def test_a_run_that_did_not_end_bears_none(run: RunDirectory, status: str) -> None:
    """Half a run may lack what would contradict it."""
    content = json.loads((run.path / "run.json").read_text(encoding="utf-8"))
    content.update(status=status, reason="interrupted\nmore")
    (run.path / "run.json").write_text(json.dumps(content), encoding="utf-8")
    assert obstacles(report_input(run)) == [f"the run is {status} (interrupted)"]


def test_a_control_that_shows_it_too_is_none(run: RunDirectory) -> None:
    """One of three is enough."""

    def taint(trial: dict[str, Any]) -> None:
        if trial["trial"] == 2:
            trial["observation"]["socket_after"] = False

    change(run, "gunicorn-19.5.0", taint)
    found = obstacles(report_input(run))
    assert found[0] == "the control gunicorn-19.5.0 did not come out clean: it showed the sign in 1/3"
    assert found[1].startswith("SV-1 is refuted")


def test_a_variant_that_does_not_show_it(run: RunDirectory) -> None:
    """Nothing was reproduced, so there is nothing to report."""
    change(run, "documented", lambda trial: trial["observation"].update(socket_after=True))
    assert "documented did not show the sign (0/3)" in obstacles(report_input(run))


@pytest.mark.parametrize(
    ("variant", "part"),
    [("documented", ""), ("gunicorn-19.5.0", "the control "), ("gunicorn-27.0.1", "the newest release ")],
)
def test_a_deciding_variant_that_was_not_run(run: RunDirectory, variant: str, part: str) -> None:
    """The showing one, the control, and the newest release."""
    without(run, variant)
    assert obstacles(report_input(run)) == [f"{part}{variant} was not run"]


def test_a_deciding_variant_without_a_valid_trial(run: RunDirectory) -> None:
    """What did not start has shown nothing, and has not been clean either."""
    change(run, "gunicorn-19.5.0", lambda trial: trial.update(invalid="app did not start", observation={}))
    assert obstacles(report_input(run)) == ["the control gunicorn-19.5.0 has no valid trial: app did not start"]


def test_a_sign_that_cannot_be_read(run: RunDirectory) -> None:
    """An observation without what the sign looks at."""
    change(run, "documented", lambda trial: trial["observation"].pop("socket_after"))
    assert obstacles(report_input(run))[0].startswith("the sign could not be read: trial 1: KeyError")


# -- the command -------------------------------------------------------------------------------------


def call(monkeypatch: pytest.MonkeyPatch, results: Path, *arguments: str) -> Result:
    """Run the command line on this checkout's scenarios and other results."""
    monkeypatch.setenv("REPROLAB_RESULTS", str(results))
    monkeypatch.setenv("REPROLAB_ROOT", str(ROOT))
    return CliRunner().invoke(main.main, ["bugreport", *arguments])


def test_it_writes_beside_the_run(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says where, and what matters most."""
    done = call(monkeypatch, run.path.parents[1], "socket-vanish")
    assert done.exit_code == Exit.AS_RECORDED
    assert f"written: {run.path / 'report-gunicorn.md'}" in done.output
    assert "Already fixed in gunicorn 19.7.1" in done.output
    assert (run.path / "report-gunicorn.md").read_text(encoding="utf-8").startswith("<!-- Made by reprolab")


def test_it_prints(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `--output -`, and writes nothing then."""
    done = call(monkeypatch, run.path.parents[1], str(run.path), "--output", "-")
    assert "### Steps to Reproduce" in done.output
    assert not (run.path / "report-gunicorn.md").exists()


def test_the_newest_run_that_bears_it_is_taken(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Newer runs of fewer variants, or that were aborted, do not hide it."""
    newer = run_of(run.path.parent / "20270101T000000Z", "socket-vanish", status="aborted")
    without(newer, "gunicorn-27.0.1")
    done = call(monkeypatch, run.path.parents[1], "socket-vanish")
    assert f"from run {run.name}" in done.output
    assert not (newer.path / "report-gunicorn.md").exists()


def test_a_refusal_says_why_and_what_to_do(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit status 3, and the command whose run would bear it; nothing is written."""
    without(run, "gunicorn-27.0.1")
    done = call(monkeypatch, run.path.parents[1], "socket-vanish")
    assert done.exit_code == Exit.INCONCLUSIVE
    assert "not written: gunicorn (gunicorn): the newest release gunicorn-27.0.1 was not run" in done.output
    assert "  expected: one complete run of documented, gunicorn-19.5.0, gunicorn-27.0.1, with the sign" in done.output
    assert '  to do:    make scenario-socket-vanish VARIANT="documented gunicorn-19.5.0 gunicorn-27.0.1"' in done.output
    assert not list(run.path.glob("report-*.md"))


def test_no_run_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says which command makes one."""
    done = call(monkeypatch, tmp_path, "socket-vanish")
    assert done.exit_code == Exit.USAGE
    assert "make scenario-socket-vanish" in done.output


def test_an_unknown_report(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The known ones are named."""
    done = call(monkeypatch, run.path.parents[1], "socket-vanish", "--only", "gunicron")
    assert done.exit_code == Exit.USAGE
    assert "did you mean gunicorn?" in done.output


def custom_run(run: RunDirectory, **changes: Any) -> RunDirectory:
    """A run of one trial with factors of one's own, which did not show it."""
    other = run_of(run.path.parent / "20270102T000000Z", "socket-vanish", **changes)
    trial = json.loads((other.path / "trials.jsonl").read_text(encoding="utf-8").splitlines()[0])
    trial["factors"] = {"GUNICORN": "27.0.1", "PYTHON": "3.12.1", "BOTTLE": "0.12.25"}
    trial.update(variant="custom", observation=trial["observation"] | {"socket_after": True})
    (other.path / "trials.jsonl").write_text(json.dumps(trial) + "\n", encoding="utf-8")
    return other


def test_another_run_adds_a_release(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What --set measured stands in the table, with its run; everything else is the report's own run's."""
    other = custom_run(run)
    done = call(monkeypatch, run.path.parents[1], str(run.path), "--also", str(other.path), "--output", "-")
    row = "| 27.0.1 (in run 20270102T000000Z) | not seen | 0/1 (0–79 %) | `BOTTLE=0.12.25 PYTHON=3.12.1` |"
    assert row in done.output
    assert "not seen in 19.7.1, 19.8.1, 20.1.0, 21.2.0, 27.0.1 (later)" in done.output
    assert "| 19.6.0 | shows it | 3/3 (44–100 %) | — |" in done.output


def test_a_run_that_did_not_end_adds_nothing(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused, with what was expected."""
    other = custom_run(run, status="aborted")
    done = call(monkeypatch, run.path.parents[1], str(run.path), "--also", str(other.path))
    assert done.exit_code == Exit.USAGE
    assert f"--also {other.path} is a run of socket-vanish, and aborted" in done.output
    assert "expected: a complete run of socket-vanish" in done.output


def test_a_run_of_another_scenario_is_refused(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """make bugreport-pool-freeze RUN=socket-vanish would write reports of a case that was not asked for."""
    results = run.path.parents[1]
    for where in ("socket-vanish", str(run.path)):
        done = call(monkeypatch, results, where, "--scenario", "pool-freeze")
        assert done.exit_code == Exit.USAGE
        assert f"{where} is a run of socket-vanish" in done.output
        assert "expected: a run of pool-freeze" in done.output
    assert not list(run.path.glob("report-*.md"))
    assert call(monkeypatch, results, "socket-vanish", "--scenario", "socket-vanish").exit_code == Exit.AS_RECORDED


def test_another_scenarios_run_adds_no_release(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the refusal is a sentence."""
    other = run_of(run.path.parents[1] / "pool-freeze" / "20270102T000000Z", "pool-freeze")
    done = call(monkeypatch, run.path.parents[1], str(run.path), "--also", str(other.path))
    assert done.exit_code == Exit.USAGE
    assert f"--also {other.path} is a run of pool-freeze\n  expected: a complete run of socket-vanish" in done.output


# -- nothing private ---------------------------------------------------------------------------------

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
    """Secrets in everything a report may draw on: run.json, observations, reasons, logs, the Compose model."""
    content = json.loads((run.path / "run.json").read_text(encoding="utf-8"))
    content["host"] = {key: f"{value} {PLANTED}" for key, value in content["host"].items()}
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


def test_planted_secrets_are_in_no_report(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names, paths, addresses, ids, mail, credentials: planted in all that a report draws on, found nowhere."""
    monkeypatch.setattr(socket, "gethostname", lambda: "build7")
    monkeypatch.setattr(socket, "getfqdn", lambda: "build7.corp.example")
    monkeypatch.setattr(platform, "node", lambda: "build7")
    monkeypatch.setattr(getpass, "getuser", lambda: "u4711")
    plant(run)
    found = report_input(run)
    assert obstacles(found) == []
    text = render.write(found, ROOT)
    assert text.count("[address]") > 5, "the planted texts did not get as far as the report"
    for place in ("not tested: app did not start", "Exception in worker process", "H2O=", "- **Machine:**"):
        assert place in text
    for secret in SECRETS:
        assert secret not in text, f"{secret} is in the report: {text[text.index(secret) - 80 :][:160]!r}"


def test_this_machines_own_names_and_paths_are_in_no_report(run: RunDirectory) -> None:
    """With the real host name, user, home and checkout in a log, and a run that lies in a real place."""
    host, home = socket.gethostname(), str(Path.home())
    private = f"Exception in worker process on {host} in {ROOT}/scenarios, {run.path}/x and {home}/y\n"
    log = run.trial("vanish", "documented", 1).streams_path("app")
    log.write_bytes(gzip.compress(gzip.decompress(log.read_bytes()) + private.encode()))
    text = render.write(report_input(run), ROOT)
    assert "in [checkout]/scenarios, [checkout]/x and [home]/y" in text
    assert str(ROOT) not in text
    assert str(run.path) not in text
    assert host in ("", "localhost") or not re.search(rf"(?<![\w-]){re.escape(host)}(?![\w-])", text)


# -- whether the files are those that ran ------------------------------------------------------------


def built(run: RunDirectory, image: str) -> BugReportInput:
    """The same run, whose app had this image, built in another checkout on bases of its own."""
    content = json.loads((run.path / "run.json").read_text(encoding="utf-8"))
    content["bases"] = {"python:3.6.15-slim-bullseye": {"reference": "base:1", "id": "sha256:1", "origin": "hub"}}
    (run.path / "run.json").write_text(json.dumps(content), encoding="utf-8")
    build = {"context": "/elsewhere/scenarios/socket-vanish", "dockerfile": "Dockerfile", "target": "app", "args": ARGS}
    model = {"services": {"socket-vanish-app": {"build": build, "image": image}}}
    run.trial("vanish", "documented", 1).write("compose.json", model)
    return report_input(run)


ARGS = {"PYTHON_IMAGE": "base:1", "GUNICORN": "19.6.0"}


def test_the_files_of_the_run_are_recognised(run: RunDirectory) -> None:
    """An image's name is a digest of what went into it: the same name, the same files, wherever they lay."""
    context = str(ROOT / "scenarios" / "socket-vanish")
    here = {"context": context, "dockerfile": "Dockerfile", "target": "app", "args": ARGS}
    name = image_name(here, "socket-vanish-app", [("base:1", "sha256:1")])
    assert as_it_ran(built(run, name)) == ""


def test_files_that_have_changed_since_are_told(run: RunDirectory) -> None:
    """Else a reader would take today's files for those that were measured."""
    found = built(run, "reprolab/socket-vanish-app:0123456789abcdef")
    assert "files have changed since this run" in as_it_ran(found)
    assert "files have changed since this run" in render.write(found, ROOT)


# -- excerpts ----------------------------------------------------------------------------------------


def test_an_excerpt_is_short_whatever_the_log(run: RunDirectory) -> None:
    """Ten thousand telling lines and one that is very long: the first are shown, the others counted."""
    trial = run.trial("vanish", "documented", 1)
    lines = b"".join(b"2026-11-21T05:52:25.851813286Z boom %d\n" % n for n in range(10_000)) + b"x" * 5000
    trial.streams_path("app").write_bytes(gzip.compress(lines))
    found = excerpt(trial, Logs("app", ("boom",)))
    assert found is not None
    assert len(found.telling) == MOST_LINES
    assert found.telling[0] == "boom 0"
    assert found.more == 10_000 - MOST_LINES
    assert max(len(line) for line in found.rest()) == LONGEST + 1
    assert any("lines left out" in line for line in found.rest())


def test_a_log_that_is_not_there_is_none(run: RunDirectory) -> None:
    """Nor is a file outside the trial's directory."""
    trial = run.trial("vanish", "documented", 1)
    assert excerpt(trial, Logs("nobody", ())) is None
    assert excerpt(trial, Logs("../../../run.json", ())) is None


# -- the steps ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("argument", "ends"), [("default", True), ("", False)])
def test_the_frozen_pool_in_one_file(argument: str, ends: bool) -> None:
    """pool-freeze's shortest steps: with the handler the pool never ends, without it it does; nothing else differs."""
    file = ROOT / "scenarios" / "pool-freeze" / "upstream" / "freeze.py"
    command = [sys.executable, str(file), *([argument] if argument else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            told, _ = process.communicate(timeout=3 if not ends else 8)
        except subprocess.TimeoutExpired:
            told = "frozen"
        finally:
            # The pool's children too: they outlive their parent.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert told.strip() == ("ended" if ends else "frozen")
