"""`reprolab diagnose`: the test set, the levels, the answer in words and as JSON, and the command line."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diagnose_excerpts
import pytest
from cases import ROOT
from click.testing import CliRunner
from diagnose_excerpts import cases
from reprolab.cli import diagnose as command
from reprolab.cli.main import main
from reprolab.core.errors import Exit
from reprolab.diagnose import result_json, result_text
from reprolab.diagnose.assess import Level
from reprolab.diagnose.case_command import _fitting
from reprolab.diagnose.session import Question, diagnose
from reprolab.run import plan
from reprolab.scenario import loader
from reprolab.verdict.document import SignCount, VerdictDocument

EXCERPTS = {excerpt.name: excerpt for excerpt in diagnose_excerpts.excerpts()}
WHOLE = ROOT / "tests" / "data" / "runs" / "whole" / "vanish" / "documented" / "1" / "app.streams.log.gz"


@pytest.mark.parametrize("name", EXCERPTS)
def test_each_excerpt_of_the_test_set_is_answered_as_expected(name: str) -> None:
    """The case and the level that the excerpt expects come first; where it expects none, none is named."""
    excerpt = EXCERPTS[name]
    answer = excerpt.answer()
    levels = [(row.scenario, row.level) for row in answer.assessments]
    assert diagnose_excerpts.verdict(excerpt, answer) == "right", levels


def test_the_test_set_is_large_enough() -> None:
    """At least 40 excerpts, 15 of them of no known case, and one at least for each case."""
    expected = [excerpt.expected for excerpt in EXCERPTS.values()]
    assert len(expected) >= 40
    assert expected.count(None) >= 15
    scenarios = {path.parent.name for path in ROOT.glob("scenarios/*/signature.py")}
    assert {row[0] for row in expected if row} == scenarios


def ask(tmp_path: Path, log: str, **options: tuple) -> dict[str, Level]:
    """Case -> the strongest level."""
    file = tmp_path / "app.log"
    file.write_text(log)
    answer = diagnose(cases(), Question((str(file),), **options))
    return {row.scenario: row.level for row in reversed(answer.assessments)}


TRACEBACK = EXCERPTS["socket-vanish-heroku"].files["web.log"]


@pytest.mark.parametrize(
    ("change", "level"),
    [
        (("19.6.0", "19.6.0"), Level.MATCHES),
        (("Starting gunicorn 19.6.0", "Starting"), Level.COULD_BE),  # nothing names the release
        (("19.6.0", "19.7.0"), Level.COULD_BE),  # no run on record has it
        (("19.6.0", "20.1.0"), Level.NOT_THIS),
        (("unix:/srv/run/shop.sock", "http://127.0.0.1:8000"), Level.NOT_THIS),
        (("Listening at: unix", "Listens on unix"), Level.COULD_BE),  # nothing names the address
        (("Autorestarting worker after current request", "Worker ends"), None),  # a step is missing
        (("in close", "in open"), None),
    ],
)
def test_the_level_follows_from_steps_release_and_settings(tmp_path: Path, change: tuple, level: Level | None) -> None:
    """`matches` needs all of them; what is known against a case excludes it."""
    assert ask(tmp_path, TRACEBACK.replace(*change)).get("socket-vanish") == level


def test_the_release_in_force_when_it_happened_counts(tmp_path: Path) -> None:
    """An upgrade after the fault, or another release in a list of packages, does not excuse it."""
    later = TRACEBACK + "[2026-03-03 05:20:11 +0000] [9] [INFO] Starting gunicorn 20.1.0\n"
    assert ask(tmp_path, later, versions=("gunicorn=21.2.0",))["socket-vanish"] == Level.MATCHES
    earlier = "[2026-03-01 05:20:11 +0000] [9] [INFO] Starting gunicorn 20.1.0\n" + TRACEBACK
    assert ask(tmp_path, earlier)["socket-vanish"] == Level.MATCHES


def test_lines_of_two_logs_are_no_sequence(tmp_path: Path) -> None:
    """Their order in time is not known."""
    lines = TRACEBACK.splitlines(keepends=True)
    (tmp_path / "a.log").write_text("".join(lines[:6]))
    (tmp_path / "b.log").write_text("".join(lines[6:]))
    answer = diagnose(cases(), Question((str(tmp_path / "a.log"), str(tmp_path / "b.log"))))
    assert "socket-vanish" not in {row.scenario for row in answer.assessments if row.level is Level.MATCHES}


@pytest.fixture(autouse=True)
def load_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scenarios are loaded once for all tests."""
    monkeypatch.setattr(command, "load_cases", lambda *roots: cases())


def run(*arguments: str, **options: object) -> tuple[int, str]:
    """Exit status and output of `reprolab diagnose`."""
    result = CliRunner().invoke(main, ["diagnose", *arguments], **options)
    return result.exit_code, result.output


def test_the_answer_names_lines_reasons_and_the_command(tmp_path: Path) -> None:
    """With the user's own release and settings, as far as the case has factors for them."""
    file = tmp_path / "web.log"
    file.write_text(TRACEBACK)
    config = tmp_path / "gunicorn.conf.py"
    config.write_text("workers = 9\nthreads = 4\nmax_requests = 1000\nsecret = compute('hunter2')\n")
    status, output = run(str(file), "--config", str(config))
    assert status == Exit.AS_RECORDED
    assert "matches: socket-vanish: a thread worker that restarts at max_requests" in output
    assert "  web.log:18  the file of the socket is not there any more" in output
    assert "FileNotFoundError: [Errno 2] No such file or directory: '[path]'" in output
    assert "reprolab run socket-vanish --set GUNICORN=19.6.0 --set WORKERS=9 --set THREADS=4" in output
    assert "--set MAX_REQUESTS=1000" in output
    assert "https://github.com/benoitc/gunicorn/issues/1298" in output
    assert "settings in gunicorn.conf.py: workers, threads, max_requests\n" in output
    assert "not read: gunicorn.conf.py:4: secret is not known" in output
    assert "hunter2" not in output
    assert "/srv" not in output


@pytest.mark.parametrize(("name", "text"), [("setup.ini", "[tool]\nlength = 1\n"), ("urls.py", "import django\n")])
def test_a_configuration_of_something_else_is_told(tmp_path: Path, name: str, text: str) -> None:
    """Else a reader takes the defaults for the settings of the file."""
    log, config = tmp_path / "web.log", tmp_path / name
    log.write_text(TRACEBACK)
    config.write_text(text)
    status, output = run(str(log), "--config", str(config))
    assert status == Exit.AS_RECORDED
    assert f"not read: {name}: it has no setting of gunicorn or uWSGI" in output


def test_under_make_the_command_is_a_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words are those that the user types."""
    monkeypatch.setenv("REPROLAB_BY_MAKE", "1")
    file = tmp_path / "web.log"
    file.write_text(TRACEBACK)
    assert "make scenario-socket-vanish GUNICORN=19.6.0" in run(str(file))[1]


@pytest.mark.parametrize("value", ["4; touch never", "$(touch never)", "`touch never`", "'", "-4", "4 5"])
def test_a_value_that_a_shell_would_run_is_in_no_command(tmp_path: Path, value: str) -> None:
    """It is left out."""
    file = tmp_path / "web.log"
    file.write_text(TRACEBACK)
    output = run(str(file), "--command", f'gunicorn --threads "{value}" x')[1]
    assert "try it: reprolab run socket-vanish" in output
    assert "touch" not in output.split("try it:")[1].splitlines()[0]
    assert "THREADS" not in output.split("try it:")[1].splitlines()[0]


@pytest.mark.parametrize(
    ("factor", "value", "taken"),
    [
        ("WORKER_CLASS", "gthread", "gthread"),
        ("WORKER_CLASS", "shop.workers:Own", ""),  # the image of the case does not have it
        ("WORKER_CLASS", "$(touch never)", ""),
        ("WORKER_CLASS", "-x", ""),
        ("THREADS", "many", ""),
        ("PATCH", "anything", ""),
        ("PYTHON", "3.6", "3.6.15"),
        ("PYTHON", "3.5", ""),
        ("WORKER_CLASS", "uvicorn.workers.UvicornWorker", ""),  # its image has no uvicorn
    ],
)
def test_a_factor_takes_only_what_the_case_can_run(factor: str, value: str, taken: str) -> None:
    """Plain words, numbers where a number is documented, one of the listed values, a patch release that it has."""
    assert _fitting(loader.load(ROOT, "socket-vanish"), factor, value) == taken


@pytest.mark.parametrize(
    ("name", "factors"),
    [
        ("syslog-django", {"ARGUMENTS": "--log-syslog"}),
        ("reload-missing-module", {"ARGUMENTS": "--reload", "FILE": "missing-module"}),
        ("exit-code-3-hook", {"CHILD": "on-exit"}),
        ("failed-startup-status", {"MESSAGE": "no database"}),
        ("socket-vanish-heroku", {}),
    ],
)
def test_the_command_has_what_the_case_needs_to_show(name: str, factors: dict[str, str]) -> None:
    """Not every case shows on the documented stack; then the command has the factors of a variant that does."""
    answer = EXCERPTS[name].answer()
    row, shown = answer.assessments[0], answer.commands[0].factors
    by_user = set(row.signature.factors)
    assert {key: value for key, value in shown.items() if key not in by_user} == factors
    assert all(f"{key}={value}" in answer.commands[0].text for key, value in factors.items())


@pytest.mark.parametrize(
    "excerpt", [excerpt for excerpt in EXCERPTS.values() if excerpt.expected], ids=lambda e: e.name
)
def test_every_command_makes_a_plan(excerpt: diagnose_excerpts.Excerpt) -> None:
    """The case takes the factors of the command."""
    answer = excerpt.answer()
    for command_row in answer.commands:
        scenario = loader.load(ROOT, command_row.scenario)
        options = plan.RunOptions(command_row.scenario, command_row.experiment, settings=dict(command_row.factors))
        assert plan.make_plan(scenario, options).variants


def test_the_name_of_a_worker_class_in_a_log_becomes_that_of_the_option(tmp_path: Path) -> None:
    """gunicorn 19 writes `threads`, and cannot load a class of that name."""
    file = tmp_path / "web.log"
    file.write_text(TRACEBACK)
    assert "Using worker: threads" in TRACEBACK
    assert "--set WORKER_CLASS=gthread" in run(str(file))[1]


def test_where_nothing_matches_unusual_lines_and_a_way_on_are_shown(tmp_path: Path) -> None:
    """The line that no healthy run has, and the command that lays out a case of one's own."""
    file = tmp_path / "app.log"
    file.write_text(EXCERPTS["none-port-in-use"].files["app.log"])
    output = run(str(file))[1]
    assert "none of the lab's cases is shown by these logs" in output
    assert "app.log:2  [2031-04-02 16:09:16 +0000] [731] [ERROR] Connection in use" in output
    assert "Starting gunicorn" not in output.split("healthy")[1]
    assert "reprolab new-scenario my-case" in output


def test_no_escape_of_a_log_reaches_the_terminal(tmp_path: Path) -> None:
    """Neither in a matched line nor in the name of a file, nor in JSON."""
    file = tmp_path / "a\x1b[31m.log"
    file.write_text(TRACEBACK.replace("unix:", "\x1b]0;owned\x07unix:") + "\x1b[2J odd\n")
    for arguments in ([], ["--json"]):
        assert "\x1b" not in run(str(file), *arguments)[1]


def test_json_has_the_whole_answer(tmp_path: Path) -> None:
    """One document on standard output."""
    file = tmp_path / "web.log"
    file.write_text(TRACEBACK)
    status, output = run(str(file), "--json")
    document = json.loads(output)
    first = document["cases"][0]
    assert (document["schema"], first["scenario"], first["level"]) == (result_json.SCHEMA, "socket-vanish", "matches")
    assert first["factors"]["GUNICORN"] == "19.6.0"
    assert [line["line"] for line in first["lines"]] == [5, 14, 16, 18]
    assert status == Exit.AS_RECORDED


def test_the_page_names_every_key_of_the_json() -> None:
    """Of the answer, and of one of its cases."""
    page = (ROOT / "docs" / "diagnose.md").read_text(encoding="utf-8").split("## JSON")[1]
    document = result_json.to_json(diagnose(cases(), Question((str(WHOLE),))))
    keys = {*document, *document["cases"][0], *document["cases"][0]["lines"][0], *document["releases"][0]}
    assert [key for key in sorted(keys) if f"`{key}`" not in page] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no log is given"),
        (["-", "-"], "standard input is given twice"),
        (["none.log"], "cannot read none.log"),
        ([str(ROOT)], "is no regular file"),
        ([str(WHOLE), "--env", "THREADS"], "expected: NAME=VALUE"),
        ([str(WHOLE), "--version", "gunicorn"], "expected: PACKAGE=VERSION"),
        ([str(WHOLE), "--config", "/dev/null"], "is no regular file"),
    ],
)
def test_a_mistake_is_a_message(arguments: list[str], message: str) -> None:
    """Status 2, what is wrong, and what is expected."""
    status, output = run(*arguments)
    assert status == Exit.USAGE
    assert message in output


def test_standard_input_is_a_log() -> None:
    """As in `journalctl -u app | reprolab diagnose -`."""
    output = run("-", "--version", "gunicorn=19.6.0", input=TRACEBACK)[1]
    assert "matches: socket-vanish" in output
    assert "standard input:18" in output


def test_verify_runs_the_first_case_with_the_users_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan has the factors of the command that is shown."""
    plans = []

    class Session:
        run = None

        def __init__(self, root: Path, run_plan: object, *_: object) -> None:
            plans.append(run_plan)

        def execute(self) -> Exit:
            return Exit.AS_RECORDED

    monkeypatch.setattr(command, "Session", Session)
    monkeypatch.setattr(command.releases, "check", lambda *_: None)
    file = tmp_path / "web.log"
    file.write_text(TRACEBACK)
    status, _ = run(str(file), "--verify", "--command", "gunicorn --threads 4 x")
    assert status == Exit.AS_RECORDED
    (run_plan,) = plans
    assert run_plan.scenario.name == "socket-vanish"
    (variant,) = run_plan.variants
    assert variant.changes["THREADS"] == "4"


@pytest.mark.parametrize(
    ("counts", "line"),
    [
        ({"custom": SignCount(3, 3)}, "verified: the case shows here in 3/3 (SV-2: "),
        ({"documented": SignCount(1, 3)}, "verified: the case shows here in 1/3 (SV-2: "),
        ({"custom": SignCount(0, 3)}, "not seen: the case does not show here in 0/3 (SV-2: "),
        ({"custom": SignCount(0, 0)}, "not decided: no trial tells whether the case shows here (SV-2)"),
        ({}, "not decided: no trial tells whether the case shows here (SV-2)"),
    ],
)
def test_verify_says_whether_the_case_shows(
    monkeypatch: pytest.MonkeyPatch, counts: dict[str, SignCount], line: str
) -> None:
    """By the sign of the claim from which the signature is known, whatever the other signs of the scenario do."""
    row = EXCERPTS["socket-vanish-heroku"].answer().commands[0]
    assert row.claim == "SV-2"
    verdict = VerdictDocument("socket-vanish", "run", (), {}, {"SV-2": counts, "SV-1": {"custom": SignCount(0, 3)}})
    monkeypatch.setattr(command, "read_verdict", lambda _: verdict)
    session: Any = SimpleNamespace(run="a run")
    assert command._outcome(session, loader.load(ROOT, "socket-vanish"), row.claim).startswith(line)


def test_verify_of_nothing_says_so(tmp_path: Path) -> None:
    """Status 3: nothing was decided."""
    file = tmp_path / "app.log"
    file.write_text("nothing\n")
    assert run(str(file), "--verify")[0] == Exit.INCONCLUSIVE


def test_a_whole_run_is_answered_from_its_log() -> None:
    """The run on record, packed as the lab keeps it."""
    text = "\n".join(result_text.lines(diagnose(cases(), Question((str(WHOLE),))), "authoring.md"))
    assert text.count("matches:") == 1
    assert "not this one: socket-vanish" not in text  # the other way in which it could show
